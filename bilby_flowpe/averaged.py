r"""The likelihood averaged over phase and distance, of many inner products at once.

It is a function of two numbers, the modulus :math:`\kappa` of the inner product and the squared norm :math:`N` of the signal at
the reference distance. What is left of its logarithm beside nearly the likelihood at the best amplitude is smooth in :math:`\ln
(\kappa/N)` and :math:`\ln N`, and is interpolated in a table. That is for choosing, not for weighing: where a value enters a
weight it is taken out again, and the exact one put in its place.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from .amplitudes import Amplitudes, KnownAmplitude

_AMPLITUDES, _NORMS = 129, 129
_QUIET, _LOUD = 1e-2, 1e4  # signal-to-noise ratios that the table covers, at the nearest and at the reference distance
_LEAST = 1e-5
_MARGIN = 8.0  # of the best amplitude beyond the nearest and the farthest distance
_NOTHING = 1e-300


class AveragedLikelihood:
    """Table of the log likelihood averaged over phase and, where it is drawn conditionally, distance.

    Parameters
    ----------
    exact
        The average, exactly.
    """

    def __init__(self, exact: Amplitudes | KnownAmplitude) -> None:
        self._exact = exact
        self._with_distance = isinstance(exact, Amplitudes)
        if not self._with_distance:
            return
        self._ends = lowest, highest = exact.range
        self._log_amplitudes = np.log(np.geomspace(lowest / _MARGIN, highest * _MARGIN, _AMPLITUDES))
        self._log_norms = np.log(np.geomspace(max(_QUIET / highest, _LEAST) ** 2, _LOUD**2, _NORMS))
        amplitude, norm = np.exp(self._log_amplitudes), np.exp(self._log_norms)
        self._table = np.empty((_AMPLITUDES, _NORMS))
        for column, of_norm in enumerate(norm):
            kappa, same = amplitude * of_norm, np.full(_AMPLITUDES, of_norm)
            self._table[:, column] = exact.log_marginal(kappa, same) - self._steep(kappa, same)

    def __call__(self, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Log likelihood ratios of moduli and squared norms of one shape."""
        norm = np.maximum(norm, _NOTHING)
        if not self._with_distance:
            return self._exact.log_marginal(kappa, norm)
        places = [
            (np.log(np.maximum(value, _NOTHING)) - grid[0]) / (grid[1] - grid[0])
            for value, grid in ((kappa / norm, self._log_amplitudes), (norm, self._log_norms))
        ]
        return self._steep(kappa, norm) + map_coordinates(self._table, places, order=1, mode="nearest")

    def _steep(self, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Nearly, at the best amplitude that the distances allow: the average over the phase by its limits, not by Bessel's."""
        amplitude = np.clip(kappa / norm, *self._ends)
        loud = amplitude * kappa
        return loud - 0.5 * amplitude**2 * norm - 0.5 * np.log1p(2 * np.pi * loud)
