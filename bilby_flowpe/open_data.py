"""Strain and data quality of the Gravitational Wave Open Science Center, from files or downloaded.

Detector, times and sampling rate of a file are read from its content. File names have no meaning, except that of several
versions of the same data the last one by name is used (``V2`` after ``V1``). Samples that no file has, and seconds that the
data quality calls unusable, are not-a-number (NaN) in the strain that is returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bilby.core.utils import logger

from .errors import DataError

if TYPE_CHECKING:
    from gwpy.timeseries import StateVector, TimeSeries

UNUSABLE = {"DATA": "data present", "CBC_CAT1": "cbc cat1"}
"""Data-quality bits that a second needs to be used, and the words in their descriptions: without them there are no data, or
data that searches for compact binaries do not use."""
_DOUBTFUL = {"CBC_CAT2": "cbc cat2", "NO_CBC_HW_INJ": "no cbc injections"}  # logged, but used
_QUALITY = (
    {"path": "quality/simple", "value_dataset": "DQmask", "bits_dataset": "DQDescriptions"},
    {"path": "quality/injections", "value_dataset": "Injmask", "bits_dataset": "InjDescriptions"},
)
_KINDS = ("*.hdf5", "*.h5")

Span = tuple[float, float]
"""First and last GPS time in seconds."""


@dataclass(frozen=True)
class File:
    """Description of a file of strain.

    Attributes
    ----------
    path
        Path of the file.
    detector
        Detector, by the description in the file.
    start
        GPS time of the first sample in seconds.
    rate
        Sampling rate in Hz.
    samples
        Number of samples.
    """

    path: Path
    detector: str
    start: float
    rate: float
    samples: int

    @property
    def end(self) -> float:
        """GPS time after the last sample in seconds."""
        return self.start + self.samples / self.rate


def files_of(folder: str | Path) -> tuple[list[File], list[str]]:
    """Return all strain files of a folder, and a message for every other file that could have been one.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder: name the folder of the strain files")
    found, others = [], []
    for path in sorted(path for kind in _KINDS for path in Path(folder).glob(kind)):
        try:
            found.append(_described(path))
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            others.append(f"{path.name} cannot be read as strain of the open science center ({error})")
    return found, others


def from_files(detector: str, start: float, end: float, folder: str | Path, sample_rate: float = 4096) -> TimeSeries:
    """Return the strain of a detector between two GPS times, from all files of a folder that have a part of it.

    Parameters
    ----------
    detector
        ``"H1"``, ``"L1"``, ``"V1"`` ...
    start, end
        GPS times in seconds.
    folder
        Folder with the files.
    sample_rate
        Sampling rate in Hz. If there are several rates, the one with most of the data is read; among equals, the nearest.

    Raises
    ------
    DataError
        If there are no data at these times.
    """
    files, others = files_of(folder)
    mine = [file for file in files if file.detector == detector]
    aside = "".join(f"; {other}" for other in others)
    if not mine:
        held = sorted({file.detector for file in files})
        what = f"its strain files are of {', '.join(held)}" if held else "there is no file of strain"
        raise DataError(f"{folder}: no strain of {detector}: {what}; give its files{aside}")
    chosen = overlapping(mine, detector, start, end)
    if not chosen:
        spans = ", ".join(f"{file.start:.15g} to {file.end:.15g}" for file in mine)
        raise DataError(
            f"{folder}: no file of {detector} has data between {start:.15g} and {end:.15g}, only from {spans}; give files of "
            f"that time{aside}"
        )
    by_rate: dict[float, list[File]] = {}
    for file in chosen:
        by_rate.setdefault(file.rate, []).append(file)
    joined = [_joined(alike, start, end) for alike in by_rate.values()]
    return max(
        joined,
        key=lambda series: (
            np.isfinite(series.value).mean() * float(series.duration.value),
            -abs(float(series.sample_rate.value) - sample_rate),
        ),
    )


def overlapping(files: Iterable[File], detector: str, start: float, end: float) -> list[File]:
    """Return the files of a detector that have data between two GPS times in seconds."""
    return [file for file in files if file.detector == detector and file.start < end and file.end > start]


def fetched(detector: str, start: float, end: float, sample_rate: int = 4096) -> TimeSeries:
    """Download the strain of a detector between two GPS times, with gwpy.

    Raises
    ------
    DataError
        If that fails.
    """
    from gwpy.timeseries import StateVector, TimeSeries

    try:
        strain = TimeSeries.fetch_open_data(detector, start, end, sample_rate=sample_rate)
    except Exception as error:  # a download may raise many kinds of errors
        raise DataError(
            f"the public strain of {detector} from {start} to {end} cannot be downloaded ({type(error).__name__}: {error}): "
            "download it from gwosc.org by hand, and name its folder"
        ) from error
    try:
        quality = StateVector.fetch_open_data(detector, start, end)
    except Exception as error:
        logger.warning(
            f"{detector}: the data quality cannot be downloaded and is not checked ({type(error).__name__}: {error})"
        )
        return strain
    return _without_bad_seconds(detector, strain, [quality])


def stretches(strain: TimeSeries, where: np.ndarray) -> list[Span]:
    """Return the GPS times of the stretches in which ``where``, with one entry per sample, is true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(where, dtype=np.int8), [0]))))
    first, rate = float(strain.span[0]), float(strain.sample_rate.value)
    return [(first + low / rate, first + high / rate) for low, high in edges.reshape(-1, 2)]


def _described(path: Path) -> File:
    """Read the description of a file."""
    import h5py

    with h5py.File(path, "r") as file:
        strain = file["strain/Strain"]
        name = file["meta/Detector"][()]
        return File(
            path,
            name.decode() if isinstance(name, bytes) else str(name),
            float(strain.attrs["Xstart"]),
            # A rate is a whole number, but its inverse in the file may be rounded.
            float(np.round(1 / float(strain.attrs["Xspacing"]), 6)),
            int(strain.shape[0]),
        )


def _joined(files: Sequence[File], start: float, end: float) -> TimeSeries:
    """Join the strain of files of one detector and rate, from the first to the last available sample of the stretch."""
    import h5py
    from gwpy.timeseries import StateVector, TimeSeries

    detector, rate, origin = files[0].detector, files[0].rate, files[0].start
    for file in files:
        if abs((file.start - origin) * rate - round((file.start - origin) * rate)) > 1e-3:
            raise DataError(
                f"{file.path} and {files[0].path}: samples of {detector} are shifted by a fraction of a sample and cannot be "
                "joined: leave one of the files out"
            )
    low = int(np.ceil((max(start, min(file.start for file in files)) - origin) * rate - 1e-6))
    high = int(np.floor((min(end, max(file.end for file in files)) - origin) * rate + 1e-6))
    values = np.full(max(high - low, 0), np.nan)
    qualities: list[StateVector] = []
    # Read the last file by name first: its samples are not overwritten.
    for file in sorted(files, key=lambda one: one.path.name, reverse=True):
        offset = round((file.start - origin) * rate)
        first, last = max(low, offset), min(high, offset + file.samples)
        if first >= last:
            continue
        with h5py.File(file.path, "r") as opened:
            piece = np.asarray(opened["strain/Strain"][first - offset : last - offset], dtype=np.float64)
        here = values[first - low : last - low]
        here[np.isnan(here)] = piece[np.isnan(here)]
        for names in _QUALITY:
            try:
                qualities.append(StateVector.read(file.path, format="hdf5.gwosc", **names))
            except (OSError, KeyError, ValueError) as error:
                logger.warning(f"{file.path}: {names['path']} cannot be read and is not checked ({error})")
    series = TimeSeries(values, t0=origin + low / rate, sample_rate=rate, name=detector)
    return _without_bad_seconds(detector, series, qualities)


def _without_bad_seconds(detector: str, strain: TimeSeries, qualities: Iterable[StateVector]) -> TimeSeries:
    """Return the strain with not-a-number in seconds of unusable data quality; doubtful seconds are logged."""
    strain = strain.copy()
    times = np.asarray(strain.times.value)
    bad: dict[str, np.ndarray] = {}
    doubtful: dict[str, np.ndarray] = {}
    for quality in qualities:
        for known, noted in ((UNUSABLE, bad), (_DOUBTFUL, doubtful)):
            for name, words in known.items():
                missing = _seconds_without(quality, words, times)
                noted[name] = noted.get(name, np.zeros(len(times), dtype=bool)) | missing
    for name, where in bad.items():
        # A gap has no data anyway: nothing is removed there.
        if lost := stretches(strain, where & np.isfinite(strain.value)):
            logger.warning(f"{detector}: the data quality bit {name} is not set {_said(lost)}: this strain is not used")
    for name, where in doubtful.items():
        if told := stretches(strain, where & np.isfinite(strain.value)):
            logger.warning(
                f"{detector}: the data quality bit {name} is not set {_said(told)}: this strain is used nevertheless"
            )
    for where in bad.values():
        strain.value[where] = np.nan
    return strain


def _seconds_without(quality: StateVector, words: str, times: np.ndarray) -> np.ndarray:
    """Return which times are in a second without the bit of this description; none if there is no such bit."""
    bits: list[Any] = [index for index, bit in enumerate(quality.bits or ()) if bit and words in str(bit).lower()]
    if not bits:
        return np.zeros(len(times), dtype=bool)
    set_ = (np.asarray(quality.value, dtype=np.int64) >> bits[0]) & 1
    second = np.floor((times - float(quality.span[0])) / float(quality.dx.value) + 1e-9).astype(int)
    inside = (second >= 0) & (second < len(set_))
    return inside & (set_[np.clip(second, 0, len(set_) - 1)] == 0)


def _said(spans: Sequence[Span]) -> str:
    return "from " + ", ".join(f"{low:.15g} to {high:.15g}" for low, high in spans)
