r"""A mixture of normal densities in the quantiles of the prior, fitted to weighted points, for what the prior's edges cut.

Where a mode is cut by an edge, the posterior in the standard-normal coordinate :math:`v = \Phi^{-1}(u)` falls off like the
prior, and what is fitted to points, with normal tails, falls short of it: refinement would lose such a mode round by round. In
the quantile :math:`u` it is part of an ordinary mode. Draws beyond the edge have no weight, and cost no likelihood evaluation.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from .event_flow import MOST_POINTS, EventFlow, Whitening, sound_weights, thinned
from .event_mixture import NormalMixture, fit_mixture, split
from .parts import Normal

_TRIALS = 512
_LEAST_INSIDE = 0.02
_AT_EDGE = 2.326  # standard deviations of v at the last hundredth of the quantiles, on either side
_LEAST_SHARE = 1e-3  # of the weight, at the edges of one parameter: a tenth of a mode that counts


class InQuantiles:
    """A density in u as one in v; :class:`~bilby_flowpe.proposals.parts.BaseDensity`.

    Parameters
    ----------
    density
        In u.
    """

    def __init__(self, density: EventFlow) -> None:
        self._density = density

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (size, n) of v; infinite beyond an edge."""
        return ndtri(np.clip(self._density.draw(size, rng), 0.0, 1.0))

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Log density (N,) at v, (N, n)."""
        return self._density.log_prob(ndtr(base)) + Normal(base.shape[1]).log_prob(base)


def fit_in_quantiles(
    points: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator, width: float
) -> InQuantiles:
    """Fit to weighted points by maximum likelihood.

    Parameters
    ----------
    points
        Values of v, (N, n).
    log_weights
        Their log weights, (N,); -inf for none.
    rng
        Source of all randomness.
    width
        Factor by which every component is broadened after the fit. Half a normal mode has longer tails than the whole one that
        is fitted to it.
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
    """Whether an edge of the prior may cut a part of weighted points (N, n) of v."""
    points, weights = sound_weights(points, log_weights)
    return bool(np.any(weights @ (np.abs(points) > _AT_EDGE) > _LEAST_SHARE))


def _filled(base: Normal | NormalMixture, whitening: Whitening, rng: np.random.Generator) -> Normal | NormalMixture:
    """Shares by which each component has the part of the draws *inside* that it was fitted with, and not of all draws."""
    if isinstance(base, Normal):
        return base
    white = rng.standard_normal((_TRIALS, base.means.shape[1]))
    u = whitening.inverse(base.means[:, None] + np.einsum("kij,nj->kni", base.cholesky, white))
    inside = np.mean(np.all((u > 0) & (u < 1), axis=-1), axis=1)
    shares = base.shares / np.maximum(inside, _LEAST_INSIDE)
    return NormalMixture(shares / shares.sum(), base.means, base.cholesky)
