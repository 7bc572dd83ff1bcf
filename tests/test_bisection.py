"""The last value at which a condition holds."""

from __future__ import annotations

import pytest

from bilby_flowpe.bisection import last_that_holds


def test_it_is_the_edge_of_the_condition() -> None:
    assert last_that_holds(lambda value: value**2 <= 2, 0.0, 2.0) == pytest.approx(2**0.5, abs=2e-12)


def test_where_it_holds_nowhere_it_is_the_lower_end() -> None:
    assert last_that_holds(lambda value: False, 0.3, 1.0) == pytest.approx(0.3, abs=1e-12)


def test_it_never_exceeds_the_edge() -> None:
    assert last_that_holds(lambda value: value < 0.25, 0.0, 1.0) < 0.25
