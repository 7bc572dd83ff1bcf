r"""Data of an event relative to a wave, on the fixed frequencies of the family.

These are the same for any length of data and any noise curve.

With the phase :math:`\psi(f)` of a reference wave and the arrival time :math:`t_d` at a detector, the remaining factor
of the data,

.. math:: y_d(f) = 4 \Delta f \, d(f) \, e^{-i \psi(f) + 2 \pi i f t_d} / S_d(f),

varies slowly with frequency if a signal is similar to the reference. It is summed around fixed points, where each
frequency is shared between the two nearest points, and so are the noise weights :math:`4 \Delta f / S_d`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .templates import POINTS

_LOG_POINTS = np.log(POINTS)


@dataclass(frozen=True)
class Binned:
    """Data relative to a reference wave, on the fixed frequencies.

    Attributes
    ----------
    data
        Sums of the data of each detector, (D, P) complex, in the unit of the square root of the weights.
    weights
        Sums of the noise weights, (D, P), in any unit.
    phases
        Phases of the reference at the points, (P,).
    """

    data: np.ndarray
    weights: np.ndarray
    phases: np.ndarray

    @classmethod
    def of(cls, data: np.ndarray, weights: np.ndarray, phases: np.ndarray) -> Binned:
        """Make binned data in units in which the largest weight is one, because strain is too small for single precision."""
        unit = max(float(weights.max()), np.finfo(float).tiny)
        return cls(data / np.sqrt(unit), weights / unit, phases)


@dataclass(frozen=True)
class Shares:
    """Shares of frequencies in their two nearest points.

    Attributes
    ----------
    below
        Index of the lower of the two points, (F,).
    upper
        Share of the upper one, (F,).
    """

    below: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(cls, frequencies: np.ndarray) -> Shares:
        """Return the shares for frequencies in Hz, all within the family's band."""
        places = np.interp(np.log(frequencies), _LOG_POINTS, np.arange(len(POINTS)))
        below = np.minimum(places.astype(int), len(POINTS) - 2)
        return cls(below, places - below)

    def summed(self, values: np.ndarray) -> np.ndarray:
        """Sum values (F,) around the points, (P,)."""
        if np.iscomplexobj(values):
            return self.summed(values.real) + 1j * self.summed(values.imag)
        upper = self.upper * values
        count = len(POINTS)
        return np.bincount(self.below, values - upper, count) + np.bincount(self.below + 1, upper, count)
