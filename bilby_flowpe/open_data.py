"""Strain and data quality of the Gravitational Wave Open Science Center, from files or fetched.

Which detector, which times and which sampling rate a file holds is read from its content; names of files mean nothing,
but that of several versions of the same data the last one by name counts (``V2`` after ``V1``). Samples that no file
has, and seconds that the data quality calls unusable, are not-a-number (NaN) in what is returned.
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
"""Bits without which a second is not used, and the words by which their descriptions are known: no data, or data that
the search for compact binaries calls bad beyond use."""
_DOUBTFUL = {"CBC_CAT2": "cbc cat2", "NO_CBC_HW_INJ": "no cbc injections"}  # told, and used all the same
_QUALITY = (
    {"path": "quality/simple", "value_dataset": "DQmask", "bits_dataset": "DQDescriptions"},
    {"path": "quality/injections", "value_dataset": "Injmask", "bits_dataset": "InjDescriptions"},
)
_KINDS = ("*.hdf5", "*.h5")

Span = tuple[float, float]
"""First and last GPS time in seconds."""


@dataclass(frozen=True)
class File:
    """A file of strain.

    Attributes
    ----------
    path
        Where it is.
    detector
        Whose strain it holds, by its own description.
    start
        GPS time of the first sample in seconds.
    rate
        Sampling rate in Hz.
    samples
        Their number.
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
    """All strain files of a folder, and what the others are that could have been some, in words.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder: name the one that holds the strain files")
    found, others = [], []
    for path in sorted(path for kind in _KINDS for path in Path(folder).glob(kind)):
        try:
            found.append(_described(path))
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            others.append(f"{path.name} cannot be read as strain of the open science center ({error})")
    return found, others


def from_files(detector: str, start: float, end: float, folder: str | Path, sample_rate: float = 4096) -> TimeSeries:
    """Strain of a detector between two GPS times, from all files of a folder that have some of it.

    Parameters
    ----------
    detector
        ``"H1"``, ``"L1"``, ``"V1"`` ...
    start, end
        In seconds.
    folder
        With the files.
    sample_rate
        In Hz: of several rates, that with the most of the wanted data is read, and of equal ones that which is nearest to this.

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
        what = f"its strain files are of {', '.join(held)}" if held else "no file there is one of strain"
        raise DataError(f"{folder}: no strain of {detector}: {what}{aside}")
    overlapping = [file for file in mine if file.start < end and file.end > start]
    if not overlapping:
        spans = ", ".join(f"{file.start:.15g} to {file.end:.15g}" for file in mine)
        raise DataError(
            f"{folder}: no file of {detector} has data between {start:.15g} and {end:.15g}, only from {spans}{aside}"
        )
    by_rate: dict[float, list[File]] = {}
    for file in overlapping:
        by_rate.setdefault(file.rate, []).append(file)
    joined = [_joined(chosen, start, end) for chosen in by_rate.values()]
    return max(
        joined,
        key=lambda series: (
            np.isfinite(series.value).mean() * float(series.duration.value),
            -abs(float(series.sample_rate.value) - sample_rate),
        ),
    )


def fetched(detector: str, start: float, end: float, sample_rate: int = 4096) -> TimeSeries:
    """Strain of a detector between two GPS times, fetched by gwpy.

    Raises
    ------
    DataError
        If it cannot be.
    """
    from gwpy.timeseries import StateVector, TimeSeries

    try:
        strain = TimeSeries.fetch_open_data(detector, start, end, sample_rate=sample_rate)
    except Exception as error:  # of the many kinds that a network has
        raise DataError(
            f"the public strain of {detector} from {start} to {end} cannot be fetched ({type(error).__name__}: {error}): "
            "download it from gwosc.org and name its folder"
        ) from error
    try:
        quality = StateVector.fetch_open_data(detector, start, end)
    except Exception as error:
        logger.warning(
            f"{detector}: data quality cannot be fetched and is not looked at ({type(error).__name__}: {error})"
        )
        return strain
    return _without_bad_seconds(detector, strain, [quality])


def stretches(strain: TimeSeries, where: np.ndarray) -> list[Span]:
    """GPS times of the stretches in which ``where``, one entry a sample, is true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(where, dtype=np.int8), [0]))))
    first, rate = float(strain.span[0]), float(strain.sample_rate.value)
    return [(first + low / rate, first + high / rate) for low, high in edges.reshape(-1, 2)]


def _described(path: Path) -> File:
    """What a file says of itself."""
    import h5py

    with h5py.File(path, "r") as file:
        strain = file["strain/Strain"]
        name = file["meta/Detector"][()]
        return File(
            path,
            name.decode() if isinstance(name, bytes) else str(name),
            float(strain.attrs["Xstart"]),
            # A rate is a whole number; its inverse in the file need not be exact.
            float(np.round(1 / float(strain.attrs["Xspacing"]), 6)),
            int(strain.shape[0]),
        )


def _joined(files: Sequence[File], start: float, end: float) -> TimeSeries:
    """Strain of files of one detector and rate, from the first to the last sample of the wanted stretch that there is."""
    import h5py
    from gwpy.timeseries import StateVector, TimeSeries

    detector, rate, origin = files[0].detector, files[0].rate, files[0].start
    for file in files:
        if abs((file.start - origin) * rate - round((file.start - origin) * rate)) > 1e-3:
            raise DataError(
                f"{file.path} and {files[0].path}: samples of {detector} are a part of a sample apart and cannot be joined: "
                "leave one of them out"
            )
    low = int(np.ceil((max(start, min(file.start for file in files)) - origin) * rate - 1e-6))
    high = int(np.floor((min(end, max(file.end for file in files)) - origin) * rate + 1e-6))
    values = np.full(max(high - low, 0), np.nan)
    qualities: list[StateVector] = []
    # The last by name first: what it has is not overwritten.
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
                logger.warning(f"{file.path}: {names['path']} cannot be read and is not looked at ({error})")
    series = TimeSeries(values, t0=origin + low / rate, sample_rate=rate, name=detector)
    return _without_bad_seconds(detector, series, qualities)


def _without_bad_seconds(detector: str, strain: TimeSeries, qualities: Iterable[StateVector]) -> TimeSeries:
    """The strain with not-a-number in seconds that the data quality calls unusable; what it calls doubtful is logged."""
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
        # A gap has no data by itself: nothing is taken away.
        if lost := stretches(strain, where & np.isfinite(strain.value)):
            logger.warning(f"{detector}: the data quality bit {name} is not set {_said(lost)}: not used")
    for name, where in doubtful.items():
        if told := stretches(strain, where & np.isfinite(strain.value)):
            logger.warning(f"{detector}: the data quality bit {name} is not set {_said(told)}: used all the same")
    for where in bad.values():
        strain.value[where] = np.nan
    return strain


def _seconds_without(quality: StateVector, words: str, times: np.ndarray) -> np.ndarray:
    """Which times lie in a second in which the bit of this description is not set; none where there is no such bit."""
    bits: list[Any] = [index for index, bit in enumerate(quality.bits or ()) if bit and words in str(bit).lower()]
    if not bits:
        return np.zeros(len(times), dtype=bool)
    set_ = (np.asarray(quality.value, dtype=np.int64) >> bits[0]) & 1
    second = np.floor((times - float(quality.span[0])) / float(quality.dx.value) + 1e-9).astype(int)
    inside = (second >= 0) & (second < len(set_))
    return inside & (set_[np.clip(second, 0, len(set_) - 1)] == 0)


def _said(spans: Sequence[Span]) -> str:
    return "from " + ", ".join(f"{low:.15g} to {high:.15g}" for low, high in spans)
