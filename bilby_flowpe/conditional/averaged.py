r"""The likelihood averaged over phase and distance, of many inner products at once.

Where the phase is known it is averaged over the distance alone, and the real part of the inner product takes the place of the
modulus. It is a function of two numbers, the modulus :math:`\kappa` of the inner product and the squared norm :math:`N` of the
signal at the reference distance. What is left of its logarithm beside nearly the likelihood at the best amplitude is smooth in
:math:`\ln (\kappa/N)` and :math:`\ln N`, and is interpolated in a table. That is for choosing, not for weighing: where a value
enters a weight it is taken out again, and the exact one put in its place.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .amplitudes import Amplitudes, KnownAmplitude, averaged_over_phase

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
        self._over_phase = exact.log_likelihood is averaged_over_phase
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
        amplitude, log_norm = kappa / norm, np.log(norm)
        row, down = _cell(np.log(np.maximum(amplitude, _NOTHING)), self._log_amplitudes)
        column, right = _cell(log_norm, self._log_norms)
        corner = row * _NORMS + column
        flat = self._table.ravel()
        left = flat[corner]
        left = left + down * (flat[corner + _NORMS] - left)
        opposite = flat[corner + 1]
        opposite = opposite + down * (flat[corner + _NORMS + 1] - opposite)
        return self._steep(kappa, norm) + left + right * (opposite - left)

    def _steep(self, kappa: np.ndarray, norm: np.ndarray) -> np.ndarray:
        """Nearly, at the best amplitude that the distances allow: the average over the phase by its limits, not by Bessel's."""
        amplitude = np.clip(kappa / norm, *self._ends)
        loud = amplitude * kappa
        steep: np.ndarray = loud - 0.5 * amplitude**2 * norm
        return steep - 0.5 * np.log1p(2 * np.pi * loud) if self._over_phase else steep


class SharedAverage:
    """A table that is made when it is first asked for: one for all copies of what holds this.

    Copies that draw with other waves, or a share of the distances from their prior, have the same average.

    Parameters
    ----------
    exact
        The average, exactly.
    """

    def __init__(self, exact: Amplitudes | KnownAmplitude) -> None:
        self._exact = exact

    @cached_property
    def table(self) -> AveragedLikelihood:
        """The table."""
        return AveragedLikelihood(self._exact)


def _cell(values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells of an even grid, and the places in them from 0 to 1; beyond an end, that end."""
    places = np.clip((values - grid[0]) / (grid[1] - grid[0]), 0.0, len(grid) - 1.0)
    cell = np.minimum(places.astype(np.int64), len(grid) - 2)
    return cell, places - cell
