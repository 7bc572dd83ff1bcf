"""Events one by one: their order is the same whatever the number of processes."""

from __future__ import annotations

import pytest

from bilby_flowpe.processes.events import each


def doubled(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("npool", [1, 2])
def test_each_keeps_the_order(npool: int) -> None:
    assert list(each(doubled, range(9), npool)) == list(range(0, 18, 2))
