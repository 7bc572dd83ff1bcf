r"""View of an event with precession or higher harmonics: products with all harmonics of the pivot, for each detector.

A harmonic of order m has nearly the phase :math:`\frac{m}{2} \psi(2 f / m)`, where :math:`\psi` is the phase of the (2,
2) mode at the same moment, and the amplitude of that mode at this moment as its shape. The data are taken relative to
these, as relative to the wave itself in :mod:`.view`. Precession mixes the modes of an order and changes their phases
slowly, differently for each detector. Products, arrival times and phases of the detectors are therefore kept separate.
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

_SLOTS = 3  # Largest number of detectors in a view, those of the family of precessing binaries: H1, L1 and V1.
_APART = 0.01  # unit of delays between detectors in seconds: about their size, so that features are near one
_LOUD = 20.0  # unit of the detectors' signal-to-noise ratios: about their size, so that features are near one


@dataclass(frozen=True)
class Gathered:
    """Data of an event on its own frequencies, with the arrival times of a reference removed.

    Attributes
    ----------
    frequencies
        Frequencies of each detector, in Hz, (F,).
    data
        Data times the noise weights, (F,) complex, in any unit.
    weights
        Noise weights, (F,), in the square of this unit.
    slots
        Index of each detector in the family's list.
    delays
        Arrival times that were removed, in seconds, (D,).
    """

    frequencies: Sequence[np.ndarray]
    data: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]
    slots: Sequence[int]
    delays: np.ndarray

    def about(self, phases: np.ndarray) -> Binned:
        """Bin the data relative to a wave with given phases at the fixed frequencies, (P,)."""
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
    """Make the view of an event relative to all harmonics.

    Parameters
    ----------
    gathered
        Data of the event.
    phases
        Phases of a wave that is similar to the signal, at the fixed frequencies, (P,).
    climb
        Object that finds the pivot.
    start
        Place from which it climbs, in the coordinates of the prior of aligned spins, (4,).
    rng
        Random generator.
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
        # The wave itself is taken at each detector's own phase.
        values[: ORDERS[0][1]] *= np.exp(-1j * phase)
        of_detectors[slot] = [1.0, ratio, apart, np.cos(phase), np.sin(phase), *values.real, *values.imag]
    return seen(binned, pivot, climb.templates, of_detectors.ravel())


def phases_of_order(phases: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return phases of a harmonic at the fixed frequencies from those of the (2, 2) mode, (P,), and where they are known."""
    scale = 0.5 * order
    # The wave is unknown below the first point.
    known = POINTS / scale >= POINTS[0]
    found = scale * CubicSpline(np.log(POINTS), phases)(np.log(POINTS / scale))
    found[~known] = found[known][0]
    return found, known


def _products(gathered: Gathered, pivot: Pivot, order: int, count: int) -> np.ndarray:
    """Return products of each detector with polynomials of one order, at its own arrival time, (D, J) complex."""
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
