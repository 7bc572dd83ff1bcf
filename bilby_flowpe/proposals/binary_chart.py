"""The prior's coordinates of a binary, with what data tell of first in the place of pairs of its parameters.

Spins (:mod:`.spin_pair`) and tides (:mod:`.tide_pair`) have pairs of coordinates of their own in which the prior is a standard
normal as it is in all others.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from ..priors import Parameters, PriorTransform, within_quantiles
from .charts import PriorChart
from .spin_pair import spin_pairs
from .tide_pair import tide_pairs

_LEAST, _EDGE = 1e-300, 1e-16  # shares nearer than this to 0 or 1 are not told from these


class Pair(Protocol):
    """An area-preserving map of two uniform shares, given other parameters."""

    @property
    def keys(self) -> tuple[str, str]:
        """The two parameters."""

    @property
    def needs(self) -> str | None:
        """Another parameter that the map depends on."""

    def forward(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Shares (2, N) of what data tell of first, and of the rest."""

    def inverse(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Shares (2, N) of the parameters."""


class BinaryChart(PriorChart):
    """The prior's own coordinates, but for spins and tides: a standard normal in the base is the prior.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters wanted, all when left out; the others must be independent of them.

    Attributes
    ----------
    across
        Parameters in the place of which is what data hardly tell of: the second of each pair.
    """

    def __init__(self, transform: PriorTransform, keys: tuple[str, ...] | None = None) -> None:
        super().__init__(transform, keys)
        pairs: list[Pair] = [*spin_pairs(transform, self.keys), *tide_pairs(transform, self.keys)]
        self.across = tuple(pair.keys[1] for pair in pairs)
        self._pairs = [([self.keys.index(key) for key in pair.keys], pair) for pair in pairs]

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`.charts.Chart`."""
        v, log_jacobian = super().forward(parameters)
        for columns, pair in self._pairs:
            of_pair = v[:, columns]
            v[:, columns] = ndtri(_clipped(pair.forward(ndtr(of_pair.T), parameters))).T
            log_jacobian = log_jacobian + 0.5 * np.sum(v[:, columns] ** 2 - of_pair**2, axis=1)
        return v, log_jacobian

    def _parameters(self, base: np.ndarray) -> tuple[Parameters, np.ndarray]:
        within = np.all(within_quantiles(base), axis=1)
        parameters, reached = super()._parameters(self._paired(base))
        return parameters, reached & within

    def _paired(self, base: np.ndarray) -> np.ndarray:
        """The prior's own coordinates."""
        v = np.array(base)
        for columns, pair in self._pairs:
            others = {} if pair.needs is None else {pair.needs: self._value(pair.needs, base)}
            v[:, columns] = ndtri(_clipped(pair.inverse(ndtr(base[:, columns].T), others))).T
        return v

    def _value(self, key: str, base: np.ndarray) -> np.ndarray:
        """A parameter that depends on no other, (N,)."""
        share = np.clip(ndtr(base[:, self.keys.index(key)]), _EDGE, 1 - _EDGE)
        return np.asarray(self.transform.priors[key].rescale(share), dtype=np.float64)


def _clipped(shares: np.ndarray) -> np.ndarray:
    return np.clip(shares, _LEAST, 1 - _EDGE)
