"""A mixture of normal densities fitted to weighted points.

Separate modes stay separate, while a flow connects them by bridges of density.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import kmeans2

from .parts import Normal

_COMPONENTS = (2, 4, 8, 16, 32)
"""Numbers of components tried, doubled while the fit improves; 32 bounds the time of a fit."""

_MOST_POINTS = 8192
"""Most points that a mixture is fitted to, drawn by their weights: more would take longer in proportion."""

_STEPS = 60  # Most iterations of expectation maximisation, which bounds the time of a fit that converges slowly.
_CONVERGED = 1e-4
"""Gain of the mean log density, in nats, below which iterations end: a hundredth of _GAIN, which decides between
fits."""

_RIDGE = 1e-9  # Variance added to that of whitened points, which is one: covariances stay positive definite.
_HELD_OUT = 0.15  # Share of the points held out: it decides between fits, and 85% remain to be fitted.
_GAIN = 0.01
"""Gain of the held-out mean log density, in nats, below which twice as many components are not worth their time."""


class NormalMixture:
    """Mixture of K normal densities in n dimensions; a :class:`~bilby_flowpe.proposals.parts.BaseDensity`.

    Parameters
    ----------
    shares, means, cholesky
        Shares of the components, (K,), their means, (K, n), and lower triangular Cholesky factors of their covariances,
        (K, n, n).
    """

    def __init__(self, shares: np.ndarray, means: np.ndarray, cholesky: np.ndarray) -> None:
        self.shares, self.means, self.cholesky = shares, means, cholesky
        # Inverting one small matrix for each component takes a tenth of the time of a triangular solution for each
        # point.
        self._whitening = np.linalg.inv(cholesky)
        volumes = np.sum(np.log(np.diagonal(cholesky, axis1=1, axis2=2)), axis=1)
        self._log_norms = np.log(shares) - volumes - 0.5 * means.shape[1] * np.log(2 * np.pi)

    def broadened(self, width: float) -> NormalMixture:
        """Return the mixture with every component broader by the factor ``width``."""
        return NormalMixture(self.shares, self.means, self.cholesky * width)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``size`` points of the base space, (size, n)."""
        component = rng.choice(len(self.shares), size=size, p=self.shares / self.shares.sum())
        white = rng.standard_normal((size, self.means.shape[1]))
        return np.einsum("nij,nj->ni", self.cholesky[component], white) + self.means[component]

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Return the log density (N,) at points (N, n)."""
        parts = self.log_parts(base)
        highest = parts.max(axis=1)
        # Written out, because scipy's logsumexp takes three times as long on a handful of columns.
        alive = np.isfinite(highest)
        with np.errstate(divide="ignore"):
            total = np.log(np.sum(np.exp(parts - np.where(alive, highest, 0.0)[:, None]), axis=1))
        return np.where(alive, highest + total, highest)

    def coefficients(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return coefficients (1 + n + P, K) of the log densities of components in 1, x, and x_i x_j of index pairs i <= j.

        This is fast, and good to some 1e-12 of a component's largest term: enough for a fit, but not for weights.
        """
        inverse = self._whitening.transpose(0, 2, 1) @ self._whitening
        towards = np.einsum("kij,kj->ki", inverse, self.means)
        constant = self._log_norms - 0.5 * np.einsum("ki,ki->k", towards, self.means)
        products = -inverse[:, first, second] * np.where(first == second, 0.5, 1.0)
        return np.concatenate([constant[:, None], towards, products], axis=1).T

    def log_parts(self, base: np.ndarray) -> np.ndarray:
        """Return the log of each component's share times its density, (N, K)."""
        log_parts = np.empty((len(base), len(self.shares)))
        for index, (mean, whitening) in enumerate(zip(self.means, self._whitening, strict=True)):
            white = (base - mean) @ whitening.T
            log_parts[:, index] = self._log_norms[index] - 0.5 * np.einsum("ni,ni->n", white, white)
        return log_parts


def split(weights: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """Split points into those to fit to and those to hold out, as indices; ``None`` if either group would have no weight."""
    order = rng.permutation(len(weights))
    held = max(1, int(_HELD_OUT * len(weights)))
    test, train = order[:held], order[held:]
    return (train, test) if len(train) and weights[test].sum() > 0 and weights[train].sum() > 0 else None


def fit_mixture(
    points: np.ndarray, weights: np.ndarray, held_points: np.ndarray, held_weights: np.ndarray, rng: np.random.Generator
) -> tuple[Normal | NormalMixture, float]:
    """Return the mixture that is best on held-out points, or the standard normal, and its mean log density there.

    Parameters
    ----------
    points, weights
        Whitened points (N, n) and their weights (N,).
    held_points, held_weights
        Whitened points that are not fitted to, and their weights.
    rng
        Source of all randomness.
    """
    normal = Normal(points.shape[1])
    of_normal = float(np.average(normal.log_prob(held_points), weights=held_weights))
    best: tuple[Normal | NormalMixture, float] = (normal, -np.inf)
    effective = weights.sum() ** 2 / np.sum(weights**2)
    picked = rng.choice(len(points), size=min(_MOST_POINTS, len(points)), p=weights / weights.sum())
    for components in _COMPONENTS:
        # A component needs a few effective points in every direction: four are required.
        if effective < 4 * components * points.shape[1]:
            break
        mixture = _maximise(points[picked], components, effective, rng)
        score = float(np.average(mixture.log_prob(held_points), weights=held_weights))
        if score < best[1] + _GAIN:
            break
        best = mixture, score
    return best if best[1] > of_normal else (normal, of_normal)


def _maximise(points: np.ndarray, components: int, effective: float, rng: np.random.Generator) -> NormalMixture:
    """Maximise the likelihood by expectation maximisation (Dempster et al. 1977), starting from k-means centres.

    A prior on the covariances keeps them from collapsing.
    """
    size, n = points.shape
    means, label = kmeans2(points, components, minit="++", seed=rng)
    responsibility = np.eye(components)[label]
    # Points are repeated in proportion to their weights, so that only this share of them is independent.
    count_scale = min(effective / size, 1.0)
    prior_count = n + 2.0
    within = points - means[label]
    prior_covariance = within.T @ within / size + _RIDGE * np.eye(n)
    # Moments and log densities of all components are products with this matrix: one large product in place of many
    # small ones.
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
