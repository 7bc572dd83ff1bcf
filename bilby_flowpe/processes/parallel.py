"""One function of many parameter rows, in parallel and within bounded memory; of whole events :mod:`.events` has one."""

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
"""All parameters of one signal, fixed ones included."""

Task = Callable[[Row], np.ndarray | None]
"""Picklable function of one row; ``None`` where it has no value. With a method ``many``, of many rows at once."""

Progress = str | Callable[[int], None] | None
"""Title of a progress bar, or what is told of every few rows that are done; ``None`` for neither."""

Piece = tuple[int, Sequence[Row]]
"""Number of the first row, and some rows."""

TimedChunk = tuple[int, Chunk, float]
"""Number of the first row, values, and the seconds that they took."""


class Engine(Protocol):
    """Runs a task for many pieces of rows elsewhere."""

    def imap(self, task: Task, pieces: Iterator[Piece]) -> Iterator[TimedChunk]:
        """``task`` of the rows of every piece, in their order."""


CHUNK = 64
"""Rows that a process evaluates at once."""
_SEED, _LARGEST_SEED = "seed of this row", 2**53  # a name that no parameter has
_given: Any = None  # a worker's task, and the rows where it has them

Packed = tuple[np.ndarray, np.ndarray]
"""Which rows of a chunk have a value, and these values."""


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
    task: Task, rows: Sequence[Row], npool: int | Engine = 1, progress: Progress = None
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
        Title of the progress bar, or what is told the number of rows as they are done; nothing is shown when left out.

    Returns
    -------
    values, good
        Arrays of the rows that have a value, (M, ...), empty if there are none, and which rows these are, (N,) bool.
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
    """All chunks in their order, those that were evaluated before an interruption from the ledger."""
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
    # A forked worker has the rows; what goes to and fro is where a chunk begins, and one array.
    with started(npool, _work, _initialise, (task, rows)) as workers:
        for start, packed, seconds in workers.imap(starts, ahead=2):
            yield start, _unpacked(packed), seconds


def _initialise(given: Any) -> None:
    global _given
    settle()
    _given = given


def settle() -> None:
    """Put a worker's signals in order, and let it forget its parent's ledger."""
    # A forked worker has its parent's handlers, and Bilby's pass over the SIGTERM that ends it: it never would.
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
    # Of values without a shape iteration gives scalars.
    values = iter(stored)
    return [np.asarray(next(values)) if there else None for there in good]


def timed(task: Task, piece: Piece) -> TimedChunk:
    """``task`` of every row of a piece, by its ``many`` where it has one."""
    start, rows = piece
    began = time.perf_counter()
    many = getattr(task, "many", None)
    results = [task(row) for row in rows] if many is None else many(rows)
    return start, results, time.perf_counter() - began
