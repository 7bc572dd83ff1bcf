"""Comparisons of a closed form with the likelihood in a batch."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.chain.comparison import Comparison, agrees, joined, scaled_differences, spread_where_likely


def test_blocks_are_joined() -> None:
    one = joined([Comparison(3, 0.1, ({"x": 1.0},), 0.5), Comparison(4, np.inf), Comparison(5, 0.2, (), 0.7)])
    assert one == Comparison(12, np.inf, ({"x": 1.0},), 0.7)


def test_nothing_and_something_is_the_latter() -> None:
    one = Comparison(3, 0.1, ({"x": 1.0},), 0.5)
    assert joined([Comparison(), one]) == one


def test_the_scale_grows_with_the_log_likelihood() -> None:
    """A thousandth is borne of a small log likelihood, and a hundred thousandth of a large one."""
    own = np.array([0.0, 1000.0, 1000.0, 0.0, np.nan])
    found = scaled_differences(own + np.array([0.0009, 0.0109, 0.0111, 0.0011, 0.0]), own)
    assert [agrees(difference) for difference in found] == [True, True, False, False, False]


def test_scatter_of_another_likelihood() -> None:
    """The log correction of a tempered Gaussian in two dimensions scatters by 0.9 times ten, as a sum of two squares."""
    rng = np.random.default_rng(3)
    squares = np.sum(rng.uniform(-20, 20, (20_000, 2)) ** 2, axis=1)
    tempered, plain = -0.05 * squares, -0.5 * squares
    assert spread_where_likely(tempered - plain, tempered) == pytest.approx(9.0, rel=0.1)
    assert spread_where_likely(np.zeros(20_000), tempered) == 0.0
    # A cut leaves no scatter, and of a few draws nothing is said.
    cut = np.where(squares > 100, -np.inf, 0.0)
    assert spread_where_likely(cut, tempered + cut) == 0.0
    assert spread_where_likely(np.array([0.0, 100.0]), np.array([0.0, -1.0])) == 0.0
