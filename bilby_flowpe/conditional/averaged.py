r"""The likelihood averaged over phase and distance, for many inner products at once.

Where the phase is known it is averaged over the distance alone, and the real part of the inner product takes the place of the
modulus. It is a function of two numbers, the modulus :math:`\kappa` of the inner product and the squared norm :math:`N` of the
signal at the reference distance. Its logarithm minus an approximation of the log likelihood at the best amplitude is smooth in
:math:`\ln (\kappa/N)` and :math:`\ln N`, and is interpolated in a table. The table serves to choose candidates: where its
values enter a weight, they are divided out again and replaced by exact ones.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .amplitudes import Amplitudes, KnownAmplitude, averaged_over_phase

# Nodes of the table in either direction: more of them take longer to compute, fewer make the choice of candidates less exact.
_AMPLITUDES, _NORMS = 129, 129
_QUIET, _LOUD = 1e-2, 1e4  # signal-to-noise ratios that the table covers, at the nearest and at the reference distance
_LEAST = 1e-5  # smallest signal-to-noise ratio at the reference distance in the table, which bounds its range for wide priors
_MARGIN = 8.0  # factor by which the table's best amplitudes go beyond those of the nearest and the farthest distance
# Smallest value of a norm or amplitude: it keeps logarithms and ratios finite, far below any real value
_NOTHING = 1e-300


class AveragedLikelihood:
    """Table of the log likelihood averaged over phase and, if it is drawn conditionally, distance.

    Parameters
    ----------
    exact
        Computes the exact averages, which the table is made of.
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
        """Return averaged log likelihood ratios of moduli and squared norms, which have one shape."""
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
        """Return the steep part of the log likelihood: that at the best amplitude, and a limit of its average over phases."""
        amplitude = np.clip(kappa / norm, *self._ends)
        loud = amplitude * kappa
        steep: np.ndarray = loud - 0.5 * amplitude**2 * norm
        return steep - 0.5 * np.log1p(2 * np.pi * loud) if self._over_phase else steep


class SharedAverage:
    """Table of the averaged likelihood, made when it is first needed and shared by all copies of a conditional.

    Copies that draw with other waves, or a fraction of the distances from their prior, have the same average.

    Parameters
    ----------
    exact
        Computes the exact averages, which the table is made of.
    """

    def __init__(self, exact: Amplitudes | KnownAmplitude) -> None:
        self._exact = exact

    @cached_property
    def table(self) -> AveragedLikelihood:
        """The table itself, computed at first access."""
        return AveragedLikelihood(self._exact)


def _cell(values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of an evenly spaced grid and the places in them, from 0 to 1; values beyond an end count as that end."""
    places = np.clip((values - grid[0]) / (grid[1] - grid[0]), 0.0, len(grid) - 1.0)
    cell = np.minimum(places.astype(np.int64), len(grid) - 2)
    return cell, places - cell
