"""The data of an alert as Bilby's interferometers: given, or cut from strain around a trigger time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bilby.core.utils import logger
from bilby.gw.detector import Interferometer, InterferometerList, PowerSpectralDensity

from ..errors import DataError
from ..observed import OFF_SOURCE, finest_noise_curve, interferometer, read_strain
from ..open_data import files_of

if TYPE_CHECKING:
    from gwpy.timeseries import TimeSeries

Strain = Mapping[str, "TimeSeries"]
"""Strain by detector, as gwpy's time series."""
Curves = Mapping[str, PowerSpectralDensity | str | Path]
"""Noise PSDs by detector: Bilby's objects, or files of two columns, frequency in Hz and power spectral density in 1/Hz."""

AFTER = 2.0
"""Seconds of data after the trigger time, as in Bilby's and bilby_pipe's analyses."""
# Seconds after the event that are read, for a PSD if too little was recorded before.
_ASIDE = 64.0


def as_interferometers(data: object) -> InterferometerList | None:
    """Return the data as Bilby's interferometers; ``None`` if they are anything else."""
    if isinstance(data, Interferometer):
        return InterferometerList([data])
    if isinstance(data, Sequence) and not isinstance(data, str) and data:
        return InterferometerList(list(data)) if all(isinstance(one, Interferometer) for one in data) else None
    return None


def strain_of(folder: str | Path, trigger_time: float, detectors: Sequence[str] | None = None) -> dict[str, TimeSeries]:
    """Read the strain around a trigger from files of the Gravitational Wave Open Science Center.

    Parameters
    ----------
    folder
        Folder with the files.
    trigger_time
        GPS time in seconds.
    detectors
        Names of the detectors; by default all that have files.

    Raises
    ------
    DataError
        If there are no data at this time.
    """
    names = list(detectors or sorted({file.detector for file in files_of(folder)[0]}))
    if not names:
        raise DataError(f"{folder}: there is no strain file of the open science center: put the event's strain there")
    return {name: read_strain(name, trigger_time - OFF_SOURCE, trigger_time + _ASIDE, folder) for name in names}


def cut(
    strain: Strain,
    trigger_time: float,
    duration: float,
    band: tuple[float, float],
    noise_curves: Curves | None = None,
) -> InterferometerList:
    """Make interferometers with the data around a trigger, which is two seconds before their end.

    Parameters
    ----------
    strain
        Strain by detector.
    trigger_time
        GPS time in seconds.
    duration
        Duration of the data in seconds.
    band
        Lowest and highest frequency of the likelihood in Hz.
    noise_curves
        PSDs by detector; PSDs that are not given are estimated from the strain before the segment.

    Raises
    ------
    DataError
        If the strain does not contain the segment, has gaps in it, or is too short for a PSD.
    """
    start, curves = trigger_time + AFTER - duration, noise_curves or {}
    if unknown := sorted({*curves} - {*strain}):
        raise DataError(f"noise_curves names {unknown}, but the strain is of {sorted(strain)}: name the same detectors")
    made = []
    for name, series in strain.items():
        curve = _given(curves[name]) if name in curves else _estimated(name, series, start, duration, band[0])
        made.append(interferometer(name, series, start, duration, curve, *band))
    return InterferometerList(made)


def _given(curve: PowerSpectralDensity | str | Path) -> PowerSpectralDensity:
    if isinstance(curve, PowerSpectralDensity):
        return curve
    if not Path(curve).is_file():
        raise DataError(f"noise_curves: there is no file {str(curve)!r}: name a file with frequencies and densities")
    return PowerSpectralDensity(psd_file=str(curve))


def _estimated(
    name: str, series: TimeSeries, start: float, duration: float, minimum_frequency: float
) -> PowerSpectralDensity:
    """Estimate a PSD from the strain before a segment, in pieces as long as possible; else from both sides of it."""
    first, last = (float(edge) for edge in series.span)
    before = series.crop(first, start) if first < start < last else series
    segment = start, start + duration
    try:
        return finest_noise_curve(before, duration, minimum_frequency=minimum_frequency, without=segment)
    except DataError:
        logger.info(f"{name}: too little strain before the event for its PSD: the strain on both sides is used")
    try:
        return finest_noise_curve(series, duration, minimum_frequency=minimum_frequency, without=segment)
    except DataError as error:
        raise DataError(
            f"{name}: the strain gives no PSD ({error}): give noise_curves, or more strain before the event"
        ) from error
