"""Parallel evaluation of one function for many parameter rows, with bounded memory; for whole events see :mod:`.events`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from tqdm.auto import tqdm

from ..storage.ledger import Chunk, check, current, forget_current, key_of
from .workers import started

Row = dict[str, float]
"""Parameters of one signal by name, fixed ones included."""

Task = Callable[[Row], np.ndarray | None]
"""Picklable function of one row, which returns ``None`` if it has no value; a method ``many`` takes many rows at once."""

Progress = str | Callable[[int], None] | None
"""Title of a progress bar, or a function that is called with the number of finished rows; ``None`` for neither."""

Piece = tuple[int, Sequence[Row]]
"""Index of the first row, and some consecutive rows."""

TimedChunk = tuple[int, Chunk, float]
"""Index of the first row, values, and the seconds that they took."""


class Engine(Protocol):
    """Evaluates a task for many pieces of rows, for example on a cluster."""

    def imap(self, task: Task, pieces: Iterator[Piece]) -> Iterator[TimedChunk]:
        """Evaluate ``task`` for the rows of every piece, in their order."""


CHUNK = 64
"""Rows in a chunk, which one process evaluates at once: so many that sending them takes little time beside evaluating them."""
# name of the seed in a row, which no parameter has, and its range: whole numbers that a float holds exactly
_SEED, _LARGEST_SEED = "seed of this row", 2**53
_given: Any = None  # the task of a worker process, and its rows if it has them

Packed = tuple[np.ndarray, np.ndarray]
"""Flags of the rows of a chunk that have a value, and these values."""


def make_rows(fixed: Row, columns: Mapping[str, np.ndarray]) -> list[Row]:
    """Make one dictionary for each draw, fixed parameters included, as Bilby's own functions expect."""
    plain = {key: value.tolist() for key, value in columns.items()}
    size = len(next(iter(plain.values())))
    return [{**fixed, **{key: column[i] for key, column in plain.items()}} for i in range(size)]


def with_seeds(rows: Sequence[Row], rng: np.random.Generator) -> list[Row]:
    """Add a seed to each row, for tasks that draw: the draws of a row do not depend on the process."""
    return [{**row, _SEED: seed} for row, seed in zip(rows, rng.random(len(rows)).tolist(), strict=True)]


def seeded(row: Row) -> tuple[np.random.Generator, Row]:
    """Return the random generator of a row, and the row without its seed."""
    row = dict(row)
    return np.random.default_rng(int(row.pop(_SEED) * _LARGEST_SEED)), row


def evaluate(
    task: Task, rows: Sequence[Row], npool: int | Engine = 1, progress: Progress = None
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate ``task`` for every row.

    Parameters
    ----------
    task
        Returns arrays of a single shape.
    rows
        Rows of parameters.
    npool
        Number of processes, or an engine that evaluates the task elsewhere.
    progress
        Title of a progress bar, or a function that is called with the number of rows as they finish; without it,
        nothing is shown.

    Returns
    -------
    values, good
        Arrays of the rows that have a value, (M, ...), empty if there are none, and a mask of these rows, (N,) bool.
    """
    good = np.zeros(len(rows), dtype=bool)
    values: np.ndarray | None = None
    filled = 0
    title = progress if isinstance(progress, str) else None
    with tqdm(total=len(rows), desc=title, disable=title is None, unit="row", smoothing=0) as bar:
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
            if callable(progress):
                progress(len(results))
    return (np.empty((0,)) if values is None else values[:filled]), good


def _remembered(task: Task, rows: Sequence[Row], npool: int | Engine) -> Iterator[tuple[int, Chunk]]:
    """Yield all chunks in their order; those that were evaluated before an interruption come from the ledger."""
    ledger, starts = current(), range(0, len(rows), CHUNK)
    if ledger is None:
        for start, results, _ in _chunks(task, rows, starts, npool):
            yield start, results
        return
    known: dict[int, Chunk] = {}
    if len(ledger):
        for start in starts:
            piece = rows[start : start + CHUNK]
            if (kept := ledger.find(key_of(task, piece))) is not None:
                check(task, piece, kept)
                known[start] = kept
    coming = _chunks(task, rows, [start for start in starts if start not in known], npool)
    for start in starts:
        if start in known:
            yield start, known.pop(start)
            continue
        _, results, seconds = next(coming)
        if ledger.worth(results, seconds):
            ledger.keep(key_of(task, rows[start : start + CHUNK]), results)
        yield start, results


def _chunks(task: Task, rows: Sequence[Row], starts: Sequence[int], npool: int | Engine) -> Iterator[TimedChunk]:
    pieces = ((start, rows[start : start + CHUNK]) for start in starts)
    if not isinstance(npool, int):
        yield from npool.imap(task, pieces)
        return
    if npool <= 1 or len(starts) <= 1:
        yield from (timed(task, piece) for piece in pieces)
        return
    # A forked worker has the rows; only the index of a chunk and one array are exchanged.
    with started(npool, _work, _initialise, (task, rows)) as workers:
        for start, packed, seconds in workers.imap(starts, ahead=2):
            yield start, _unpacked(packed), seconds


def _initialise(given: Any) -> None:
    global _given
    settle()
    _given = given


def settle() -> None:
    """Set a worker's signal handlers, and detach it from its parent's ledger."""
    # A forked worker inherits its parent's handlers; Bilby's would ignore the SIGTERM that has to end the worker.
    for name, handler in (("SIGTERM", signal.SIG_DFL), ("SIGALRM", signal.SIG_DFL), ("SIGINT", signal.SIG_IGN)):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)
    forget_current()


def _work(start: int) -> tuple[int, Packed, float]:
    task, rows = _given
    _, results, seconds = timed(task, (start, rows[start : start + CHUNK]))
    return start, _packed(results), seconds


def _packed(chunk: Chunk) -> Packed:
    return np.array([value is not None for value in chunk]), np.array([value for value in chunk if value is not None])


def _unpacked(packed: Packed) -> Chunk:
    good, stored = packed
    # Iteration over values without a shape gives scalars.
    values = iter(stored)
    return [np.asarray(next(values)) if there else None for there in good]


def timed(task: Task, piece: Piece) -> TimedChunk:
    """Evaluate ``task`` for every row of a piece, by its method ``many`` if it has one, and measure the time."""
    start, rows = piece
    began = time.perf_counter()
    many = getattr(task, "many", None)
    results = [task(row) for row in rows] if many is None else many(rows)
    return start, results, time.perf_counter() - began
