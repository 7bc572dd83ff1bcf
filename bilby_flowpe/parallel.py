"""One function of many things, in parallel: of parameter rows within bounded memory, or of whole events."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from tqdm.auto import tqdm

from .errors import FlowPEError
from .interruption import deferred
from .ledger import Chunk, check, current, forget_current, key_of

Row = dict[str, float]
"""All parameters of one signal, fixed ones included."""

Item, Done = TypeVar("Item"), TypeVar("Done")

Task = Callable[[Row], np.ndarray | None]
"""Picklable function of one row; ``None`` where it has no value. With a method ``many``, of many rows at once."""

Piece = tuple[int, Sequence[Row]]
"""Number of the first row, and some rows."""

TimedChunk = tuple[int, Chunk, float]
"""Number of the first row, values, and the seconds that they took."""


class Engine(Protocol):
    """Runs a task for many pieces of rows elsewhere."""

    def imap(self, task: Task, pieces: Iterator[Piece]) -> Iterator[TimedChunk]:
        """``task`` of the rows of every piece, in their order."""


_CHUNK = 64
_SEED, _LARGEST_SEED = "seed of this row", 2**53  # a name that no parameter has
_worker_task: Callable[[Any], Any] | None = None


def make_rows(fixed: Row, columns: Mapping[str, np.ndarray]) -> list[Row]:
    """One dictionary a draw, fixed parameters included: what Bilby's own functions take."""
    plain = {key: value.tolist() for key, value in columns.items()}
    size = len(next(iter(plain.values())))
    return [{**fixed, **{key: column[i] for key, column in plain.items()}} for i in range(size)]


def with_seeds(rows: Sequence[Row], rng: np.random.Generator) -> list[Row]:
    """Rows with a seed each, for tasks that draw: whichever process has a row, it draws the same."""
    return [{**row, _SEED: seed} for row, seed in zip(rows, rng.random(len(rows)).tolist(), strict=True)]


def seeded(row: Row) -> tuple[np.random.Generator, Row]:
    """A row's own generator, and the row without its seed."""
    row = dict(row)
    return np.random.default_rng(int(row.pop(_SEED) * _LARGEST_SEED)), row


def evaluate(
    task: Task, rows: Sequence[Row], npool: int | Engine = 1, progress: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """``task`` of every row.

    Parameters
    ----------
    task
        Gives arrays of one shape.
    rows
        Parameters.
    npool
        Number of processes, or what runs the task elsewhere.
    progress
        Title of the progress bar; none is shown when left out.

    Returns
    -------
    values, good
        Arrays of the rows that have a value, (M, ...), empty if there are none, and which rows these are, (N,) bool.
    """
    good = np.zeros(len(rows), dtype=bool)
    values: np.ndarray | None = None
    filled = 0
    with tqdm(total=len(rows), desc=progress, disable=progress is None, unit="row", smoothing=0) as bar:
        for start, results in _remembered(task, rows, npool):
            for offset, result in enumerate(results):
                if result is None:
                    continue
                if values is None:
                    values = np.empty((len(rows), *result.shape), dtype=result.dtype)
                values[filled] = result
                good[start + offset] = True
                filled += 1
            bar.update(len(results))
    return (np.empty((0,)) if values is None else values[:filled]), good


def each(task: Callable[[Item], Done], items: Iterable[Item], npool: int = 1) -> Iterator[Done]:
    """``task`` of every item, in their order, as they come; with several processes the task is sent to each but once.

    Torch keeps to one thread meanwhile: a forked process that starts others may hang, and one is to give what several do.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if npool <= 1:
            yield from map(task, items)
            return
        with _pool(npool, _initialise_one, task) as pool:
            yield from pool.imap(_work_one, items)
    finally:
        torch.set_num_threads(threads)


def _initialise_one(task: Callable[[Any], Any]) -> None:
    torch.set_num_threads(1)
    _initialise(task)


def _remembered(task: Task, rows: Sequence[Row], npool: int | Engine) -> Iterator[tuple[int, Chunk]]:
    """All chunks in their order, those that were evaluated before an interruption from the ledger."""
    ledger, starts = current(), range(0, len(rows), _CHUNK)
    if ledger is None:
        for start, results, _ in _chunks(task, rows, starts, npool):
            yield start, results
        return
    known: dict[int, Chunk] = {}
    if len(ledger):
        for start in starts:
            piece = rows[start : start + _CHUNK]
            if (results := ledger.find(key_of(task, piece))) is not None:
                check(task, piece, results)
                known[start] = results
    coming = _chunks(task, rows, [start for start in starts if start not in known], npool)
    for start in starts:
        if start in known:
            yield start, known.pop(start)
            continue
        _, results, seconds = next(coming)
        if ledger.worth(results, seconds):
            ledger.keep(key_of(task, rows[start : start + _CHUNK]), results)
        yield start, results


def _chunks(task: Task, rows: Sequence[Row], starts: Sequence[int], npool: int | Engine) -> Iterator[TimedChunk]:
    pieces = ((start, rows[start : start + _CHUNK]) for start in starts)
    if not isinstance(npool, int):
        yield from npool.imap(task, pieces)
        return
    if npool <= 1 or len(starts) <= 1:
        yield from (timed(task, piece) for piece in pieces)
        return
    with _pool(npool, _initialise, task) as pool:
        yield from pool.imap(_work, pieces)


@contextmanager
def _pool(npool: int, initialise: Callable[..., None], task: Callable[[Any], Any]) -> Iterator[Any]:
    """Worker processes; a signal waits while they are forked or ended, where what its handler raises would be lost."""
    with deferred():
        pool = multiprocessing.Pool(npool, initializer=initialise, initargs=(task,))
    try:
        yield pool
    finally:
        with deferred():
            pool.terminate()
            pool.join()


def _initialise(task: Callable[[Any], Any]) -> None:
    global _worker_task
    # A forked worker has its parent's handlers, and Bilby's pass over the SIGTERM that closes the pool: it would never end.
    for name, handler in (("SIGTERM", signal.SIG_DFL), ("SIGALRM", signal.SIG_DFL), ("SIGINT", signal.SIG_IGN)):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)
    _worker_task = task
    forget_current()


def _work_one(item: Any) -> Any:
    if _worker_task is None:
        raise FlowPEError("a worker process was started without its task")
    return _worker_task(item)


def _work(piece: Piece) -> TimedChunk:
    if _worker_task is None:
        raise FlowPEError("a worker process was started without its task")
    return timed(_worker_task, piece)


def timed(task: Task, piece: Piece) -> TimedChunk:
    """``task`` of every row of a piece, by its ``many`` where it has one."""
    start, rows = piece
    began = time.perf_counter()
    many = getattr(task, "many", None)
    results = [task(row) for row in rows] if many is None else many(rows)
    return start, results, time.perf_counter() - began
