"""A small flow fitted to weighted points: the posterior of one event, in the base space of a chart.

Points are whitened by their weighted mean and covariance. Then a mixture of normal densities, which handles separate
modes, and a spline flow are fitted; held-out points decide between them. If few points carry the weight, so that either
fit would overfit, the whitened normal density is kept. A mixture is far quicker to fit than a flow: if it is already as
good as required, no flow is fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from .. import pytorch
from .event_mixture import NormalMixture, fit_mixture, split
from .parts import Normal

if TYPE_CHECKING:
    from .spline_flow import SplineFlow

_RIDGE = 1e-9  # Share of each variance added to the diagonal: the Cholesky factor exists even if points lie in a plane.

MOST_POINTS = 20_000
"""Largest number of points in a fit, so that a fit in a late round, with many points, takes no longer than in an early one."""


@dataclass(frozen=True)
class Whitening:
    """Affine map to coordinates with zero mean and unit covariance.

    Attributes
    ----------
    mean, cholesky
        Weighted mean, (n,), and lower triangular Cholesky factor of the covariance, (n, n).
    """

    mean: np.ndarray
    cholesky: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, weights: np.ndarray) -> Whitening:
        """Make the whitening from the moments of points (N, n) with weights (N,) that sum to one."""
        mean = weights @ points
        centred = points - mean
        covariance = (centred * weights[:, None]).T @ centred
        scale = np.maximum(np.diag(covariance), 1e-30)
        return cls(mean, np.linalg.cholesky(covariance + _RIDGE * np.diag(scale) + 1e-30 * np.eye(len(mean))))

    @property
    def log_volume(self) -> float:
        """Log Jacobian of the inverse map."""
        return float(np.sum(np.log(np.diag(self.cholesky))))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Whiten points (N, n)."""
        return np.linalg.solve(self.cholesky, (points - self.mean).T).T

    def inverse(self, white: np.ndarray) -> np.ndarray:
        """Return the points (N, n) of whitened ones."""
        return white @ self.cholesky.T + self.mean


class EventFlow:
    """A spline flow on whitened points; a :class:`~bilby_flowpe.proposals.parts.BaseDensity`.

    Parameters
    ----------
    flow
        Flow in the whitened space; ``None`` if the base density is used without a flow.
    whitening
        Map from the chart's base space to the whitened space.
    base
        Density that the flow starts from.
    beside
        If there is a flow, the mixture of normals that was fitted to the same points.
    """

    def __init__(
        self,
        flow: SplineFlow | None,
        whitening: Whitening,
        base: Normal | NormalMixture,
        beside: EventFlow | None = None,
    ) -> None:
        self._flow, self._whitening, self._base, self.beside = flow, whitening, base, beside

    def broadened(self, width: float) -> EventFlow:
        """Return the same flow with a base density broader by the factor ``width``."""
        return EventFlow(self._flow, self._whitening, self._base.broadened(width))

    @property
    def normals(self) -> NormalMixture:
        """The density as a mixture of normals in the chart's base space; meant for a density without a flow."""
        base = self._base
        if isinstance(base, Normal):
            n = base.features
            base = NormalMixture(np.ones(1), np.zeros((1, n)), base.width * np.eye(n)[None])
        whitening = self._whitening
        return NormalMixture(base.shares, whitening.inverse(base.means), whitening.cholesky @ base.cholesky)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``size`` points of the chart's base space, (size, n)."""
        white = self._base.draw(size, rng)
        if self._flow is not None:
            white = self._flow.inverse(white)
        return self._whitening.inverse(white)

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Return the log density (N,) at points (N, n)."""
        finite = np.all(np.isfinite(base), axis=1)
        white = self._whitening(np.where(finite[:, None], base, 0.0))
        log_jacobian = np.zeros(len(white))
        if self._flow is not None:
            white, log_jacobian = self._flow.forward(white)
        return np.where(finite, self._base.log_prob(white) + log_jacobian - self._whitening.log_volume, -np.inf)


def fit_normals(points: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator, width: float) -> EventFlow:
    """Fit a mixture of normal densities to weighted points by maximum likelihood.

    Parameters
    ----------
    points
        Coordinates, (N, n).
    log_weights
        Log weights of the points, (N,); -inf for none.
    rng
        Source of all randomness.
    width
        Factor by which every component is broadened after the fit.
    """
    points, weights = sound_weights(points, log_weights)
    whitening = Whitening.of(points, weights)
    kept, weights = thinned(weights, MOST_POINTS, rng)
    white = whitening(points[kept])
    if (parts := split(weights, rng)) is None:
        return EventFlow(None, whitening, Normal(white.shape[1], width))
    train, test = parts
    base, _ = fit_mixture(white[train], weights[train], white[test], weights[test], rng)
    return EventFlow(None, whitening, base.broadened(width))


def fit_event_flow(
    points: np.ndarray,
    log_weights: np.ndarray,
    rng: np.random.Generator,
    steps: int,
    log_density: np.ndarray | None = None,
    enough: float = 0.0,
) -> EventFlow:
    """Fit a mixture of normals, or a flow if that is better, to weighted points by maximum likelihood.

    Parameters
    ----------
    points
        Base coordinates, (N, n).
    log_weights
        Log weights of the points, (N,); -inf for none.
    rng
        Source of all randomness.
    steps
        Largest number of training steps.
    log_density
        Log of the true density at the points, (N,), up to a constant.
    enough
        Divergence in nats up to which a mixture is accepted without fitting a flow.
    """
    alive = _alive(points, log_weights)
    points, weights = sound_weights(points, log_weights)
    whitening = Whitening.of(points, weights)
    kept, weights = thinned(weights, MOST_POINTS, rng)
    white = whitening(points[kept])
    normal = Normal(white.shape[1])
    if (parts := split(weights, rng)) is None:
        return EventFlow(None, whitening, normal)
    train, test = parts
    base, of_base = fit_mixture(white[train], weights[train], white[test], weights[test], rng)
    if log_density is None or _divergence(base, white[test], weights[test], log_density[alive][kept][test]) > enough:
        pytorch.load()
        # Imported here, so that a run in which mixtures are good enough needs no torch.
        from .spline_flow import fit_spline_flow

        flow, of_flow = fit_spline_flow(white, weights, train, test, rng, steps)
        if of_flow > of_base:
            return EventFlow(flow, whitening, normal, EventFlow(None, whitening, base))
    return EventFlow(None, whitening, base)


def _alive(points: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    return np.isfinite(log_weights) & np.all(np.isfinite(points), axis=1)


def sound_weights(points: np.ndarray, log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the finite points (M, n) with non-zero weight, and their weights (M,), which are truncated and sum to one."""
    alive = _alive(points, log_weights)
    points, weights = points[alive], np.exp(log_weights[alive] - log_weights[alive].max())
    # A single point must not become the whole posterior (truncated importance sampling, Ionides 2008).
    weights = np.minimum(weights, weights.mean() * math.sqrt(len(weights)))
    return points, weights / weights.sum()


def thinned(weights: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose about ``most`` points, at most, and weights with which they represent all points (priority sampling).

    A point of weight w is kept with probability min(1, w / c), and its new weight is the larger of w and c. Sums over
    the points keep their mean, and heavy points are always kept.
    """
    if len(weights) <= most:
        return np.arange(len(weights)), weights
    low, high = 0.0, float(weights.sum()) / most
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.minimum(weights / middle, 1.0).sum() > most else (low, middle)
    kept = np.flatnonzero(rng.random(len(weights)) < weights / high)
    heavier = np.maximum(weights[kept], high)
    return kept, heavier / heavier.sum()


def _divergence(base: Normal | NormalMixture, white: np.ndarray, weights: np.ndarray, log_density: np.ndarray) -> float:
    """Return the divergence in nats of ``base`` from a density with weighted points: E[ln p / q] + ln E[q / p]."""
    weights = weights / weights.sum()
    log_ratio = log_density - base.log_prob(white)
    some = weights > 0
    return float(weights[some] @ log_ratio[some] + logsumexp(-log_ratio[some], b=weights[some]))
