"""Mixtures of normal densities fitted to weighted points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from bilby_flowpe.proposals.event_mixture import NormalMixture, fit_mixture
from bilby_flowpe.proposals.parts import Normal

SHARES = np.array([0.2, 0.8])
MEANS = np.array([[-3.0, 0.0], [2.0, 1.0]])
CHOLESKY = np.array([[[0.3, 0.0], [0.2, 0.2]], [[0.5, 0.0], [-0.3, 0.4]]])


@pytest.fixture
def mixture() -> NormalMixture:
    return NormalMixture(SHARES, MEANS, CHOLESKY)


def test_density_is_normalised_and_that_of_the_draws(mixture: NormalMixture) -> None:
    grid = np.stack(np.meshgrid(np.linspace(-6, 6, 601), np.linspace(-4, 5, 601), indexing="ij"), axis=-1)
    density = np.exp(mixture.log_prob(grid.reshape(-1, 2)))
    assert density.sum() * (12 / 600) * (9 / 600) == pytest.approx(1, abs=1e-4)
    draws = mixture.draw(20_000, np.random.default_rng(1))

    def cdf(x: np.ndarray) -> np.ndarray:
        return SHARES[0] * norm.cdf(x, -3.0, 0.3) + SHARES[1] * norm.cdf(x, 2.0, 0.5)

    assert kstest(draws[:, 0], cdf).pvalue > 1e-3
    assert kstest(draws[:, 0] + 0.05, cdf).pvalue < 1e-3
    # -log q of its own draws has the entropy as its mean, whatever the way: density and draws agree.
    again = mixture.draw(20_000, np.random.default_rng(2))
    one, other = -mixture.log_prob(draws), -mixture.log_prob(again)
    assert one.mean() == pytest.approx(other.mean(), abs=5 * np.hypot(one.std(), other.std()) / 20_000**0.5)


def test_broadened(mixture: NormalMixture) -> None:
    broad = mixture.broadened(2.0)
    np.testing.assert_allclose(broad.log_prob(MEANS[:1]), mixture.log_prob(MEANS[:1]) - 2 * np.log(2), atol=1e-6)


def fitted(points: np.ndarray, weights: np.ndarray, seed: int) -> tuple[Normal | NormalMixture, float]:
    cut = len(points) * 4 // 5
    return fit_mixture(points[:cut], weights[:cut], points[cut:], weights[cut:], np.random.default_rng(seed))


def test_fit_finds_weighted_modes(mixture: NormalMixture) -> None:
    """Points from a broad density, weighted to the mixture."""
    broad = NormalMixture(np.ones(1), np.array([[0.0, 0.5]]), np.array([[[3.0, 0.0], [0.0, 2.0]]]))
    points = broad.draw(40_000, np.random.default_rng(4))
    weights = np.exp(mixture.log_prob(points) - broad.log_prob(points))
    found, score = fitted(points, weights, 5)
    assert isinstance(found, NormalMixture)
    draws = found.draw(20_000, np.random.default_rng(6))
    log_weights = mixture.log_prob(draws) - found.log_prob(draws)
    importance = np.exp(log_weights - log_weights.max())
    assert importance.sum() ** 2 / np.sum(importance**2) > 0.9 * 20_000
    exact = float(np.average(mixture.log_prob(points), weights=weights))
    assert score == pytest.approx(exact, abs=0.1)


def test_too_few_points_make_no_mixture() -> None:
    points = np.random.default_rng(7).standard_normal((10, 3))
    found, score = fitted(points, np.ones(10), 8)
    assert isinstance(found, Normal)
    assert np.isfinite(score)


def test_the_same_seed_gives_the_same_mixture(mixture: NormalMixture) -> None:
    points = mixture.draw(2000, np.random.default_rng(9))
    one, other = (fitted(points, np.ones(2000), 10)[0] for _ in range(2))
    np.testing.assert_array_equal(one.means, other.means)
