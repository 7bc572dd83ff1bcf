"""Densities that are constant in cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from bilby_flowpe.densities import Cells, spread


@pytest.fixture
def cells() -> Cells:
    return Cells.of(np.array([0.0, 1.0, 1.5, 4.0]), np.log([1.0, 6.0, 0.4]))


def test_mass_is_one_and_in_proportion(cells: Cells) -> None:
    assert np.sum(cells.heights * np.diff(cells.edges)) == pytest.approx(1)
    np.testing.assert_allclose(cells.heights / cells.heights[0], [1, 6, 0.4])


def test_quantiles_invert_shares(cells: Cells) -> None:
    shares = np.linspace(0, 1, 101)
    np.testing.assert_allclose(cells.share(cells.quantile(shares)), shares, atol=1e-12)


def test_draws_follow_the_density(cells: Cells) -> None:
    draws = cells.quantile(np.random.default_rng(1).random(4000))
    assert kstest(draws, cells.share).pvalue > 1e-3
    assert np.mean(np.exp(-cells.log_density(draws))) == pytest.approx(4, rel=0.1)  # the density's support


def test_nothing_outside(cells: Cells) -> None:
    assert np.all(np.isneginf(cells.log_density(np.array([-1e-9, 4.0, 7.0]))))
    assert np.isfinite(cells.log_density(np.array([0.0]))[0])


def test_an_even_share_lies_under_all_of_it() -> None:
    cells = Cells.of(np.linspace(0, 10, 11), np.array([0.0] + [-800.0] * 9), even=0.2)
    np.testing.assert_allclose(cells.heights[1:], 0.02, rtol=1e-9)
    assert cells.heights[0] == pytest.approx(0.82)


def test_spread_shares_fill_every_piece_once() -> None:
    shares = spread(50, np.random.default_rng(2))
    assert sorted((shares * 50).astype(int)) == list(range(50))
    assert not np.all(np.diff(shares) > 0)
