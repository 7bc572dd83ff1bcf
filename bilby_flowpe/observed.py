"""Strain as it was measured, as Bilby's interferometers: read or fetched, cut around an event, with a noise curve of its own.

Needs gwpy, and pycbc where the noise curve is truncated.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from bilby.gw.detector import (
    Interferometer,
    InterferometerStrainData,
    PowerSpectralDensity,
    get_empty_interferometer,
)
from scipy.ndimage import percentile_filter
from scipy.signal import spectrogram
from scipy.stats import gamma

from .errors import DataError
from .open_data import fetched, from_files, stretches

__all__ = ["OFF_SOURCE", "finest_noise_curve", "interferometer", "noise_curve", "read_strain"]

if TYPE_CHECKING:
    from gwpy.timeseries import TimeSeries

Method = Literal["welch", "median"]
OFF_SOURCE = 128.0
"""Seconds of data before an event from which a noise curve is estimated, unless said otherwise."""
# Seconds of the segments of a noise curve, tried from the first to the second: a quarter of a hertz tells lines from their
# surroundings, and bins wider than a hertz would smear the steep curve at 20 Hz.
_LONGEST, _SHORTEST = 4.0, 1.0
_FEWEST = 8  # segments of a noise curve: fewer scatter by more than a third each
_MANY = 30  # segments from which each bin stands for itself: it then scatters by a quarter or less
_SMOOTHED = 4.0  # Hz: of a bin's surroundings, where there are fewer
_INDEPENDENT = {"welch": 0.75, "median": 0.5}
"""Inverse variance of a bin in units of that of one periodogram, for each of 8 to 30 segments that share half of their
data; measured on white noise. Medians of few need half as many again as a mean."""
_CHANCE = 1e-3  # probability of a bin that sticks out of its surroundings by chance: rarer ones are lines


def read_strain(
    detector: str, start: float, end: float, folder: str | Path | None = None, sample_rate: int = 4096
) -> TimeSeries:
    """Strain of a detector between two GPS times.

    Parameters
    ----------
    detector
        ``"H1"``, ``"L1"``, ``"V1"`` ...
    start, end
        In seconds.
    folder
        With files of the Gravitational Wave Open Science Center, ``*.hdf5``: all that hold strain of this detector, by
        their content, are read and joined. The open data are fetched when left out.
    sample_rate
        In Hz, of data that are fetched; of files the folder's only rate is taken, and of several the nearest.

    Returns
    -------
    gwpy.timeseries.TimeSeries
        What of the wanted stretch the data have, from the first sample to the last. Gaps are not-a-number (NaN), and so
        are seconds in which the data quality has not set ``DATA`` or ``CBC_CAT1``, which are logged. ``CBC_CAT2`` and
        hardware injections are logged alone.

    Raises
    ------
    DataError
        If there are no data, or none at these times.
    """
    if folder is None:
        return fetched(detector, start, end, sample_rate)
    return from_files(detector, start, end, folder, sample_rate)


def noise_curve(
    strain: TimeSeries,
    duration: float,
    roll_off: float = 0.4,
    method: Method = "median",
    truncation: float | None = None,
    minimum_frequency: float = 20.0,
    without: tuple[float, float] | None = None,
) -> PowerSpectralDensity:
    """One-sided noise power spectral density from strain without a signal.

    It is estimated from segments, halves overlapping, of every stretch without a gap. Of fewer than 30 segments a
    single bin scatters by more than a quarter, which would bias the likelihood: each bin is then the median over 4 Hz
    around it, but for lines, bins that stick out of their surroundings by more than chance, which stay as they are.

    Parameters
    ----------
    strain
        With enough data for eight segments: four and a half times ``duration`` in one stretch. Not-a-number (NaN) is a gap.
    duration
        Of the segments, and so one over the frequency resolution, in seconds.
    roll_off
        Of the Tukey window, in seconds.
    method
        ``"welch"``: the mean over segments; ``"median"``: their median, its bias taken out, which a loud signal or glitch in
        one of them hardly moves.
    truncation
        Length in seconds of the whitening filter: the inverse spectrum is smoothed as by pycbc's
        ``inverse_spectrum_truncation``; not at all when left out.
    minimum_frequency
        Lowest frequency of interest in Hz, for the truncation.
    without
        First and last GPS time in seconds of what is left out: the segment with the signal. The curve is made of the
        data on both sides of it.

    Raises
    ------
    DataError
        If the strain is too short, or its spectrum not positive.
    """
    usable = np.isfinite(strain.value)
    if without is not None:
        times = np.asarray(strain.times.value)
        usable &= (times < without[0]) | (times >= without[1])
    rate = float(strain.sample_rate.value)
    size = round(duration * rate)
    pieces = [
        strain.value[round((low - strain.span[0]) * rate) : round((high - strain.span[0]) * rate)]
        for low, high in stretches(strain, usable)
    ]
    powers = [_periodograms(piece, rate, size, 2 * roll_off / duration) for piece in pieces if len(piece) >= size]
    count = sum(power.shape[1] for power in powers)
    if count < _FEWEST:
        raise DataError(
            f"{usable.sum() / rate:g} s of strain that can be used, in {len(pieces)} stretches, are too few for a noise "
            f"curve of {duration:g} s segments: they hold {count}, and {_FEWEST} are needed: give at least "
            f"{(_FEWEST + 1) / 2 * duration:g} s in one stretch, or a shorter duration"
        )
    values = np.concatenate(powers, axis=1).mean(axis=1) if method == "welch" else _median(powers)
    frequencies = np.arange(len(values)) / duration
    if count < _MANY:
        values = _smoothed(values, 1 / duration, _INDEPENDENT[method] * count)
    if truncation is not None:
        values = _truncated(values, 1 / duration, truncation, minimum_frequency)
    inside = frequencies >= minimum_frequency
    if not np.all(values[inside] > 0):
        raise DataError("the noise curve is not positive everywhere: the strain is no noise of a detector")
    return PowerSpectralDensity(frequency_array=frequencies, psd_array=values)


def finest_noise_curve(
    strain: TimeSeries,
    longest: float,
    truncation: float | None = None,
    minimum_frequency: float = 20.0,
    without: tuple[float, float] | None = None,
) -> PowerSpectralDensity:
    """Estimate a noise power spectral density from segments as long as the strain has enough of: :func:`noise_curve`.

    Parameters
    ----------
    strain, truncation, minimum_frequency, without
        As of :func:`noise_curve`.
    longest
        Duration in seconds to begin with: 4 at most. It is halved while there are too few segments, down to 1 s.

    Raises
    ------
    DataError
        If there are too few of the shortest segments, or the spectrum is not positive.
    """
    duration = min(longest, _LONGEST)
    while True:
        try:
            return noise_curve(
                strain, duration, truncation=truncation, minimum_frequency=minimum_frequency, without=without
            )
        except DataError:
            if duration <= _SHORTEST:
                raise
            duration /= 2


def _periodograms(values: np.ndarray, rate: float, size: int, alpha: float) -> np.ndarray:
    """One-sided power spectral densities (F, S) of S segments, halves overlapping."""
    return spectrogram(
        values, fs=rate, window=("tukey", alpha), nperseg=size, noverlap=size // 2, detrend="constant", mode="psd"
    )[2]


def _median(powers: list[np.ndarray]) -> np.ndarray:
    """Median over segments, its bias taken out, by stretch (F, S).

    That is known for independent ones: every other segment shares no data, and the two medians are averaged (Allen et al.
    2012, FINDCHIRP).
    """
    halves = [np.concatenate([power[:, first::2] for power in powers], axis=1) for first in (0, 1)]
    counts = [half.shape[1] for half in halves]
    medians = [np.median(half, axis=1) / _median_bias(half.shape[1]) for half in halves if half.shape[1]]
    return np.average(medians, axis=0, weights=[count for count in counts if count])


def _median_bias(count: int) -> float:
    """Expectation of the median of so many independent periodograms over their mean."""
    odd = np.arange(2, count + 1 if count % 2 else count)
    return 1 + float(np.sum((-1.0) ** (odd + 1) / odd))


def _smoothed(values: np.ndarray, spacing: float, independent: float) -> np.ndarray:
    """Each bin as the median of its surroundings, but for lines.

    Parameters
    ----------
    values
        Of a noise curve, (F,).
    spacing
        Of its bins in Hz.
    independent
        Number of independent periodograms whose mean would scatter as the values do: like a gamma variable of this shape.
    """
    width = 2 * round(_SMOOTHED / spacing / 2) + 1
    # The median over bins finds the median of their scatter; its mean is wanted.
    smooth = percentile_filter(values, 50, width, mode="nearest") / (gamma.ppf(0.5, independent) / independent)
    sticks_out = values > smooth * gamma.ppf(1 - _CHANCE, independent) / independent
    # A line has wings under the window: its neighbours are of it, where they are above their surroundings.
    beside = np.convolve(sticks_out, np.ones(3), mode="same") > 0
    return np.where(beside & (values > smooth), values, smooth)


def _truncated(values: np.ndarray, spacing: float, length: float, lowest: float) -> np.ndarray:
    from pycbc.psd import inverse_spectrum_truncation
    from pycbc.types import FrequencySeries

    rate = 2 * (len(values) - 1) * spacing
    # pycbc leaves what is below the lowest frequency at zero.
    series = FrequencySeries(values, delta_f=spacing)
    cut = inverse_spectrum_truncation(
        series, int(min(length, 1 / spacing) * rate), low_frequency_cutoff=lowest, trunc_method="hann"
    )
    return np.asarray(cut.numpy())


def interferometer(
    detector: str,
    strain: TimeSeries,
    start: float,
    duration: float,
    psd: PowerSpectralDensity,
    minimum_frequency: float = 20.0,
    maximum_frequency: float = 1024.0,
    roll_off: float = 0.4,
) -> Interferometer:
    """A Bilby interferometer with data cut from ``strain``, at twice the maximum frequency.

    Parameters
    ----------
    detector
        Bilby's name of it.
    strain
        Holding the segment.
    start
        GPS time of the segment's first sample in seconds, taken to the sample before.
    duration
        Of the segment in seconds.
    psd
        Noise curve.
    minimum_frequency, maximum_frequency
        Band of the likelihood in Hz; what is above is left away in frequency, which is an exact low pass.
    roll_off
        Of the Tukey window in seconds. Its loss of power is not made up for, as Bilby's likelihood takes the noise for
        stationary, but recorded with the data (``strain_data.window_factor``).

    Raises
    ------
    DataError
        If the strain does not hold the segment, has gaps in it, or is sampled too slowly.
    """
    rate = float(strain.sample_rate.value)
    if rate < 2 * maximum_frequency:
        raise DataError(
            f"{detector}: strain of {rate:g} Hz has nothing up to maximum_frequency={maximum_frequency:g}: lower it"
        )
    first, last = (float(edge) for edge in strain.span)
    start = first + np.floor((start - first) * rate + 1e-6) / rate
    if start < first or start + duration > last:
        raise DataError(f"{detector}: the segment from {start} to {start + duration} is not within {first} to {last}")
    piece = strain.crop(start, start + duration)
    if not np.all(np.isfinite(piece.value)):
        lost = ", ".join(f"{low:.15g} to {high:.15g}" for low, high in stretches(piece, ~np.isfinite(piece.value)))
        raise DataError(
            f"{detector}: in the segment from {start:.15g} to {start + duration:.15g} the strain is missing, or unusable "
            f"by its data quality, from {lost}: choose a segment beside it, or leave this detector out"
        )
    whole = InterferometerStrainData(
        minimum_frequency=minimum_frequency, maximum_frequency=maximum_frequency, roll_off=roll_off
    )
    whole.set_from_gwpy_timeseries(piece)
    made = get_empty_interferometer(detector)
    made.set_strain_data_from_frequency_domain_strain(
        whole.frequency_domain_strain[: int(duration * maximum_frequency) + 1],
        sampling_frequency=2 * maximum_frequency,
        duration=duration,
        start_time=start,
    )
    # Bilby takes data that come in frequency for those of no window.
    made.strain_data.roll_off, made.strain_data.window_factor = roll_off, whole.window_factor
    made.minimum_frequency, made.maximum_frequency = minimum_frequency, maximum_frequency
    made.power_spectral_density = psd
    return made
