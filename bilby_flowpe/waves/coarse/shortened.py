r"""Data of a search as short as its window: the phase of a reference is taken off, and what is left is cut in time.

An inspiral fills minutes of data, and all templates of a search chirp nearly alike. With the phase :math:`\psi(f)` of one of
them, :math:`g(t) = \sum_f d(f) \, e^{-i \psi(f)} e^{2 \pi i f t} / S(f)` is a short pulse where a signal arrives. A template of
the phase :math:`\phi(f)` gathers from g about :math:`t - D(f)`, with its delay against the reference,

.. math:: D(f) = \frac{1}{2 \pi} \frac{d (\phi - \psi)}{d f} .

For arrival times of a window it needs g in this window and as far around it as D reaches: seconds, however long the data
are. What is cut out has a Fourier transform on few frequencies, and a filter on these is a filter on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import fft, ifft, next_fast_len
from scipy.interpolate import CubicSpline

from .summary import DetectorBins
from .templates import Grid, Templates

MARGIN = 0.5
"""Seconds around the times that delays reach: waves end sharply where the band begins, and ring there. A statistic of 500 then
has an error of 0.15 (root mean square), which falls as one over these seconds."""

_BESIDE = 2  # frequencies beyond either end of the band, at which splines go on: data between two of them have both


@dataclass(frozen=True)
class Segment:
    """Steps of time in the data.

    Attributes
    ----------
    duration
        In seconds.
    size
        Number of steps in it.
    first, count
        Steps of the window of arrival times, counted from the start of the data: the first and their number.
    """

    duration: float
    size: int
    first: int
    count: int

    @property
    def spacing(self) -> float:
        """Seconds in a step."""
        return self.duration / self.size

    def around(self, reach: float) -> int:
        """Number of steps of the window and so many seconds on either side, one that Fourier transforms are fast for."""
        return int(next_fast_len(self.count + 2 * int(np.ceil((reach + MARGIN) / self.spacing))))


@dataclass(frozen=True)
class Piece:
    """Data on a grid of frequencies, for templates of which the grid's phase is taken off.

    Attributes
    ----------
    grid
        Frequencies and phase.
    bins
        Numbers of the frequencies in a Fourier transform of ``size`` steps, (J,).
    size
        Number of steps.
    columns
        Steps of the window of arrival times, (T,).
    data
        Of each detector over the noise power, in units of ``units``, (K, J), complex64.
    units
        Largest value of each detector; zero where it has no data, (K,).
    weights
        Noise weights of each detector, summed about each frequency, (K, J).
    reach
        Seconds of delay against the grid's phase that templates may have.
    """

    grid: Grid
    bins: np.ndarray
    size: int
    columns: np.ndarray
    data: np.ndarray
    units: np.ndarray
    weights: np.ndarray
    reach: float = np.inf


def whole(templates: Templates, detectors: Sequence[DetectorBins], frequencies: np.ndarray, segment: Segment) -> Piece:
    """All data, no phase taken off.

    Parameters
    ----------
    templates
        What is filtered.
    detectors
        Their frequencies and data.
    frequencies
        Those of all detectors together, (J,).
    segment
        Steps of time.
    """
    data, weights = (
        np.zeros((len(detectors), len(frequencies)), dtype=complex),
        np.zeros((len(detectors), len(frequencies))),
    )
    for row, weight, one in zip(data, weights, detectors, strict=True):
        places = np.searchsorted(frequencies, one.frequencies)
        row[places], weight[places] = one.data, one.weights
    bins = np.rint(frequencies * segment.duration).astype(int)
    columns = (segment.first + np.arange(segment.count)) % segment.size
    return _piece(Grid(templates, frequencies), bins, segment.size, columns, data, weights, np.inf)


def cut(
    templates: Templates, detectors: Sequence[DetectorBins], slopes: np.ndarray, reach: float, segment: Segment
) -> Piece:
    """Data with a phase taken off, cut to the window and as many seconds about it as delays may reach.

    Parameters
    ----------
    templates, detectors, segment
        As for :func:`whole`.
    slopes
        Derivative of the phase at the points of the templates, in radians per Hz, (P,).
    reach
        Largest delay of a template against it, in seconds.
    """
    size = segment.around(reach)
    start = segment.first - (size - segment.count) // 2
    span = size * segment.spacing
    ends = [float(end(one.frequencies)) for end in (np.min, np.max) for one in detectors if len(one.bins)]
    bins = np.arange(int(np.floor(min(ends) * span)) - _BESIDE, int(np.ceil(max(ends) * span)) + 1 + _BESIDE)
    grid = Grid(templates, bins / span, slopes)
    data, weights = np.zeros((len(detectors), len(bins)), dtype=complex), np.zeros((len(detectors), len(bins)))
    phase = CubicSpline(np.log(templates.points), templates.phases(slopes))
    for row, weight, one in zip(data, weights, detectors, strict=True):
        if not len(one.bins):
            continue
        spectrum = np.zeros(segment.size, dtype=complex)
        spectrum[one.bins] = one.data * np.exp(-1j * phase(np.log(one.frequencies)))
        pulse = ifft(spectrum, norm="forward", overwrite_x=True)
        row[:] = fft(pulse[(start + np.arange(size)) % segment.size], norm="forward")[bins]
        # Shares of the two next frequencies: the sum and the mean frequency stay.
        places = one.frequencies * span - bins[0]
        below = np.minimum(places.astype(int), len(bins) - 2)
        upper = one.weights * (places - below)
        weight[:] = np.bincount(below, one.weights - upper, len(bins)) + np.bincount(below + 1, upper, len(bins))
    columns = segment.first - start + np.arange(segment.count)
    return _piece(grid, bins, size, columns, data, weights, reach)


def _piece(
    grid: Grid, bins: np.ndarray, size: int, columns: np.ndarray, data: np.ndarray, weights: np.ndarray, reach: float
) -> Piece:
    # Data over noise power are of the order of 1e20 and more, whose squares single precision cannot hold.
    units = np.max(np.abs(data), axis=1, initial=0.0)
    scaled = (data / np.where(units > 0, units, 1)[:, None]).astype(np.complex64)
    return Piece(grid, bins, size, columns, scaled, units, weights, reach)
