"""Statistic of a search: the log likelihood ratio of templates at the best amplitude, phase and time in each detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import ifft
from scipy.ndimage import maximum_filter1d

from ...processes.parallel import Row
from ..detectors import Detector, light_travel_time, reach_of
from ..matched_filter import steps_around, steps_in
from .shortened import MARGIN, Piece, Segment, cut, whole
from .summary import DetectorBins
from .templates import Shapes, Templates

# Time steps of all rows that are filtered at once: this bounds the memory and stays in a processor's cache.
_AT_ONCE = 400_000
_PIECES = 8  # pieces that the range of the prior's delays is cut into, within the next two limits
# Smallest and largest delay in seconds on either side of a piece's reference: short ones need more passes over the data, long
# ones longer filters.
_LEAST, _MOST = 0.5, 4.0
_SHORTER = 4  # smallest factor by which a cut has to shorten the data; otherwise they are filtered as they are
_KEPT = 48  # pieces that are kept in memory, each of a few hundred kilobytes


class Filtered(NamedTuple):
    """Values and arrival times of templates that were filtered.

    Attributes
    ----------
    values
        Log likelihood ratios, (N,).
    times
        Arrival times in GPS seconds at the loudest detector, (N,).
    """

    values: np.ndarray
    times: np.ndarray


class Statistic:
    """Function that computes the log likelihood ratio at the best amplitude, phase and time in each detector.

    Long data are filtered in pieces, each for templates that chirp alike (:mod:`.shortened`); a piece is made when it is
    first needed.

    Parameters
    ----------
    likelihood
        Likelihood with its detectors.
    detectors
        Frequencies and data of every detector.
    frequencies
        Frequencies of all detectors together in Hz, (F,).
    window
        First and last geocentric time, GPS seconds.
    templates
        Templates of a band that contains these frequencies.
    some
        Shapes of some draws from the prior, by which the delays of templates relative to each other are known. ``None`` if the
        data are to be filtered as they are.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        detectors: Sequence[DetectorBins],
        frequencies: np.ndarray,
        window: tuple[float, float],
        templates: Templates,
        some: Shapes | None = None,
    ) -> None:
        self.templates, self._detectors = templates, detectors
        duration, start = float(likelihood.interferometers.duration), float(likelihood.interferometers.start_time)
        # Half as many time steps as conditionals use; in pieces of long data, maxima are interpolated.
        size = steps_in(duration, float(frequencies[-1])) // 2
        spacing = duration / size
        geometry = tuple(Detector.from_interferometer(ifo) for ifo in likelihood.interferometers)
        steps = steps_around(window, reach_of(geometry), start, spacing)
        self._segment = Segment(duration, size, int(steps[0]), len(steps))
        self._times = start + steps * spacing
        self._reach = [[int(np.ceil(light_travel_time(a, b) / spacing)) for b in geometry] for a in geometry]
        self._pieces: list[Piece] = []
        # The point next to the band counts, too, since splines use it.
        self._within = templates.points >= frequencies[0] * (1 - 1e-9)
        if len(templates.points):
            self._within[max(int(np.argmax(self._within)) - 1, 0)] = True
        self._delay = np.inf if some is None or templates.dear else self._halfwidth(some)
        if not self.shortens:
            self._pieces = [whole(templates, detectors, frequencies, self._segment)]

    @property
    def shortens(self) -> bool:
        """True if data are filtered in pieces that are shorter than the data."""
        return bool(np.isfinite(self._delay))

    def __call__(self, rows: Sequence[Row]) -> Filtered:
        """Return log likelihood ratios and arrival times of rows."""
        return self.of(self.templates.shapes(rows))

    def of(self, shapes: Shapes) -> Filtered:
        """Return log likelihood ratios and arrival times of templates."""
        values, times = np.full(shapes.size, -np.inf), np.zeros(shapes.size)
        for piece, numbers in self._sorted(shapes):
            block = max(1, _AT_ONCE // piece.size)
            for start in range(0, len(numbers), block):
                some = numbers[start : start + block]
                values[some], times[some] = self._of_block(shapes[some], piece)
        return Filtered(values, times)

    def _delays(self, shapes: Shapes) -> np.ndarray:
        """Return group delays in seconds (N, P), NaN where there is no wave."""
        delays = shapes.slopes[:, self._within] / (2 * np.pi)
        return np.where(shapes.amplitudes[:, self._within] > 0, delays, np.nan)

    def _halfwidth(self, some: Shapes) -> float:
        """Return the delay in seconds that a piece covers on either side; infinite if pieces would not be short."""
        spacing = self._segment.spacing
        most = 0.5 * (self._segment.duration / _SHORTER - self._segment.count * spacing) - MARGIN
        if most < _LEAST:
            return np.inf
        delays = self._delays(some)
        with np.errstate(all="ignore"):
            widest = float(np.nanmax(np.nanmax(delays, axis=0) - np.nanmin(delays, axis=0), initial=0.0))
        return float(np.clip(0.5 * widest / _PIECES, _LEAST, min(_MOST, most)))

    def _sorted(self, shapes: Shapes) -> Iterator[tuple[Piece, np.ndarray]]:
        """Iterate over the pieces of data that templates are filtered with, and the numbers of these templates."""
        if self._delay == np.inf:
            yield self._pieces[0], np.arange(shapes.size)
            return
        delays = self._delays(shapes)
        left = np.flatnonzero(np.any(np.isfinite(delays), axis=1))
        for piece in [*self._pieces]:
            fits = self._fit(delays[left], piece.grid.slopes)
            if fits.any():
                yield piece, left[fits]
            left = left[~fits]
        while len(left):
            # The next reference: as far from the shortest signal that is left as a piece covers.
            ranks = np.nan_to_num(delays[left]).max(axis=1) - np.nan_to_num(delays[left]).min(axis=1)
            order = np.argsort(ranks)
            for rank in (ranks[order[0]] + self._delay, ranks[order[0]]):
                chosen = left[order[np.searchsorted(ranks[order], rank, side="right") - 1]]
                fits = self._fit(delays[left], shapes.slopes[chosen])
                if fits[order[0]]:
                    break
            piece = cut(self.templates, self._detectors, shapes.slopes[chosen], self._delay, self._segment)
            self._pieces = [*self._pieces, piece][-_KEPT:]
            yield piece, left[fits]
            left = left[~fits]

    def _fit(self, delays: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """Tell which templates, of delays (N, P), are covered by a piece of some slopes, (N,)."""
        apart = np.abs(delays - slopes[self._within] / (2 * np.pi))
        return np.nan_to_num(apart).max(axis=1, initial=0.0) <= self._delay * (1 + 1e-9)

    def _of_block(self, shapes: Shapes, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        waves = self.templates.on(piece.grid, shapes) if shapes.whole is None else shapes.whole
        count = len(piece.columns)
        powers = np.zeros((len(piece.data), len(waves), count), dtype=np.float32)
        squares, conjugate = waves.real**2 + waves.imag**2, waves.conj()
        for power, data, unit, weights in zip(powers, piece.data, piece.units, piece.weights, strict=True):
            if not unit > 0:
                continue
            norms = squares @ weights
            spectrum = np.zeros((len(waves), piece.size), dtype=np.complex64)
            spectrum[:, piece.bins] = conjugate * data
            output = ifft(spectrum, axis=1, norm="forward", overwrite_x=True)[:, piece.columns]
            factor = np.where(norms > 0, unit / np.sqrt(2 * np.maximum(norms, np.finfo(float).tiny)), 0)
            power[:] = (np.abs(output) * factor[:, None]) ** 2
            if self.shortens:
                _peaked(power)
        loudest = np.argmax(powers.max(axis=2), axis=0)
        values, times = np.full(len(waves), -np.inf), np.zeros(len(waves))
        for first in np.unique(loudest):
            rows = np.flatnonzero(loudest == first)
            total = powers[first, rows].astype(np.float64)
            for other in range(len(powers)):
                if other != first:
                    total += maximum_filter1d(powers[other, rows], 2 * self._reach[first][other] + 1, axis=1)
            best = np.argmax(total, axis=1)
            highest = total[np.arange(len(rows)), best]
            values[rows] = np.where(highest > 0, highest, -np.inf)
            times[rows] = np.where(highest > 0, self._times[best], 0.0)
        return values, times


def _peaked(power: np.ndarray) -> None:
    """Raise local maxima of series (N, T) to the height of the parabola through them and their neighbours."""
    left, middle, right = power[:, :-2], power[:, 1:-1], power[:, 2:]
    bend = 2 * middle - left - right
    top = (middle > left) & (middle >= right)
    middle += np.where(top, (right - left) ** 2 / (8 * np.where(top, bend, 1)), 0)
