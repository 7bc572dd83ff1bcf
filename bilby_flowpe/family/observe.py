"""Data of an event for the view of a family: relative to a wave of the family, at its arrival in each detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import ifft, next_fast_len
from scipy.interpolate import CubicSpline

from ..names import TIME
from ..processes.parallel import Row
from ..waves.detectors import Detector, light_travel_time
from ..waves.inner_products import Projection
from .orders import Gathered
from .templates import HIGHEST, LOWEST, POINTS, Templates, bodies_of

# seconds around the time of a row that are searched: delays between detectors, and conventions of waveforms
_AROUND = 0.08
_BESIDE = 2e-3  # seconds added to the light travel time between detectors, because noise moves the peak
_OVERSAMPLED = 4  # steps of time in each period of the highest frequency


def gathered_of(
    likelihood: GravitationalWaveTransient,
    row: Row,
    templates: Templates,
    slots: Sequence[int],
    highest: float = HIGHEST,
) -> tuple[Gathered, np.ndarray]:
    """Return data relative to the wave of a row, and that wave's phases at the fixed frequencies, (P,).

    Parameters
    ----------
    likelihood
        The likelihood, with the data.
    row
        Parameters of a wave that fits, with the time of its arrival.
    templates
        Object that makes waves.
    slots
        Index of each detector in the family's list.
    highest
        Highest frequency of the data that is used, in Hz.
    """
    columns = {key: np.array([value]) for key, value in row.items()}
    amplitudes, phases = templates(bodies_of(columns))
    spline, shape = CubicSpline(np.log(POINTS), phases[0]), amplitudes[0]
    projections = [Projection(interferometer) for interferometer in likelihood.interferometers]
    pieces = []
    for projection in projections:
        frequencies = projection.interferometer.frequency_array[projection.bins]
        inside = (frequencies >= LOWEST) & (frequencies <= min(highest, HIGHEST))
        data = projection.terms(np.ones((1, len(frequencies))))[0]
        pieces.append((projection.bins[inside], frequencies[inside], data[inside], projection.weights[inside]))
    duration = float(likelihood.interferometers.duration)
    size = int(next_fast_len(int(_OVERSAMPLED * duration * highest)))
    times = np.arange(size) * duration / size
    series = []
    for bins, frequencies, data, weights in pieces:
        of_wave = np.interp(np.log(frequencies), np.log(POINTS), shape)
        spectrum = np.zeros(size, dtype=complex)
        spectrum[bins] = data * of_wave * np.exp(-1j * spline(np.log(frequencies)))
        norm = np.sqrt(max(float(weights @ of_wave**2), np.finfo(float).tiny))
        series.append(np.abs(ifft(spectrum, norm="forward")) / norm)
    arrivals = _arrivals(likelihood, series, times, row[TIME] - float(likelihood.interferometers.start_time))
    turned = [
        data * np.exp(2j * np.pi * frequencies * arrival)
        for (_, frequencies, data, _), arrival in zip(pieces, arrivals, strict=True)
    ]
    of_all = [piece[1] for piece in pieces], turned, [piece[3] for piece in pieces]
    return Gathered(*of_all, list(slots), arrivals), phases[0]


def _arrivals(
    likelihood: GravitationalWaveTransient, series: Sequence[np.ndarray], times: np.ndarray, about: float
) -> np.ndarray:
    """Return arrival times in seconds from the start, (D,), at the loudest detector and within light travel at the others."""
    geometry = [Detector.from_interferometer(interferometer) for interferometer in likelihood.interferometers]
    period = times[-1] + times[1]

    def peak(index: int, centre: float, width: float) -> tuple[float, float]:
        apart = np.abs((times - centre + 0.5 * period) % period - 0.5 * period)
        near = np.flatnonzero(apart <= width + times[1])
        best = int(near[np.argmax(series[index][near])])
        return float(series[index][best]), float(times[best])

    first = max(range(len(series)), key=lambda index: peak(index, about, _AROUND)[0])
    arrival = peak(first, about, _AROUND)[1]
    travel = [light_travel_time(geometry[first], other) + _BESIDE for other in geometry]
    return np.array(
        [arrival if index == first else peak(index, arrival, travel[index])[1] for index in range(len(series))]
    )
