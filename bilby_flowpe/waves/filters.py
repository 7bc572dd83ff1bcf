"""Inner products of many waves with the data of all detectors, at every arrival time or at one time for each wave.

Each result is identical, to the last bit, to that of a wave that is computed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ..names import TIME
from ..processes.parallel import Row
from .inner_products import Projection
from .matched_filter import at_times

# Seconds of a window of times over which a parabola describes the Earth's rotation: by 7e-4 rad in half of it, to within 3e-11.
_LONGEST_WINDOW = 20.0

Wave = Mapping[str, np.ndarray]
"""Polarisations of a wave by name, each a frequency series (F,)."""


class Track:
    """Antenna response and delay of one detector for a fixed sky position over a window of time.

    Parabolas go through the values of Bilby's own functions at three times.

    Parameters
    ----------
    projection
        The detector.
    place
        Right ascension, declination and polarisation angle in radians.
    window
        First and last geocentric time, GPS seconds.
    modes
        Names of the polarisations.
    """

    def __init__(self, projection: Projection, place: Row, window: tuple[float, float], modes: Sequence[str]) -> None:
        self._middle, self._half = 0.5 * (window[0] + window[1]), max(0.5 * (window[1] - window[0]), 1e-3)
        times = [self._middle + step * self._half for step in (-1, 0, 1)]
        seen = [projection.seen({**place, TIME: time}, modes) for time in times]
        # The delay alone: the time itself is added to it in full.
        self._since = self._middle - projection.start
        values = np.array(
            [
                [*response, delay - (time - projection.start)]
                for (response, delay), time in zip(seen, times, strict=True)
            ]
        )
        self._polynomial = values[1], (values[2] - values[0]) / 2, (values[2] + values[0]) / 2 - values[1]

    def __call__(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return antenna responses (N, P), and arrival times since the start of the segment (N,), for geocentric times (N,)."""
        since = times - self._middle
        step = (since / self._half)[:, None]
        constant, slope, curvature = self._polynomial
        values = constant + step * (slope + step * curvature)
        return values[:, :-1], self._since + since + values[:, -1]


class Filters:
    """Inner products with the data, summed over the detectors of a likelihood.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    window
        First and last geocentric time, GPS seconds.
    place
        Right ascension, declination and polarisation angle in radians, if these are the same for all rows, else ``None``.
    """

    def __init__(
        self, likelihood: GravitationalWaveTransient, window: tuple[float, float], place: Row | None = None
    ) -> None:
        self._likelihood, self._window = likelihood, window
        self._projections = [Projection(interferometer) for interferometer in likelihood.interferometers]
        self._place = place if window[1] - window[0] <= _LONGEST_WINDOW else None
        self._tracks: dict[tuple[str, ...], list[Track]] = {}

    @property
    def highest(self) -> float:
        """Highest frequency of all detectors, in Hz."""
        return max(projection.highest for projection in self._projections)

    def in_bands(self, waves: Sequence[Wave], modes: Sequence[str]) -> list[np.ndarray]:
        """Return the polarisations in each detector's band, (N, P, F) each."""
        return [projection.in_band(waves, modes) for projection in self._projections]

    def series(
        self, in_bands: list[np.ndarray], rows: Sequence[Row], modes: Sequence[str], size: int, bins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the complex inner products with the data, (N, bins), and squared norms, (N,).

        Bins are time steps from each row's time; the segment has ``size`` of them.
        """
        series = np.empty((len(rows), len(bins)), dtype=np.complex128)
        norms = np.zeros(len(rows))
        times = np.array([row[TIME] for row in rows])
        terms = []
        for index, (projection, in_band) in enumerate(zip(self._projections, in_bands, strict=True)):
            signals, norm = projection.signals(in_band, *self._seen(index, rows, modes, times))
            terms.append(projection.terms(signals))
            norms += norm
        for number in range(len(rows)):
            spectrum = np.zeros(size, dtype=np.complex64)
            for projection, of_detector in zip(self._projections, terms, strict=True):
                spectrum[projection.bins] += of_detector[number]
            series[number] = at_times(spectrum, bins)
        return series, norms

    def products(
        self, in_bands: list[np.ndarray], rows: Sequence[Row], modes: Sequence[str], times: np.ndarray
    ) -> np.ndarray:
        """Return the inner products with the data and squared norms at one time for each row: ``[re, im, norm]``, (N, 3)."""
        products = np.zeros((len(rows), 3))
        for index, (projection, in_band) in enumerate(zip(self._projections, in_bands, strict=True)):
            signals, norm = projection.signals(in_band, *self._seen(index, rows, modes, times))
            inner = projection.terms(signals).sum(axis=1)
            products += np.stack([inner.real, inner.imag, norm], axis=1)
        return products

    def _seen(
        self, index: int, rows: Sequence[Row], modes: Sequence[str], times: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return antenna responses and arrival times of rows at geocentric times."""
        projection = self._projections[index]
        if self._place is not None:
            key = tuple(modes)
            if key not in self._tracks:
                self._tracks[key] = [Track(each, self._place, self._window, modes) for each in self._projections]
            return self._tracks[key][index](times)
        seen = []
        for row, time in zip(rows, times.tolist(), strict=True):
            timed = {**row, TIME: time}
            seen.append(projection.seen({**timed, **self._likelihood.get_sky_frame_parameters(timed)}, modes))
        return np.array([response for response, _ in seen]), np.array([delay for _, delay in seen])
