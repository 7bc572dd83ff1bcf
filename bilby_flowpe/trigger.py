r"""Matched-filter search for a compact binary's signal in measured strain, with a rough range of its mass.

Templates :math:`h` are waveforms of equal masses without spin, over all chirp masses. With the PSD S of a detector, the
signal-to-noise ratio of a template that ends at t is

.. math:: \rho(t) = \left| 4 \int \frac{\tilde d \, \tilde h^*}{S} e^{2 \pi i f t} df \right| \Big/
   \left( 4 \int \frac{|\tilde h|^2}{S} df \right)^{1/2} ,

by one Fourier transform. Detectors see a signal within the light-travel time between them: their squares add up. This is not a
detection: it finds a signal that is known to be there, so that priors can be put around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from bilby.gw.detector import get_empty_interferometer
from bilby.gw.source import lal_binary_black_hole
from scipy.ndimage import maximum_filter1d
from scipy.signal import get_window

from .errors import DataError
from .observed import noise_curve
from .waves.detectors import Detector, light_travel_time

__all__ = ["CHIRP_MASSES", "Trigger", "search", "segment_length"]

if TYPE_CHECKING:
    from gwpy.timeseries import TimeSeries

CHIRP_MASSES = (4.0, 200.0)
"""Least and largest chirp mass of the search, in solar masses in the detectors' frame."""
_SPACING = (
    0.05,
    30.0,
)  # of templates in ln(chirp mass), and solar masses above which it holds; lighter templates are closer
_SEGMENT = 2.0  # seconds of a segment for the PSD
_SETTLED = 1.0  # seconds at either end of the data, or beside a gap, where a filter lacks a part of its data
_PADDING = 32.0  # seconds after the data, for the longest template: 22 s for 4 solar masses from 20 Hz
_TIMING = 0.005  # largest error in seconds of arrival times, besides the light-travel time
_LIKELY = 15.0  # log likelihood ratio below the best within which a template's mass belongs to the range
_WIDER = 0.5, 20.0
"""Fraction by which the range is widened on either side, and the chirp mass in solar masses above which it is that much:
templates have no spins and equal masses, which shifts the chirp mass of a signal with many cycles less."""
_SUN = 4.925491e-6  # G M / c^3 of the Sun in seconds


@dataclass(frozen=True)
class Trigger:
    """A signal found by the search.

    Attributes
    ----------
    time
        GPS time of its end in seconds, averaged over the detectors.
    chirp_mass
        Chirp mass of the best template, in solar masses in the detectors' frame.
    snr
        Signal-to-noise ratio by detector.
    low, high
        Range of chirp masses of a signal of this loudness, with a margin.
    """

    time: float
    chirp_mass: float
    snr: dict[str, float]
    low: float
    high: float

    @property
    def network_snr(self) -> float:
        """Signal-to-noise ratio of all detectors together."""
        return float(np.sqrt(sum(value**2 for value in self.snr.values())))


def segment_length(chirp_mass: float, minimum_frequency: float = 20.0) -> float:
    """Return the seconds of data, a power of two, that contain a signal until two seconds after its end.

    Parameters
    ----------
    chirp_mass
        Chirp mass in solar masses, in the detectors' frame.
    minimum_frequency
        Lowest frequency of the signal in Hz.
    """
    # Time to coalescence at leading order.
    signal = 5 / 256 * (np.pi * minimum_frequency) ** (-8 / 3) * (_SUN * chirp_mass) ** (-5 / 3)
    return float(max(4.0, 2.0 ** np.ceil(np.log2(signal + 2))))


def search(
    strain: Mapping[str, TimeSeries],
    around: tuple[float, float] | None = None,
    chirp_masses: tuple[float, float] = CHIRP_MASSES,
    minimum_frequency: float = 20.0,
    maximum_frequency: float = 1024.0,
    least_snr: float = 8.0,
) -> Trigger:
    """Find the loudest signal that all detectors have seen.

    Parameters
    ----------
    strain
        Strain by detector, at least sixteen seconds; not-a-number (NaN) is a gap.
    around
        GPS times in seconds between which the signal ends; by default anywhere in the data.
    chirp_masses
        Least and largest chirp mass, in solar masses in the detectors' frame.
    minimum_frequency, maximum_frequency
        Band in Hz.
    least_snr
        Smallest signal-to-noise ratio, of all detectors together, that counts as a signal.

    Raises
    ------
    DataError
        If there is no such signal, or the detectors have no time in common.
    """
    filters = {name: _Filter(name, series, minimum_frequency, maximum_frequency) for name, series in strain.items()}
    first = max(one.start for one in filters.values())
    last = min(one.end for one in filters.values())
    low, high = (first, last) if around is None else (max(first, around[0]), min(last, around[1]))
    if not high - low > 0:
        raise DataError(
            f"{', '.join(strain)} have no strain in common between {low:.15g} and {high:.15g}: choose another time"
        )
    rate = 2 * maximum_frequency
    grid = low + np.arange(int((high - low) * rate)) / rate
    delays = _light_travel_times(list(strain))
    masses = _masses(*chirp_masses)
    found = [_loudest({name: one(mass) for name, one in filters.items()}, filters, grid, delays) for mass in masses]
    best = int(np.argmax([sum(value**2 for value in snr.values()) for _, snr in found]))
    time, snr = found[best]
    squares = np.array([_near(entry, time) for entry in found])
    likely = masses[squares > squares[best] - 2 * _LIKELY]
    most, from_mass = _WIDER
    wider = 1 + most * min(1.0, masses[best] / from_mass)
    trigger = Trigger(
        float(time),
        float(masses[best]),
        snr,
        float(max(likely[0] / wider, chirp_masses[0])),
        float(min(likely[-1] * wider, chirp_masses[1])),
    )
    if trigger.network_snr < least_snr:
        raise DataError(
            f"no signal is found in {', '.join(strain)} between {low:.15g} and {high:.15g}: the loudest has a "
            f"signal-to-noise ratio of {trigger.network_snr:.1f}, below {least_snr:g}: give its time and chirp mass"
        )
    return trigger


class _Filter:
    """Data of a detector, divided by its PSD, for matched filters."""

    def __init__(self, name: str, series: TimeSeries, minimum_frequency: float, maximum_frequency: float) -> None:
        rate = float(series.sample_rate.value)
        if rate < 2 * maximum_frequency:
            raise DataError(
                f"{name}: strain sampled at {rate:g} Hz does not reach maximum_frequency={maximum_frequency:g}: lower it"
            )
        gaps = ~np.isfinite(series.value)
        curve = noise_curve(series, _SEGMENT, minimum_frequency=minimum_frequency)
        taper = _tapered(gaps, round(rate * _SETTLED))
        values = np.where(gaps, 0.0, series.value) * taper
        self.start, self.end = (float(edge) for edge in series.span)
        self.duration = 2.0 ** np.ceil(np.log2(len(values) / rate + _PADDING))
        self.rate = 2 * maximum_frequency
        spectrum = np.fft.rfft(values, round(self.duration * rate))[: int(self.duration * maximum_frequency) + 1] / rate
        self.frequencies = np.arange(len(spectrum)) / self.duration
        self.inside = (self.frequencies >= minimum_frequency) & (self.frequencies <= maximum_frequency)
        self.curve = curve.get_power_spectral_density_array(self.frequencies)[self.inside]
        self.data = spectrum[self.inside] / self.curve
        self.band = minimum_frequency, maximum_frequency
        # Samples at which the filter has all of its data.
        times = self.start + np.arange(round(self.duration * self.rate)) / self.rate
        index = np.floor((times - self.start) * rate).astype(int)
        self.settled = np.where(index < len(taper), taper[np.minimum(index, len(taper) - 1)], 0.0) == 1

    def __call__(self, chirp_mass: float) -> np.ndarray:
        """Return the signal-to-noise ratio for an end of the signal at each sample."""
        mass = chirp_mass * 2**0.2
        wave = lal_binary_black_hole(
            self.frequencies, mass, mass, 500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            waveform_approximant="IMRPhenomD", reference_frequency=self.band[0], minimum_frequency=self.band[0],
            maximum_frequency=self.band[1],
        )  # fmt: skip
        template = wave["plus"][self.inside]
        norm = 4 * np.sum(np.abs(template) ** 2 / self.curve) / self.duration
        full = np.zeros(round(self.duration * self.rate), dtype=complex)
        full[np.flatnonzero(self.inside)] = self.data * np.conj(template)
        # NumPy's inverse transform divides the sum over frequencies by N; the frequency step is 1 / duration.
        overlap = 4 * np.abs(np.fft.ifft(full)) * len(full) / self.duration
        return np.where(self.settled, overlap / np.sqrt(norm), 0.0)


def _loudest(
    snr: Mapping[str, np.ndarray],
    filters: Mapping[str, _Filter],
    grid: np.ndarray,
    delays: Callable[[str, str], float],
) -> tuple[float, dict[str, float]]:
    """Return when a template fits best in all detectors, as the mean of their times, and its signal-to-noise ratios."""
    names = list(snr)
    on_grid, rate = {}, filters[names[0]].rate
    for name in names:
        offset = round((grid[0] - filters[name].start) * rate)
        on_grid[name] = snr[name][offset : offset + len(grid)]
    size = min(len(series) for series in on_grid.values())
    squares = on_grid[names[0]][:size] ** 2
    for name in names[1:]:
        half = int(np.ceil((delays(names[0], name) + _TIMING) * rate))
        squares = squares + maximum_filter1d(on_grid[name][:size], 2 * half + 1) ** 2
    peak = int(np.argmax(squares))
    at = {names[0]: peak}
    for name in names[1:]:
        half = int(np.ceil((delays(names[0], name) + _TIMING) * rate))
        low = max(peak - half, 0)
        at[name] = low + int(np.argmax(on_grid[name][low : min(peak + half + 1, size)]))
    return float(np.mean([grid[index] for index in at.values()])), {
        name: float(on_grid[name][index]) for name, index in at.items()
    }


def _near(entry: tuple[float, dict[str, float]], time: float) -> float:
    """Return the squared signal-to-noise ratio of a template, if it found the same signal: within a tenth of a second."""
    when, snr = entry
    return sum(value**2 for value in snr.values()) if abs(when - time) < 0.1 else 0.0


def _masses(low: float, high: float) -> np.ndarray:
    """Return the chirp masses of the templates: as dense as the number of cycles requires, which goes with mass^(-5/3)."""
    step, from_mass = _SPACING
    masses = [low]
    while masses[-1] < high:
        masses.append(masses[-1] * np.exp(step * min(1.0, (masses[-1] / from_mass) ** (5 / 3))))
    return np.array(masses)


def _light_travel_times(names: list[str]) -> Callable[[str, str], float]:
    """Return a function that gives the seconds that light takes between two of these detectors."""
    detectors = {name: Detector.from_interferometer(get_empty_interferometer(name)) for name in names}
    return lambda one, other: light_travel_time(detectors[one], detectors[other])


def _tapered(gaps: np.ndarray, length: int) -> np.ndarray:
    """Return a window: one where there are data, falling to zero over so many samples before either end and each gap."""
    taper = np.where(gaps, 0.0, 1.0)
    rise = get_window("hann", 2 * length)[:length]
    edges = np.flatnonzero(np.diff(np.concatenate(([1], gaps.astype(int), [1]))))
    for low, high in pairwise(edges):
        if gaps[low] or high - low < 2 * length:
            taper[low:high] = 0.0
            continue
        taper[low : low + length] = rise
        taper[high - length : high] = rise[::-1]
    return taper
