r"""View of an event that precesses or has higher harmonics: products with every harmonic of the pivot, detector by detector.

A harmonic of order m has, nearly, the phase :math:`\frac{m}{2} \psi(2 f / m)` of the (2, 2) mode's at the same moment, and its
amplitude there as a shape: about these the data are taken as about the wave itself (:mod:`.view`). Precession mixes the modes
of an order and turns them slowly, differently for each detector: the detectors' products are kept apart, as their arrival times
and phases are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from .binned import Binned, Shares
from .pivot import Climb, Pivot
from .templates import POINTS
from .view import Seen, polynomials, seen

ORDERS = ((2, 8), (3, 5), (4, 3), (1, 3))
"""Order m of each harmonic, and number of polynomials."""

_SLOTS = 3  # detectors
_APART = 0.01  # seconds: unit of delays between detectors
_LOUD = 20.0  # signal-to-noise ratio: unit of those of detectors


@dataclass(frozen=True)
class Gathered:
    """Data of an event on frequencies of their own, less the arrival times of a reference.

    Attributes
    ----------
    frequencies
        Of each detector, in Hz, (F,).
    data
        Times the noise weights, (F,) complex, in any unit.
    weights
        Noise weights, (F,), in the square of this unit.
    slots
        Number of each detector in the family's list.
    delays
        Arrival times that were taken off, in seconds, (D,).
    """

    frequencies: Sequence[np.ndarray]
    data: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]
    slots: Sequence[int]
    delays: np.ndarray

    def about(self, phases: np.ndarray) -> Binned:
        """Data about a wave whose phases at the fixed frequencies are given, (P,)."""
        spline = CubicSpline(np.log(POINTS), phases)
        sums, weights = [], []
        for frequencies, data, weight in zip(self.frequencies, self.data, self.weights, strict=True):
            shares = Shares.of(frequencies)
            sums.append(shares.summed(data * np.exp(-1j * spline(np.log(frequencies)))))
            weights.append(shares.summed(weight))
        return Binned.of(np.stack(sums), np.stack(weights), phases)


def view_by_orders(
    gathered: Gathered, phases: np.ndarray, climb: Climb, start: np.ndarray, rng: np.random.Generator
) -> Seen:
    """View of an event about every harmonic.

    Parameters
    ----------
    gathered
        Its data.
    phases
        Of a wave that is like the signal, at the fixed frequencies, (P,).
    climb
        Finds the pivot.
    start
        Where from, in the prior's coordinates of spins along the orbit, (4,).
    rng
        Generator.
    """
    binned = gathered.about(phases)
    pivot = climb(binned, start, rng)
    loudest = int(np.argmax(np.abs(pivot.outputs)))
    angle = float(np.angle(pivot.outputs[loudest]))
    arrivals = gathered.delays + pivot.slips
    products = [_products(gathered, pivot, order, count) for order, count in ORDERS]
    # Half a turn of the orbit changes the sign of all odd orders, and nothing else.
    turned = [values * np.exp(-0.5j * order * angle) for values, (order, _) in zip(products, ORDERS, strict=True)]
    sign = 1.0 if turned[1][loudest, 0].real >= 0 else -1.0
    turned = [values * (sign if order % 2 else 1.0) for values, (order, _) in zip(turned, ORDERS, strict=True)]
    together = np.concatenate(turned, axis=1)
    of_detectors = np.zeros((_SLOTS, 5 + 2 * together.shape[1]))
    for index, slot in enumerate(gathered.slots):
        phase = np.angle(pivot.outputs[index]) - angle
        apart = (arrivals[index] - arrivals[loudest]) / _APART
        ratio = np.abs(pivot.outputs[index]) / _LOUD
        values = together[index].copy()
        # The wave itself is seen at each detector's own phase.
        values[: ORDERS[0][1]] *= np.exp(-1j * phase)
        of_detectors[slot] = [1.0, ratio, apart, np.cos(phase), np.sin(phase), *values.real, *values.imag]
    return seen(binned, pivot, climb.templates, of_detectors.ravel())


def phases_of_order(phases: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Phases of a harmonic at the fixed frequencies by those of the (2, 2) mode, (P,), and where they are known."""
    scale = 0.5 * order
    # Below the first point the wave is not known.
    known = POINTS / scale >= POINTS[0]
    found = scale * CubicSpline(np.log(POINTS), phases)(np.log(POINTS / scale))
    found[~known] = found[known][0]
    return found, known


def _products(gathered: Gathered, pivot: Pivot, order: int, count: int) -> np.ndarray:
    """Products of each detector with polynomials of one order, at its own arrival time, (D, J) complex."""
    phases, known = phases_of_order(pivot.phases, order)
    shifted = np.log(2 * POINTS / order)
    amplitudes = np.where(known, np.interp(shifted, np.log(POINTS), pivot.amplitudes), 0.0)
    binned = gathered.about(phases)
    found = np.zeros((len(binned.data), count), dtype=complex)
    for row, data, weights, slip in zip(found, binned.data, binned.weights, pivot.slips, strict=True):
        power = weights * amplitudes**2
        if power.sum() > 0:
            turns = np.exp(2j * np.pi * POINTS * slip)
            row[:] = (data * amplitudes * turns) @ polynomials(power, count) / np.sqrt(power.sum())
    return found
