"""Chart of a binary's parameters in which spins and tides are replaced by the combinations that data measure best.

Spins (:mod:`.spin_pair`) and tides (:mod:`.tide_pair`) are replaced by pairs of new coordinates. The prior is a
standard normal density in these, as it is in all other coordinates.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from ..priors import Parameters, PriorTransform, within_quantiles
from .charts import PriorChart
from .spin_pair import spin_pairs
from .tide_pair import tide_pairs

# quantile shares are clipped to [_LEAST, 1 - _EDGE], because ndtri is infinite at 0 and at 1
_LEAST, _EDGE = 1e-300, 1e-16


class Pair(Protocol):
    """An area-preserving map of two uniform shares, given other parameters."""

    @property
    def keys(self) -> tuple[str, str]:
        """Names of the two parameters."""

    @property
    def needs(self) -> str | None:
        """Name of another parameter that the map depends on; ``None`` if there is none."""

    def forward(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Return the shares (2, N) of the well-measured combination and of the remaining one, for shares of the parameters."""

    def inverse(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Return the shares (2, N) of the two parameters; the inverse of :meth:`forward`."""


class BinaryChart(PriorChart):
    """Chart with the prior's own coordinates, except for spins and tides; a standard normal in the base space is the prior.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters of the chart, all of them by default; the parameters left out must be independent of these.

    Attributes
    ----------
    across
        Parameters that are replaced by poorly measured combinations: the second parameter of each pair.
    """

    def __init__(self, transform: PriorTransform, keys: tuple[str, ...] | None = None) -> None:
        super().__init__(transform, keys)
        pairs: list[Pair] = [*spin_pairs(transform, self.keys), *tide_pairs(transform, self.keys)]
        self.across = tuple(pair.keys[1] for pair in pairs)
        self._pairs = [([self.keys.index(key) for key in pair.keys], pair) for pair in pairs]

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Compute base coordinates and log Jacobian, as specified in :class:`.charts.Chart`."""
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
        """Convert base coordinates (N, n) to the prior's own coordinates."""
        v = np.array(base)
        for columns, pair in self._pairs:
            others = {} if pair.needs is None else {pair.needs: self._value(pair.needs, base)}
            v[:, columns] = ndtri(_clipped(pair.inverse(ndtr(base[:, columns].T), others))).T
        return v

    def _value(self, key: str, base: np.ndarray) -> np.ndarray:
        """Return the values (N,) of a parameter that depends on no other."""
        share = np.clip(ndtr(base[:, self.keys.index(key)]), _EDGE, 1 - _EDGE)
        return np.asarray(self.transform.priors[key].rescale(share), dtype=np.float64)


def _clipped(shares: np.ndarray) -> np.ndarray:
    return np.clip(shares, _LEAST, 1 - _EDGE)
