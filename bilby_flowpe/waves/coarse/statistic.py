"""The statistic of a search: the log likelihood ratio of templates at the best amplitude, phase and time in each detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import ifft
from scipy.ndimage import maximum_filter1d

from ...processes.parallel import Row
from ..detectors import Detector, light_travel_time, reach_of
from ..matched_filter import steps_around, steps_in
from .summary import DetectorBins
from .templates import Templates

_BLOCK = 32  # rows that are filtered at once, which bounds the memory


class Filtered(NamedTuple):
    """Rows that were filtered.

    Attributes
    ----------
    values
        Log likelihood ratios, (N,).
    times
        Arrival times in GPS seconds at the loudest detector, (N,).
    waves
        Templates at the frequencies that are kept, (N, J).
    """

    values: np.ndarray
    times: np.ndarray
    waves: np.ndarray


class Statistic:
    """The log likelihood ratio at the best amplitude, phase and time in each detector.

    Parameters
    ----------
    likelihood
        With its detectors.
    detectors
        Their frequencies and data.
    frequencies
        Those of all detectors together, (F,).
    window
        First and last geocentric time, GPS seconds.
    templates
        On these frequencies.
    kept
        Numbers of the frequencies at which templates are handed over; none when left out.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        detectors: Sequence[DetectorBins],
        frequencies: np.ndarray,
        window: tuple[float, float],
        templates: Templates,
        kept: np.ndarray | None = None,
    ) -> None:
        self.templates, self._detectors = templates, detectors
        self._kept = np.empty(0, dtype=int) if kept is None else kept
        self._places = [np.searchsorted(frequencies, one.frequencies) for one in detectors]
        # Data over noise power are of the order of 1e20 and more, whose squares single precision cannot hold.
        self._units = [float(np.max(np.abs(one.data), initial=0.0)) for one in detectors]
        self._data = [
            (one.data / (unit or 1)).astype(np.complex64) for one, unit in zip(detectors, self._units, strict=True)
        ]
        duration, start = float(likelihood.interferometers.duration), float(likelihood.interferometers.start_time)
        # Half as many steps as conditionals take: a maximum need not be interpolated.
        self._size = steps_in(duration, float(frequencies[-1])) // 2
        spacing = duration / self._size
        geometry = tuple(Detector.from_interferometer(ifo) for ifo in likelihood.interferometers)
        steps = steps_around(window, reach_of(geometry), start, spacing)
        self._columns = steps % self._size
        self._times = start + steps * spacing
        self._reach = [[int(np.ceil(light_travel_time(a, b) / spacing)) for b in geometry] for a in geometry]

    def __call__(self, rows: Sequence[Row]) -> Filtered:
        """Log likelihood ratios, arrival times and templates of rows."""
        blocks = [self._of_block(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)]
        return Filtered(*(np.concatenate(pieces) for pieces in zip(*blocks, strict=True)))

    def _of_block(self, rows: Sequence[Row]) -> Filtered:
        waves = self.templates(rows)
        powers = np.zeros((len(self._detectors), len(rows), len(self._columns)), dtype=np.float32)
        for power, detector, places, unit, data in zip(
            powers, self._detectors, self._places, self._units, self._data, strict=True
        ):
            if not unit > 0:
                continue
            within = waves[:, places]
            norms = (within.real**2 + within.imag**2) @ detector.weights
            spectrum = np.zeros((len(rows), self._size), dtype=np.complex64)
            spectrum[:, detector.bins] = within.conj() * data
            output = ifft(spectrum, axis=1, norm="forward", overwrite_x=True)[:, self._columns]
            factor = np.where(norms > 0, unit / np.sqrt(2 * np.maximum(norms, np.finfo(float).tiny)), 0)
            power[:] = (np.abs(output) * factor[:, None]) ** 2
        loudest = np.argmax(powers.max(axis=2), axis=0)
        values, times = np.full(len(rows), -np.inf), np.zeros(len(rows))
        for number, first in enumerate(loudest):
            total = powers[first, number].astype(np.float64)
            for other in range(len(powers)):
                if other != first:
                    total += maximum_filter1d(powers[other, number], 2 * self._reach[first][other] + 1)
            best = int(np.argmax(total))
            if total[best] > 0:
                values[number], times[number] = total[best], self._times[best]
        return Filtered(values, times, waves[:, self._kept])
