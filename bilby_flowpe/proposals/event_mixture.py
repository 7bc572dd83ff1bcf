"""A mixture of normal densities fitted to weighted points: many modes apart, which a flow draws with bridges between them."""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import kmeans2

from .parts import Normal

_COMPONENTS = (2, 4, 8, 16, 32)
_MOST_POINTS = 8192
_STEPS = 60
_CONVERGED = 1e-4
_RIDGE = 1e-9
_HELD_OUT = 0.15
_GAIN = 0.01  # in mean log density, below which twice as many components are not worth their time


class NormalMixture:
    """Mixture of K normal densities in n dimensions; :class:`~bilby_flowpe.proposals.parts.BaseDensity`.

    Parameters
    ----------
    shares, means, cholesky
        (K,), (K, n) and lower triangular (K, n, n).
    """

    def __init__(self, shares: np.ndarray, means: np.ndarray, cholesky: np.ndarray) -> None:
        self.shares, self.means, self.cholesky = shares, means, cholesky
        # One small inverse for each component takes a tenth of the time of a triangular solution for each point.
        self._whitening = np.linalg.inv(cholesky)
        volumes = np.sum(np.log(np.diagonal(cholesky, axis1=1, axis2=2)), axis=1)
        self._log_norms = np.log(shares) - volumes - 0.5 * means.shape[1] * np.log(2 * np.pi)

    def broadened(self, width: float) -> NormalMixture:
        """Every component broader by this factor."""
        return NormalMixture(self.shares, self.means, self.cholesky * width)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (size, n)."""
        component = rng.choice(len(self.shares), size=size, p=self.shares / self.shares.sum())
        white = rng.standard_normal((size, self.means.shape[1]))
        return np.einsum("nij,nj->ni", self.cholesky[component], white) + self.means[component]

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Log density (N,) at (N, n)."""
        parts = self.log_parts(base)
        highest = parts.max(axis=1)
        # By hand: scipy's logsumexp takes three times as long on a handful of columns.
        alive = np.isfinite(highest)
        with np.errstate(divide="ignore"):
            total = np.log(np.sum(np.exp(parts - np.where(alive, highest, 0.0)[:, None]), axis=1))
        return np.where(alive, highest + total, highest)

    def coefficients(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Coefficients (1 + n + P, K) of each component's log density in 1, x, and x_i x_j of pairs (P,) of i <= j.

        Fast, and good to some 1e-12 of a component's largest term: for fits, not for weights.
        """
        inverse = self._whitening.transpose(0, 2, 1) @ self._whitening
        towards = np.einsum("kij,kj->ki", inverse, self.means)
        constant = self._log_norms - 0.5 * np.einsum("ki,ki->k", towards, self.means)
        products = -inverse[:, first, second] * np.where(first == second, 0.5, 1.0)
        return np.concatenate([constant[:, None], towards, products], axis=1).T

    def log_parts(self, base: np.ndarray) -> np.ndarray:
        """Log density of each component times its share, (N, K)."""
        log_parts = np.empty((len(base), len(self.shares)))
        for index, (mean, whitening) in enumerate(zip(self.means, self._whitening, strict=True)):
            white = (base - mean) @ whitening.T
            log_parts[:, index] = self._log_norms[index] - 0.5 * np.einsum("ni,ni->n", white, white)
        return log_parts


def split(weights: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """Indices of the points to fit to and of those to hold out; ``None`` where either would have no weight."""
    order = rng.permutation(len(weights))
    held = max(1, int(_HELD_OUT * len(weights)))
    test, train = order[:held], order[held:]
    return (train, test) if len(train) and weights[test].sum() > 0 and weights[train].sum() > 0 else None


def fit_mixture(
    points: np.ndarray, weights: np.ndarray, held_points: np.ndarray, held_weights: np.ndarray, rng: np.random.Generator
) -> tuple[Normal | NormalMixture, float]:
    """The mixture that held-out points like best, or the standard normal, and their mean log density.

    Parameters
    ----------
    points, weights
        White points (N, n) and their weights (N,).
    held_points, held_weights
        Others.
    rng
        Source of all randomness.
    """
    normal = Normal(points.shape[1])
    of_normal = float(np.average(normal.log_prob(held_points), weights=held_weights))
    best: tuple[Normal | NormalMixture, float] = (normal, -np.inf)
    effective = weights.sum() ** 2 / np.sum(weights**2)
    picked = rng.choice(len(points), size=min(_MOST_POINTS, len(points)), p=weights / weights.sum())
    for components in _COMPONENTS:
        # A component needs a few points in every direction.
        if effective < 4 * components * points.shape[1]:
            break
        mixture = _maximise(points[picked], components, effective, rng)
        score = float(np.average(mixture.log_prob(held_points), weights=held_weights))
        if score < best[1] + _GAIN:
            break
        best = mixture, score
    return best if best[1] > of_normal else (normal, of_normal)


def _maximise(points: np.ndarray, components: int, effective: float, rng: np.random.Generator) -> NormalMixture:
    """Expectation maximisation (Dempster et al. 1977) from centres by k-means, covariances held up by a prior."""
    size, n = points.shape
    means, label = kmeans2(points, components, minit="++", seed=rng)
    responsibility = np.eye(components)[label]
    # Of points that are repeated as their weights say, only so many are independent.
    count_scale = min(effective / size, 1.0)
    prior_count = n + 2.0
    within = points - means[label]
    prior_covariance = within.T @ within / size + _RIDGE * np.eye(n)
    # All moments, and the logarithms of all components, are products with these: one large one in the place of many small ones.
    first, second = np.triu_indices(n)
    features = np.concatenate([np.ones((size, 1)), points, points[:, first] * points[:, second]], axis=1)
    before = -np.inf
    for _ in range(_STEPS):
        moments = responsibility.T @ features
        counts = moments[:, 0] * count_scale
        shares = (counts + 1.0) / (counts + 1.0).sum()
        total = np.maximum(moments[:, 0], 1e-12)
        means = moments[:, 1 : n + 1] / total[:, None]
        squares = np.empty((components, n, n))
        squares[:, first, second] = squares[:, second, first] = moments[:, n + 1 :]
        scatter = (squares - total[:, None, None] * means[:, :, None] * means[:, None, :]) * count_scale
        covariance = (scatter + prior_count * prior_covariance) / (counts + prior_count)[:, None, None]
        mixture = NormalMixture(shares, means, np.linalg.cholesky(covariance))
        parts = features @ mixture.coefficients(first, second)
        highest = parts.max(axis=1, keepdims=True)
        responsibility = np.exp(parts - highest)
        sums = responsibility.sum(axis=1, keepdims=True)
        responsibility /= sums
        if (now := float(np.mean(highest + np.log(sums)))) < before + _CONVERGED:
            break
        before = now
    return mixture
