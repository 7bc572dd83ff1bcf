r"""A mixture of normal densities in the quantiles of the prior, for posteriors cut by an edge of the prior.

If an edge of the prior cuts a mode, the posterior in the standard-normal coordinate :math:`v = \Phi^{-1}(u)` falls off
like the prior. A mixture of normals fitted to points there falls off faster, and refinement would lose the mode round
by round. In the quantile :math:`u`, the posterior is a part of an ordinary mode. Draws beyond the edge have no weight
and cost no likelihood evaluation.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from .event_flow import MOST_POINTS, EventFlow, Whitening, sound_weights, thinned
from .event_mixture import NormalMixture, fit_mixture, split
from .parts import Normal

_TRIALS = 512
"""Draws of each component to measure its share inside the prior: a share of 2% is known to a third of itself."""

_LEAST_INSIDE = 0.02
"""Least share of a component assumed inside the prior: 10 of 512 draws; with fewer the correction would be noise."""

_AT_EDGE = 2.326  # standard deviations of v beyond which one hundredth of the prior lies, on either side
# share of the posterior weight at the edges of one parameter from which it counts: a tenth of a mode that counts
_LEAST_SHARE = 1e-3


class InQuantiles:
    """A density in u, used as a density in v; a :class:`~bilby_flowpe.proposals.parts.BaseDensity`.

    Parameters
    ----------
    density
        Density in the quantiles u.
    """

    def __init__(self, density: EventFlow) -> None:
        self._density = density

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``size`` values of v, (size, n); they are infinite beyond an edge of the prior."""
        return ndtri(np.clip(self._density.draw(size, rng), 0.0, 1.0))

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Return the log density (N,) at values of v, (N, n)."""
        return self._density.log_prob(ndtr(base)) + Normal(base.shape[1]).log_prob(base)


def fit_in_quantiles(
    points: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator, width: float
) -> InQuantiles:
    """Fit a mixture of normals in the quantiles to weighted points by maximum likelihood.

    Parameters
    ----------
    points
        Values of v, (N, n).
    log_weights
        Log weights of the points, (N,); -inf for none.
    rng
        Source of all randomness.
    width
        Factor by which every component is broadened after the fit: half of a normal mode has longer tails than the
        whole normal density that is fitted to it.
    """
    points, weights = sound_weights(points, log_weights)
    u = ndtr(points)
    whitening = Whitening.of(u, weights)
    kept, weights = thinned(weights, MOST_POINTS, rng)
    white = whitening(u[kept])
    base: Normal | NormalMixture = Normal(white.shape[1])
    if parts := split(weights, rng):
        train, test = parts
        base, _ = fit_mixture(white[train], weights[train], white[test], weights[test], rng)
    return InQuantiles(EventFlow(None, whitening, _filled(base.broadened(width), whitening, rng)))


def reaches_edges(points: np.ndarray, log_weights: np.ndarray) -> bool:
    """Return whether an edge of the prior may cut the posterior of weighted points (N, n) of v."""
    points, weights = sound_weights(points, log_weights)
    return bool(np.any(weights @ (np.abs(points) > _AT_EDGE) > _LEAST_SHARE))


def _filled(base: Normal | NormalMixture, whitening: Whitening, rng: np.random.Generator) -> Normal | NormalMixture:
    """Raise the share of each component by what it draws outside the prior, so that it keeps its fitted share *inside*."""
    if isinstance(base, Normal):
        return base
    white = rng.standard_normal((_TRIALS, base.means.shape[1]))
    u = whitening.inverse(base.means[:, None] + np.einsum("kij,nj->kni", base.cholesky, white))
    inside = np.mean(np.all((u > 0) & (u < 1), axis=-1), axis=1)
    shares = base.shares / np.maximum(inside, _LEAST_INSIDE)
    return NormalMixture(shares / shares.sum(), base.means, base.cholesky)
