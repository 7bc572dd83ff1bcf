"""Normal mixtures in the quantiles of a prior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import kstest, norm

from bilby_flowpe.proposals.event_flow import EventFlow, Whitening
from bilby_flowpe.proposals.event_mixture import NormalMixture
from bilby_flowpe.proposals.event_quantiles import InQuantiles, fit_in_quantiles
from bilby_flowpe.proposals.parts import Normal

_WIDTH = 0.02


def half_modes(size: int, seed: int) -> np.ndarray:
    """Quantiles of modes around 0, 1/2 and 1 in two dimensions, what is beyond the edges reflected."""
    rng = np.random.default_rng(seed)
    around = rng.integers(3, size=(size, 2)) / 2 + _WIDTH * rng.standard_normal((size, 2))
    folded = np.abs(around) % 2
    return np.minimum(folded, 2 - folded)


def test_density_is_that_of_the_draws() -> None:
    """One column is uniform in parts of u; the other lies almost entirely within the prior."""
    means, cholesky = np.array([[0.0, 0.0], [2.0, 1.0]]), np.array([np.eye(2), 0.5 * np.eye(2)])
    whitening = Whitening(np.array([0.4, 0.5]), np.diag([0.2, 0.05]))
    density = InQuantiles(EventFlow(None, whitening, NormalMixture(np.array([0.5, 0.5]), means, cholesky)))
    draws = density.draw(20_000, np.random.default_rng(1))
    inside = np.isfinite(draws).all(axis=1)
    # The integral over the prior is the share of draws inside: over the grid in u, whose density takes the prior's Jacobian.
    points = (np.arange(400) + 0.5) / 400
    grid = ndtri(np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1).reshape(-1, 2))
    in_u = np.exp(density.log_prob(grid) - Normal(2).log_prob(grid)).reshape(400, 400)
    share = in_u.mean()
    assert inside.mean() == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 20_000))
    assert share < 0.99
    cumulative = np.cumsum(in_u.mean(axis=1)) / in_u.mean(axis=1).sum()
    u = ndtr(draws[inside, 0])
    edges = np.arange(1, 401) / 400
    assert kstest(u, lambda x: np.interp(x, edges, cumulative)).pvalue > 1e-3
    assert kstest(u, lambda x: np.interp(x + 0.02, edges, cumulative)).pvalue < 1e-3


@pytest.mark.training
def test_modes_cut_by_edges_are_kept() -> None:
    """The density is as efficient as normal densities fitted to modes and half modes, made 1.5 times as wide."""
    size, width = 5000, 1.5
    points = ndtri(half_modes(size, 2))
    density = fit_in_quantiles(points, np.zeros(size), np.random.default_rng(3), width)
    fresh = half_modes(size, 4)
    shares = np.where(np.abs(fresh - 0.5) > 0.25, 2, 1) / 3
    exact = shares * sum(norm.pdf(fresh, centre, _WIDTH) for centre in (0.0, 0.5, 1.0))
    base = ndtri(fresh)
    weights = exact.prod(axis=1) / np.exp(density.log_prob(base) - Normal(2).log_prob(base))

    def half(x: float) -> float:
        return (2 * norm.pdf(x)) ** 2 / norm.pdf(x, (2 / np.pi) ** 0.5, width * (1 - 2 / np.pi) ** 0.5)

    whole = width**2 / np.sqrt(2 * width**2 - 1)
    closed_form = (2 / 3 * quad(half, 0, 12)[0] + 1 / 3 * whole) ** 2
    # A tenth for what is fitted to so few points.
    assert weights.mean() < 1.1 * closed_form


def test_points_without_weight_do_not_count() -> None:
    points = np.random.default_rng(5).standard_normal((4000, 2)) * 0.1
    log_weights = np.zeros(4000)
    spoilt = points.copy()
    spoilt[:100] = np.nan
    spoilt[100:200] = 4.0
    log_weights[100:200] = -np.inf
    one = fit_in_quantiles(spoilt, log_weights, np.random.default_rng(6), 1.5)
    other = fit_in_quantiles(points[200:], np.zeros(3800), np.random.default_rng(6), 1.5)
    np.testing.assert_array_equal(one.log_prob(points), other.log_prob(points))


def test_a_single_point_makes_a_normal() -> None:
    density = fit_in_quantiles(np.zeros((1, 2)), np.zeros(1), np.random.default_rng(7), 1.5)
    assert np.isfinite(density.log_prob(np.zeros((1, 2)))).all()
