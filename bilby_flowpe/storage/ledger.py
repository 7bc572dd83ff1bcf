"""Ledger of evaluated waveforms and likelihoods, with which an interrupted run can be resumed.

With the same seed, a run asks for the same rows in the same order. After an interruption, evaluations are therefore
looked up, and everything else, draws of the network and fits of a refinement, is repeated, which takes seconds. The
result is the same as without the interruption.

Rows are kept in chunks, under the SHA-256 of the task's name and the rows' numbers. Files are written every half
minute, and when an exception or a signal ends the work. Evaluations that are as fast as looking them up are not kept. A
few rows of every chunk that is looked up are evaluated again: if a value differs, the likelihood has changed, all that
was kept is deleted, and the run starts from the beginning.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from bilby.core.utils import logger

from .folder import alive, write_text
from .interruption import deferred

Done = TypeVar("Done")

Chunk = list[np.ndarray | None]
"""Values of the rows of a chunk, ``None`` for rows without a value."""

_EVERY = 30.0
"""Seconds between two writes: an interruption loses at most so much work, and writing takes little time beside it."""

_DAMAGED = (OSError, ValueError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_WORTH = 5e-5  # seconds per row that keeping and finding it takes: faster evaluations are not kept
_TOLERANCE = 1e-9  # relative difference within which two evaluations of a row by the same code count as equal
# largest number of bytes kept in memory, and bytes that must remain free on a disk
_MOST_BUFFERED, _SPARE = 2**27, 2**31
_HEADER, _FORMAT = "ledger.json", 1
_current: ContextVar[Ledger | None] = ContextVar("ledger", default=None)
_finished: set[Path] = set()


class StaleLedger(Exception):
    """A kept evaluation has a different value now."""


class Ledger:
    """Evaluations of a run, kept in a folder.

    Parameters
    ----------
    folder
        The folder, which is made when there is something to keep.
    resume
        ``False`` deletes what an earlier run left there.
    identity
        Digest of the likelihood (:func:`bilby_flowpe.storage.identity.identity_of`); evaluations of a different one are
        deleted.
    keeps
        ``False`` keeps nothing, and deletes what is there: for a likelihood without an identity.

    Attributes
    ----------
    seed : int or None
        Seed of the run to which the evaluations belong, used by a run without a seed.
    """

    def __init__(self, folder: Path, resume: bool = True, identity: str | None = None, keeps: bool = True) -> None:
        # As an absolute path, because a script may change its folder.
        self.folder = folder = folder.absolute()
        self.identity = identity
        self.seed: int | None = None
        self._index: dict[str, tuple[Path, int]] = {}
        self._loaded: tuple[Path, list[Chunk]] | None = None
        self._buffer: list[tuple[str, Chunk]] = []
        self._buffered, self._flushed, self._broken = 0, time.monotonic(), not keeps
        # A finished run of this process does not need its evaluations any more.
        if not resume or not keeps or folder in _finished:
            self.clear()
        elif folder.is_dir():
            self._read_index()

    def __len__(self) -> int:
        return len(self._index)

    def find(self, key: str) -> Chunk | None:
        """Return the values of a chunk if they were kept, ``None`` otherwise."""
        if key not in self._index:
            return None
        path, place = self._index[key]
        if self._loaded is None or self._loaded[0] != path:
            try:
                self._loaded = path, _read(path)[1]
            except _DAMAGED as error:
                logger.warning(f"{path} cannot be read ({error}): its rows are evaluated again")
                self._index = {key: where for key, where in self._index.items() if where[0] != path}
                return None
        return self._loaded[1][place]

    def worth(self, chunk: Chunk, seconds: float) -> bool:
        """Return whether a chunk took so long that it should be kept."""
        return not self._broken and seconds >= _WORTH * len(chunk)

    def keep(self, key: str, chunk: Chunk) -> None:
        """Keep a chunk; chunks are written to disk from time to time."""
        self._buffer.append((key, chunk))
        self._buffered += sum(value.nbytes for value in chunk if value is not None)
        if time.monotonic() - self._flushed > _EVERY or self._buffered > _MOST_BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Write all chunks in memory to disk; if that fails, warn and keep no more."""
        if not self._buffer or self._broken:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < self._buffered + _SPARE:
                raise OSError(f"less than {_SPARE / 2**30:.0f} GiB would be left on the disk")
            self._write_header()
            _write(self.folder / f"{time.time_ns()}.npz", self._buffer)
        except OSError as error:
            self._broken = True
            logger.warning(
                f"Evaluations cannot be kept in {self.folder} ({error}): if this run is interrupted, it cannot be resumed"
            )
        self._buffer, self._buffered, self._flushed = [], 0, time.monotonic()

    def clear(self) -> None:
        """Delete all kept evaluations, but not the seed."""
        self._index, self._loaded, self._buffer, self._buffered = {}, None, [], 0
        there = self.folder.is_dir()
        shutil.rmtree(self.folder, ignore_errors=True)
        _finished.discard(self.folder)
        if there and self.seed is not None and not self._broken:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._write_header()
            except OSError as error:
                logger.warning(
                    f"{self.folder} cannot be written ({error}): if this run is interrupted, it cannot be resumed"
                )

    def finish(self) -> None:
        """Mark the run as finished: once the process ends without an error, its evaluations are deleted."""
        self.flush()
        if self.folder.is_dir():
            _finished.add(self.folder)

    def _write_header(self) -> None:
        write_text(self.folder / _HEADER, json.dumps({"format": _FORMAT, "seed": self.seed, "identity": self.identity}))

    def _read_index(self) -> None:
        try:
            header = json.loads((self.folder / _HEADER).read_text(encoding="utf-8"))
            if header["format"] != _FORMAT:
                raise ValueError(f"format {header['format']!r}")
            self.seed = None if header["seed"] is None else int(header["seed"])
            if header.get("identity") != self.identity:
                raise ValueError("they are of a likelihood with other code or other data")
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning(
                f"The evaluations in {self.folder} cannot be used ({error}): the run starts from the beginning"
            )
            self.seed = None
            self.clear()
            return
        for leftover in self.folder.glob("*.tmp"):
            # Another run with this label may be writing.
            number = leftover.name.split(".")[-2]
            if not (number.isdigit() and alive(int(number))):
                leftover.unlink(missing_ok=True)
        for path in sorted(self.folder.glob("*.npz")):
            try:
                keys = _read(path, keys_alone=True)[0]
            except _DAMAGED as error:
                logger.warning(f"{path} cannot be read ({error}): its rows are evaluated again")
                continue
            self._index |= {key: (path, place) for place, key in enumerate(keys)}


def current() -> Ledger | None:
    """Return the ledger in use, ``None`` if there is none."""
    return _current.get()


def forget_current() -> None:
    """Use no ledger in this worker process, because its parent keeps the evaluations."""
    _current.set(None)


def remembering(ledger: Ledger, work: Callable[[], Done]) -> Done:
    """Do some work with its evaluations kept, even if it is interrupted; start again if the ledger is of another problem."""
    token = _current.set(ledger)
    try:
        if len(ledger):
            logger.info(f"Resuming an interrupted run with its evaluations in {ledger.folder}")
        try:
            return work()
        except StaleLedger as stale:
            logger.warning(
                f"{stale}: the evaluations of an interrupted run in {ledger.folder} are not used, and the run starts again"
            )
            ledger.clear()
            return work()
    finally:
        _current.reset(token)
        # A second signal must not destroy what the first one left.
        with deferred():
            ledger.flush()


def key_of(task: Any, rows: Sequence[Mapping[str, float]]) -> str:
    """Return the digest of a chunk, from the task's name and the rows' numbers."""
    kind = type(task)
    digest = hashlib.sha256(f"{kind.__module__}.{kind.__qualname__} {list(rows[0])}".encode())
    digest.update(np.array([list(row.values()) for row in rows], dtype=np.float64).tobytes())
    return digest.hexdigest()


def check(task: Callable[[Any], np.ndarray | None], rows: Sequence[Any], chunk: Chunk) -> None:
    """Evaluate a few rows of a chunk again: the first one with a value, that of the largest value, and one without a value.

    Raises
    ------
    StaleLedger
        If a value differs from the kept one.
    """
    known = {index: value for index, value in enumerate(chunk) if value is not None}
    places = {*list(known)[:1], *[index for index, value in enumerate(chunk) if value is None][:1]}
    if known:
        # A change of the likelihood is most likely to be visible where most of the weight is.
        places.add(max(known, key=lambda index: float(np.nan_to_num(np.ravel(known[index])[0].real, nan=-np.inf))))
    for place in sorted(places):
        _check_row(task, rows[place], chunk[place])


def _check_row(task: Callable[[Any], np.ndarray | None], row: Any, kept: np.ndarray | None) -> None:
    made = task(row)
    if made is None and kept is None:
        return
    if made is not None and kept is not None and made.shape == kept.shape:
        # Zero likelihoods have infinite logarithms, which are equal.
        size = np.max(np.abs(kept), where=np.isfinite(kept), initial=0.0)
        with np.errstate(invalid="ignore"):
            same = (np.abs(made - kept) <= _TOLERANCE * size) | (made == kept)
        if np.all(same):
            return
    raise StaleLedger(f"{type(task).__name__} has another value than before at {dict(row)}")


def _write(path: Path, chunks: list[tuple[str, Chunk]]) -> None:
    """Write one file for each shape of values, completely or not at all."""
    shapes: dict[Any, list[tuple[str, Chunk]]] = {}
    for key, chunk in chunks:
        first = next((value for value in chunk if value is not None), None)
        shapes.setdefault(None if first is None else (first.shape, first.dtype), []).append((key, chunk))
    for number, alike in enumerate(shapes.values()):
        good = [np.array([value is not None for value in chunk]) for _, chunk in alike]
        values = [value for _, chunk in alike for value in chunk if value is not None]
        temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(
                file,
                keys=np.array([key for key, _ in alike]),
                sizes=np.array([len(part) for part in good]),
                good=np.concatenate(good),
                values=np.stack(values) if values else np.empty(0),
            )
        temporary.replace(path.with_name(f"{path.stem}_{number}.npz"))


def _read(path: Path, keys_alone: bool = False) -> tuple[list[str], list[Chunk]]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        keys = [str(key) for key in file["keys"]]
        if keys_alone:
            return keys, []
        good, stored = file["good"], file["values"]
        parts = np.split(good, np.cumsum(file["sizes"])[:-1])
    if len(parts) != len(keys) or np.count_nonzero(good) != len(stored):
        raise ValueError("numbers of keys, rows and values do not agree")
    # Iteration over values without a shape gives scalars.
    values = iter(stored)
    return keys, [[np.asarray(next(values)) if there else None for there in part] for part in parts]


@atexit.register
def _tidy() -> None:
    """Delete evaluations of finished runs, except after an exception, which may have prevented saving the results."""
    if getattr(sys, "last_type", None) is None:
        for folder in _finished:
            shutil.rmtree(folder, ignore_errors=True)
