"""Draws from densities that are linear between nodes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from bilby_flowpe.densities import draw_linear

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
