r"""A mixture of normal densities in the quantiles of the prior, fitted to weighted points, for what the prior's edges cut.

Where a mode is cut by an edge, the posterior in the standard-normal coordinate :math:`v = \Phi^{-1}(u)` falls off like the
prior, and what is fitted to points, with normal tails, falls short of it: refinement would lose such a mode round by round. In
the quantile :math:`u` it is part of an ordinary mode. Draws beyond the edge have no weight, and cost no likelihood evaluation.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from .event_flow import Whitening, sound_weights
from .event_mixture import NormalMixture, fit_mixture, split
from .parts import Normal

_LOG_2PI = float(np.log(2 * np.pi))


class InQuantiles:
    """A density in u as one in v; :class:`~bilby_flowpe.parts.BaseDensity`.

    Parameters
    ----------
    whitening
        Of u.
    base
        Density in whitened coordinates.
    """

    def __init__(self, whitening: Whitening, base: Normal | NormalMixture) -> None:
        self._whitening, self._base = whitening, base

    def broadened(self, width: float) -> InQuantiles:
        """The same from a broader base."""
        return InQuantiles(self._whitening, self._base.broadened(width))

    def draw(self, size: int, generator: torch.Generator) -> np.ndarray:
        """Draws (size, n) of v; infinite beyond an edge."""
        return ndtri(np.clip(self._whitening.inverse(self._base.draw(size, generator)), 0.0, 1.0))

    def log_prob(self, base: np.ndarray) -> np.ndarray:
        """Log density (N,) at v, (N, n)."""
        log_jacobian = -0.5 * np.sum(base**2 + _LOG_2PI, axis=1)
        return self._base.log_prob(self._whitening(ndtr(base))) - self._whitening.log_volume + log_jacobian


def fit_in_quantiles(points: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator) -> InQuantiles:
    """Fit to weighted points by maximum likelihood.

    Parameters
    ----------
    points
        Values of v, (N, n).
    log_weights
        Their log weights, (N,); -inf for none.
    rng
        Source of all randomness.
    """
    points, weights = sound_weights(points, log_weights)
    u = ndtr(points)
    whitening = Whitening.of(u, weights)
    white = whitening(u)
    normal = Normal(white.shape[1])
    if (parts := split(weights, rng)) is None:
        return InQuantiles(whitening, normal)
    train, test = parts
    mixture, score = fit_mixture(white[train], weights[train], white[test], weights[test], rng)
    of_normal = float(np.average(normal.log_prob(white[test]), weights=weights[test]))
    return InQuantiles(whitening, mixture if mixture is not None and score > of_normal else normal)
