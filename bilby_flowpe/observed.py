"""Measured strain as Bilby's interferometers: read or downloaded, cut around an event, with a PSD estimated from it.

It needs gwpy, and pycbc if the inverse spectrum is truncated.
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
"""Seconds of data before an event from which a PSD is estimated by default."""
# Seconds of the segments of a PSD, tried from the first to the second: a resolution of a quarter of a hertz separates lines
# from their surroundings, and bins wider than a hertz would smear the steep PSD at 20 Hz.
_LONGEST, _SHORTEST = 4.0, 1.0
_FEWEST = 8  # segments of a PSD: with fewer, each bin scatters by more than a third
_MANY = 30  # segments above which bins are not smoothed: each scatters by a quarter or less
_SMOOTHED = 4.0  # Hz: width of a bin's surroundings, for smoothing
_INDEPENDENT = {"welch": 0.75, "median": 0.5}
"""Inverse variance of a bin, in units of that of one periodogram, per segment, for 8 to 30 segments that share half of
their data; measured on white noise. A median of few segments needs half as many again as a mean."""
_CHANCE = 1e-3  # probability of a bin above its surroundings by chance; a bin that is less probable counts as a line


def read_strain(
    detector: str, start: float, end: float, folder: str | Path | None = None, sample_rate: int = 4096
) -> TimeSeries:
    """Read the strain of a detector between two GPS times.

    Parameters
    ----------
    detector
        ``"H1"``, ``"L1"``, ``"V1"`` ...
    start, end
        GPS times in seconds.
    folder
        Folder with files of the Gravitational Wave Open Science Center, ``*.hdf5``: all files whose content is strain of this
        detector are read and joined. By default the open data are downloaded.
    sample_rate
        Sampling rate of data that are downloaded, in Hz. For files, the only rate in the folder is used, or the nearest of
        several.

    Returns
    -------
    gwpy.timeseries.TimeSeries
        The available part of the requested stretch, from the first sample to the last. Gaps are not-a-number (NaN), and so
        are seconds without the data-quality bits ``DATA`` or ``CBC_CAT1``, which are logged. Seconds without ``CBC_CAT2``, or
        with hardware injections, are only logged.

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
    """Estimate the one-sided noise power spectral density from strain without a signal.

    It is estimated from segments that overlap by one half, in every stretch without a gap. With fewer than 30 segments a
    single bin scatters by more than a quarter, which would bias the likelihood. Each bin is then the median over 4 Hz around
    it, except for lines: bins that are above their surroundings by more than chance are not changed.

    Parameters
    ----------
    strain
        Strain with enough data for eight segments: four and a half times ``duration`` in one stretch. Not-a-number (NaN) is a
        gap.
    duration
        Duration of the segments in seconds: the inverse of the frequency resolution.
    roll_off
        Roll-off of the Tukey window, in seconds.
    method
        ``"welch"``: the mean over segments; ``"median"``: their median, corrected for its bias, which a loud signal or glitch
        in one segment hardly changes.
    truncation
        Length in seconds of the whitening filter: the inverse spectrum is smoothed by pycbc's
        ``inverse_spectrum_truncation``; by default it is not.
    minimum_frequency
        Lowest frequency of interest in Hz, for the truncation.
    without
        First and last GPS time in seconds of the segment with the signal, which is left out. The PSD is estimated from the
        data on both sides of it.

    Raises
    ------
    DataError
        If the strain is too short, or its spectrum is not positive.
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
            f"{usable.sum() / rate:g} s of usable strain, in {len(pieces)} stretches, are too short for a PSD from segments of "
            f"{duration:g} s: there are {count} segments, and {_FEWEST} are needed: give at least "
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
        raise DataError("the PSD is not positive everywhere: give strain that is noise of a detector")
    return PowerSpectralDensity(frequency_array=frequencies, psd_array=values)


def finest_noise_curve(
    strain: TimeSeries,
    longest: float,
    truncation: float | None = None,
    minimum_frequency: float = 20.0,
    without: tuple[float, float] | None = None,
) -> PowerSpectralDensity:
    """Estimate a PSD from segments as long as the strain allows: see :func:`noise_curve`.

    Parameters
    ----------
    strain, truncation, minimum_frequency, without
        Arguments of :func:`noise_curve`.
    longest
        First duration in seconds that is tried, at most 4. It is halved while there are too few segments, down to 1 s.

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
    """Return one-sided power spectral densities (F, S) of S segments that overlap by one half."""
    return spectrogram(
        values, fs=rate, window=("tukey", alpha), nperseg=size, noverlap=size // 2, detrend="constant", mode="psd"
    )[2]


def _median(powers: list[np.ndarray]) -> np.ndarray:
    """Return the median over segments, (F,), of power spectral densities by stretch, (F, S) each, corrected for its bias.

    The bias is known for independent segments: every other segment shares no data, and the two medians are averaged (Allen et
    al. 2012, FINDCHIRP).
    """
    halves = [np.concatenate([power[:, first::2] for power in powers], axis=1) for first in (0, 1)]
    counts = [half.shape[1] for half in halves]
    medians = [np.median(half, axis=1) / _median_bias(half.shape[1]) for half in halves if half.shape[1]]
    return np.average(medians, axis=0, weights=[count for count in counts if count])


def _median_bias(count: int) -> float:
    """Return the expectation of the median of so many independent periodograms, relative to their mean."""
    odd = np.arange(2, count + 1 if count % 2 else count)
    return 1 + float(np.sum((-1.0) ** (odd + 1) / odd))


def _smoothed(values: np.ndarray, spacing: float, independent: float) -> np.ndarray:
    """Return each bin as the median of its surroundings, except for lines.

    Parameters
    ----------
    values
        Values of a PSD, (F,).
    spacing
        Spacing of its bins in Hz.
    independent
        Number of independent periodograms whose mean would scatter like the values: as a gamma variable of this shape.
    """
    width = 2 * round(_SMOOTHED / spacing / 2) + 1
    # The median over bins gives the median of their scatter, but its mean is needed.
    smooth = percentile_filter(values, 50, width, mode="nearest") / (gamma.ppf(0.5, independent) / independent)
    sticks_out = values > smooth * gamma.ppf(1 - _CHANCE, independent) / independent
    # The window broadens a line: neighbours that are above their surroundings belong to it.
    beside = np.convolve(sticks_out, np.ones(3), mode="same") > 0
    return np.where(beside & (values > smooth), values, smooth)


def _truncated(values: np.ndarray, spacing: float, length: float, lowest: float) -> np.ndarray:
    from pycbc.psd import inverse_spectrum_truncation
    from pycbc.types import FrequencySeries

    rate = 2 * (len(values) - 1) * spacing
    # pycbc sets values below the lowest frequency to zero.
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
    """Make a Bilby interferometer with data cut from ``strain``, sampled at twice the maximum frequency.

    Parameters
    ----------
    detector
        Bilby's name of the detector.
    strain
        Strain that contains the segment.
    start
        GPS time of the segment's first sample in seconds; it is moved to the sample before.
    duration
        Duration of the segment in seconds.
    psd
        Power spectral density of the noise.
    minimum_frequency, maximum_frequency
        Band of the likelihood in Hz; higher frequencies are removed in the frequency domain, which is an exact low pass.
    roll_off
        Roll-off of the Tukey window in seconds. Its loss of power is not corrected, because Bilby's likelihood assumes
        stationary noise, but recorded with the data (``strain_data.window_factor``).

    Raises
    ------
    DataError
        If the strain does not contain the segment, has gaps in it, or is sampled too slowly.
    """
    rate = float(strain.sample_rate.value)
    if rate < 2 * maximum_frequency:
        raise DataError(
            f"{detector}: strain sampled at {rate:g} Hz does not reach maximum_frequency={maximum_frequency:g}: lower it"
        )
    first, last = (float(edge) for edge in strain.span)
    start = first + np.floor((start - first) * rate + 1e-6) / rate
    if start < first or start + duration > last:
        raise DataError(
            f"{detector}: the segment from {start} to {start + duration} is not within the strain, {first} to {last}: choose "
            "another segment, or give more strain"
        )
    piece = strain.crop(start, start + duration)
    if not np.all(np.isfinite(piece.value)):
        lost = ", ".join(f"{low:.15g} to {high:.15g}" for low, high in stretches(piece, ~np.isfinite(piece.value)))
        raise DataError(
            f"{detector}: in the segment from {start:.15g} to {start + duration:.15g} the strain is missing, or unusable "
            f"by its data quality, from {lost}: choose another segment, or leave this detector out"
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
    # Bilby assumes that data in the frequency domain have no window.
    made.strain_data.roll_off, made.strain_data.window_factor = roll_off, whole.window_factor
    made.minimum_frequency, made.maximum_frequency = minimum_frequency, maximum_frequency
    made.power_spectral_density = psd
    return made
