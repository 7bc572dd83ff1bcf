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

from .errors import DataError

__all__ = ["OFF_SOURCE", "interferometer", "noise_curve", "read_strain"]

if TYPE_CHECKING:
    from gwpy.timeseries import TimeSeries

Method = Literal["welch", "median"]
OFF_SOURCE = 128.0
"""Seconds of data before an event from which a noise curve is estimated, unless said otherwise."""
_FEWEST = 8  # segments of a noise curve: fewer scatter by more than a third each


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
        With files of the Gravitational Wave Open Science Center, ``*H1*.hdf5``; the open data are fetched when left out.
    sample_rate
        Of data that are fetched, in Hz.

    Returns
    -------
    gwpy.timeseries.TimeSeries
        What of the wanted stretch the data have.

    Raises
    ------
    DataError
        If there are no data, or none at these times.
    """
    from gwpy.timeseries import TimeSeries

    if folder is None:
        try:
            return TimeSeries.fetch_open_data(detector, start, end, sample_rate=sample_rate)
        except Exception as error:  # of the many kinds that a network has
            raise DataError(
                f"the public strain of {detector} from {start} to {end} cannot be fetched ({type(error).__name__}: {error}): "
                "download it from gwosc.org and name its folder"
            ) from error
    files = sorted(path for kind in ("hdf5", "h5") for path in Path(folder).glob(f"*{detector}*.{kind}"))
    if not files:
        raise DataError(f"{folder}: no strain file *{detector}*.hdf5 there")
    for path in files:
        try:
            strain = TimeSeries.read(path, format="hdf5.gwosc")
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} cannot be read as strain of the open science center ({error})") from error
        first, last = (float(edge) for edge in strain.span)
        if first < end and last > start:
            return strain.crop(max(start, first), min(end, last))
    raise DataError(f"{folder}: no file of {detector} has data between {start} and {end}")


def noise_curve(
    strain: TimeSeries,
    duration: float,
    roll_off: float = 0.4,
    method: Method = "median",
    truncation: float | None = None,
    minimum_frequency: float = 20.0,
) -> PowerSpectralDensity:
    """One-sided noise power spectral density from strain without a signal.

    Parameters
    ----------
    strain
        At least eight times ``duration``, halves of segments overlapping.
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

    Raises
    ------
    DataError
        If the strain is too short, not finite, or its spectrum not positive.
    """
    length = float(strain.duration.value)
    if length < (_FEWEST + 1) / 2 * duration:
        raise DataError(
            f"{length:g} s of strain are too few for a noise curve of {duration:g} s segments: give at least "
            f"{(_FEWEST + 1) / 2 * duration:g} s"
        )
    if not np.all(np.isfinite(strain.value)):
        raise DataError("the strain for the noise curve is not finite: choose another stretch")
    window = ("tukey", 2 * roll_off / duration)
    psd = strain.psd(fftlength=duration, overlap=duration / 2, method=method, window=window)
    values = np.asarray(psd.value, dtype=np.float64)
    if truncation is not None:
        values = _truncated(values, psd.df.value, truncation, minimum_frequency)
    inside = psd.frequencies.value >= minimum_frequency
    if not np.all(values[inside] > 0):
        raise DataError("the noise curve is not positive everywhere: the strain is no noise of a detector")
    return PowerSpectralDensity(frequency_array=psd.frequencies.value, psd_array=values)


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
        Of the Tukey window in seconds. Its loss of power is not made up for: Bilby's likelihood takes the noise for stationary.

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
        raise DataError(f"{detector}: the strain of the segment is not finite: choose another one, or repair it")
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
    made.minimum_frequency, made.maximum_frequency = minimum_frequency, maximum_frequency
    made.power_spectral_density = psd
    return made
