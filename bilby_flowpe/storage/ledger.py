"""Waveforms and likelihoods that were paid for, kept until they are no longer needed: a run that was interrupted goes on.

A run is the same from the start whenever its seed is: it asks for the same rows in the same order. What it evaluated before it
was interrupted is therefore looked up, and all else, the network's draws and the fits of a refinement, is done again, which
takes seconds. The answer is the one that the run would have had.

Rows are kept a chunk at a time, under the SHA-256 of the task's name and the rows' numbers, in files that are written every
half a minute and when an exception, a signal's too, ends the work. Evaluations that take no longer than looking them up are not
kept. One row of every chunk that is looked up is evaluated anew: where it has another value, the likelihood is another one, all
that was kept is thrown away, and the run starts anew.
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
"""Values of the rows of a chunk, ``None`` where there is none."""

_EVERY = 30.0
_DAMAGED = (OSError, ValueError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_WORTH = 5e-5  # seconds a row: what it takes to keep one and to find it again
_TOLERANCE = 1e-9  # of a value made twice by the same code
_MOST_BUFFERED, _SPARE = 2**27, 2**31  # bytes in memory, and bytes that are left free on a disk
_HEADER, _FORMAT = "ledger.json", 1
_current: ContextVar[Ledger | None] = ContextVar("ledger", default=None)
_finished: set[Path] = set()


class StaleLedger(Exception):
    """What was kept has other values now."""


class Ledger:
    """What was evaluated, in a folder.

    Parameters
    ----------
    folder
        Written to when there is something to keep.
    resume
        ``False`` throws away what is there.
    identity
        Of the likelihood (:func:`bilby_flowpe.storage.identity.identity_of`); what is there of another one is thrown away.
    keeps
        ``False`` keeps nothing, and throws away what is there: for a likelihood without an identity.

    Attributes
    ----------
    seed : int or None
        Of the run that it belongs to, for one that is asked for none.
    """

    def __init__(self, folder: Path, resume: bool = True, identity: str | None = None, keeps: bool = True) -> None:
        # In full: a script may change its folder.
        self.folder = folder = folder.absolute()
        self.identity = identity
        self.seed: int | None = None
        self._index: dict[str, tuple[Path, int]] = {}
        self._loaded: tuple[Path, list[Chunk]] | None = None
        self._buffer: list[tuple[str, Chunk]] = []
        self._buffered, self._flushed, self._broken = 0, time.monotonic(), not keeps
        # A run of this process that ended has no more use for its own.
        if not resume or not keeps or folder in _finished:
            self.clear()
        elif folder.is_dir():
            self._read_index()

    def __len__(self) -> int:
        return len(self._index)

    def find(self, key: str) -> Chunk | None:
        """Values of a chunk, if they were kept."""
        if key not in self._index:
            return None
        path, place = self._index[key]
        if self._loaded is None or self._loaded[0] != path:
            try:
                self._loaded = path, _read(path)[1]
            except _DAMAGED as error:
                logger.warning(f"{path} cannot be read ({error}): evaluated anew")
                self._index = {key: where for key, where in self._index.items() if where[0] != path}
                return None
        return self._loaded[1][place]

    def worth(self, chunk: Chunk, seconds: float) -> bool:
        """Whether a chunk that took so long is to be kept."""
        return not self._broken and seconds >= _WORTH * len(chunk)

    def keep(self, key: str, chunk: Chunk) -> None:
        """Keep a chunk, and write what there is from time to time."""
        self._buffer.append((key, chunk))
        self._buffered += sum(value.nbytes for value in chunk if value is not None)
        if time.monotonic() - self._flushed > _EVERY or self._buffered > _MOST_BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Write what is not yet written; where that cannot be, it is said, and no more is kept."""
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
                f"What was evaluated cannot be kept in {self.folder} ({error}): a run that is interrupted will start anew"
            )
        self._buffer, self._buffered, self._flushed = [], 0, time.monotonic()

    def clear(self) -> None:
        """Throw away what was kept, but not the seed."""
        self._index, self._loaded, self._buffer, self._buffered = {}, None, [], 0
        there = self.folder.is_dir()
        shutil.rmtree(self.folder, ignore_errors=True)
        _finished.discard(self.folder)
        if there and self.seed is not None and not self._broken:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._write_header()
            except OSError as error:
                logger.warning(f"{self.folder} cannot be written ({error}): a run that is interrupted will start anew")

    def finish(self) -> None:
        """The result is made; once it is saved, when the process ends well, nothing of this is needed."""
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
                raise ValueError("it is of a likelihood with other code or other data")
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning(f"{self.folder} cannot be gone on with ({error}): starting anew")
            self.seed = None
            self.clear()
            return
        for leftover in self.folder.glob("*.tmp"):
            # Another run under this label may be writing.
            number = leftover.name.split(".")[-2]
            if not (number.isdigit() and alive(int(number))):
                leftover.unlink(missing_ok=True)
        for path in sorted(self.folder.glob("*.npz")):
            try:
                keys = _read(path, keys_alone=True)[0]
            except _DAMAGED as error:
                logger.warning(f"{path} cannot be read ({error}): evaluated anew")
                continue
            self._index |= {key: (path, place) for place, key in enumerate(keys)}


def current() -> Ledger | None:
    """Where evaluations are kept now, if anywhere."""
    return _current.get()


def forget_current() -> None:
    """For a worker process: what it evaluates its parent keeps."""
    _current.set(None)


def remembering(ledger: Ledger, work: Callable[[], Done]) -> Done:
    """Do some work with its evaluations kept, whatever ends it; anew where the ledger turns out to be another problem's."""
    token = _current.set(ledger)
    try:
        if len(ledger):
            logger.info(f"Going on with what an interrupted run left in {ledger.folder}")
        try:
            return work()
        except StaleLedger as stale:
            logger.warning(f"{stale}: what an interrupted run left in {ledger.folder} is not used, starting anew")
            ledger.clear()
            return work()
    finally:
        _current.reset(token)
        # A second signal is not to cost what the first one left.
        with deferred():
            ledger.flush()


def key_of(task: Any, rows: Sequence[Mapping[str, float]]) -> str:
    """Digest of a chunk: of the task's name and the rows' numbers."""
    kind = type(task)
    digest = hashlib.sha256(f"{kind.__module__}.{kind.__qualname__} {list(rows[0])}".encode())
    digest.update(np.array([list(row.values()) for row in rows], dtype=np.float64).tobytes())
    return digest.hexdigest()


def check(task: Callable[[Any], np.ndarray | None], rows: Sequence[Any], chunk: Chunk) -> None:
    """Evaluate a few rows of a chunk anew: the first with a value, that of the largest, and one without.

    Raises
    ------
    StaleLedger
        If it is not what was kept.
    """
    known = {index: value for index, value in enumerate(chunk) if value is not None}
    places = {*list(known)[:1], *[index for index, value in enumerate(chunk) if value is None][:1]}
    if known:
        # Where most of the weight is, a change that is felt is most likely to be.
        places.add(max(known, key=lambda index: float(np.nan_to_num(np.ravel(known[index])[0].real, nan=-np.inf))))
    for place in sorted(places):
        _check_row(task, rows[place], chunk[place])


def _check_row(task: Callable[[Any], np.ndarray | None], row: Any, kept: np.ndarray | None) -> None:
    made = task(row)
    if made is None and kept is None:
        return
    if made is not None and kept is not None and made.shape == kept.shape:
        # Zero likelihoods are infinite, and equal.
        size = np.max(np.abs(kept), where=np.isfinite(kept), initial=0.0)
        with np.errstate(invalid="ignore"):
            same = (np.abs(made - kept) <= _TOLERANCE * size) | (made == kept)
        if np.all(same):
            return
    raise StaleLedger(f"{type(task).__name__} has another value at {dict(row)} than before")


def _write(path: Path, chunks: list[tuple[str, Chunk]]) -> None:
    """One file for each shape of values, whole or not at all."""
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
    # Of values without a shape iteration gives scalars.
    values = iter(stored)
    return keys, [[np.asarray(next(values)) if there else None for there in part] for part in parts]


@atexit.register
def _tidy() -> None:
    """Remove what runs that ended well kept; an exception on the way out may have cost their results."""
    if getattr(sys, "last_type", None) is None:
        for folder in _finished:
            shutil.rmtree(folder, ignore_errors=True)
