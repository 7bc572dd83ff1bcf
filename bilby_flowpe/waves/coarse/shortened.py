r"""Data of a search, made as short as its window: the phase of a reference is subtracted, and the rest is cut in time.

An inspiral fills minutes of data, and all templates of a search chirp nearly alike. With the phase :math:`\psi(f)` of one of
them, :math:`g(t) = \sum_f d(f) \, e^{-i \psi(f)} e^{2 \pi i f t} / S(f)` is a short pulse where a signal arrives. A template of
the phase :math:`\phi(f)` sums g around :math:`t - D(f)`, with its delay relative to the reference,

.. math:: D(f) = \frac{1}{2 \pi} \frac{d (\phi - \psi)}{d f} .

For arrival times of a window it needs g in this window and as far around it as D reaches: seconds, however long the data
are. This stretch has a Fourier transform on few frequencies, and filtering these is equivalent to filtering all.
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
"""Seconds that are kept around the times that delays reach, since waves start sharply at the lowest frequency and ring there.

A statistic of 500 then has a root mean square error of 0.15, which falls as one over these seconds.
"""

_BESIDE = 2  # frequencies added beyond either end of the band, so that data at its ends lie between two of them


@dataclass(frozen=True)
class Segment:
    """Time steps of the data and of the window of arrival times.

    Attributes
    ----------
    duration
        Duration of the data in seconds.
    size
        Number of time steps in the data.
    first, count
        First time step of the window of arrival times, counted from the start of the data, and number of steps.
    """

    duration: float
    size: int
    first: int
    count: int

    @property
    def spacing(self) -> float:
        """Length of a time step in seconds."""
        return self.duration / self.size

    def around(self, reach: float) -> int:
        """Return a number of steps, fast to transform, that covers the window and ``reach`` seconds on either side."""
        return int(next_fast_len(self.count + 2 * int(np.ceil((reach + MARGIN) / self.spacing))))


@dataclass(frozen=True)
class Piece:
    """Data on a grid of frequencies, for templates from which the grid's phase is subtracted.

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
        Data of each detector divided by the noise power, in units of ``units``, (K, J), complex64.
    units
        Largest value of each detector; zero where it has no data, (K,).
    weights
        Noise weights of each detector, summed around each frequency, (K, J).
    reach
        Largest delay of templates relative to the grid's phase, in seconds.
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
    """Return all data, without subtracting a phase.

    Parameters
    ----------
    templates
        Templates that are filtered.
    detectors
        Frequencies and data of every detector.
    frequencies
        Frequencies of all detectors together in Hz, (J,).
    segment
        Time steps of the data and of the window.
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
    """Return data with a phase subtracted, cut to the window and the delays around it.

    Parameters
    ----------
    templates, detectors, segment
        As for :func:`whole`.
    slopes
        Derivative of the phase at the points of the templates, in radians per Hz, (P,).
    reach
        Largest delay of a template relative to this phase, in seconds.
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
        # Each weight is split between the two nearest frequencies, which keeps the sum and the mean frequency.
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
