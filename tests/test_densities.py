"""Densities on nodes: draws follow them, and their mass is one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from bilby_flowpe.densities import Cells, EvenCells, cells_of, draw_linear, linear_density, spread

NODES = np.linspace(-1.0, 3.0, 9)
HEIGHTS = {
    "smooth": np.exp(-0.5 * NODES**2),
    "zero at the ends": np.array([0, 1, 2, 3, 4, 3, 2, 1, 0.0]),
    "a gap": np.array([1, 1, 0, 0, 0, 2, 2, 0, 0.0]),
    "flat": np.ones(9),
}


@pytest.mark.parametrize("name", HEIGHTS)
def test_draws_and_density(name: str) -> None:
    height = HEIGHTS[name]
    with np.errstate(divide="ignore"):
        log_target = np.log(height) + 700  # whatever the constant
    shares = (np.arange(20_000) + 0.5) / 20_000
    draws, log_density = draw_linear(np.tile(NODES, (20_000, 1)), np.tile(log_target, (20_000, 1)), shares)
    area = np.trapezoid(height, NODES)
    np.testing.assert_allclose(np.exp(log_density), np.interp(draws, NODES, height) / area, rtol=1e-9, atol=1e-12)
    fine = np.linspace(-1, 3, 400_001)
    density = np.interp(fine, NODES, height) / area
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * 1e-5)])
    # Shares are equal parts of the whole, so that draws are the quantiles themselves.
    assert kstest(draws, lambda x: np.interp(x, fine, cumulative)).statistic < 1e-3


def test_every_row_has_its_own_density() -> None:
    rows = np.stack([np.linspace(0, 1, 5), np.linspace(10, 12, 5)])
    draws, log_density = draw_linear(rows, np.zeros((2, 5)), np.array([0.25, 0.5]))
    np.testing.assert_allclose(draws, [0.25, 11.0])
    np.testing.assert_allclose(np.exp(log_density), [1.0, 0.5])


def test_the_ends_of_cells_have_a_density() -> None:
    """Shares that fall on nodes of zero density, from either side."""
    nodes = np.tile(np.linspace(0, 1, 4), (6, 1))
    with np.errstate(divide="ignore"):
        log_target = np.tile(np.log([0.0, 1.0, 0.0, 1e-200]), (6, 1))
    draws, log_density = draw_linear(nodes, log_target, np.array([0.0, 0.5, 1 - 1e-16, 1.0, 1 / 3, 1e-300]))
    assert np.all(np.isfinite(log_density))
    assert np.all((draws >= 0) & (draws <= 1))


@pytest.mark.parametrize("name", HEIGHTS)
def test_linear_density_is_that_of_draws(name: str) -> None:
    with np.errstate(divide="ignore"):
        log_target = np.tile(np.log(HEIGHTS[name]) - 300, (200, 1))
    nodes = np.tile(NODES, (200, 1))
    draws, log_density = draw_linear(nodes, log_target, np.random.default_rng(3).random(200))
    np.testing.assert_allclose(linear_density(nodes, log_target, draws), np.exp(log_density), rtol=1e-9, atol=1e-12)


def test_linear_density_has_mass_one_on_uneven_nodes_and_none_beyond() -> None:
    nodes = np.array([0.0, 1.0, 1.5, 4.0])
    places = np.linspace(-1.0, 5.0, 6_001)
    density = linear_density(np.tile(nodes, (6_001, 1)), np.tile([0.0, 2.0, -1.0, 1.0], (6_001, 1)), places)
    assert np.all(density[(places < 0) | (places > 4)] == 0)
    # A jump at either end falls within one step of the trapezoidal rule.
    assert np.trapezoid(density, places) == pytest.approx(1, abs=1e-3)


def test_cells_of_rows() -> None:
    masses = np.array([[1.0, 2.0, 1.0], [0.0, 0.0, 5.0], [2.0, 0.0, 0.0]])
    cell, share = cells_of(masses, np.array([2.0, 0.0, 2.0]))
    np.testing.assert_array_equal(cell, [1, 2, 2])
    np.testing.assert_allclose(share, [0.5, 0.0, 1.0])


class TestEvenCells:
    MASSES = np.array([[1.0, 6.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])

    def test_mass_is_one_and_in_proportion(self) -> None:
        cells = EvenCells.of(self.MASSES, 0.2)
        np.testing.assert_allclose(cells.heights.mean(axis=1), 1)
        # An even fifth lies under all; where there is nothing, all is even.
        np.testing.assert_allclose(cells.heights[0], 0.2 + 0.8 * np.array([0.4, 2.4, 0.0, 1.2]))
        np.testing.assert_allclose(cells.heights[1], 1)

    def test_quantiles_invert_shares(self) -> None:
        places = np.linspace(0, 1, 101)
        cells = EvenCells.of(np.tile(self.MASSES[:1], (101, 1)), 0.01)
        below, density = cells.below(places)
        np.testing.assert_allclose(cells.quantile(below), places, atol=1e-12)
        np.testing.assert_allclose(below[1:] - below[:-1], 0.5 * (density[1:] + density[:-1]) / 100, atol=0.02)
        assert below[0] == 0
        assert below[-1] == pytest.approx(1)


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
