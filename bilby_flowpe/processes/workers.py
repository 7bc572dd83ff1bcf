"""Processes that do one thing to many items.

:class:`multiprocessing.pool.Pool` has threads of its own, one of which turns in a circle while results come in, and waits for
ever for a worker that was killed. Here there is no thread, a worker's death is an error, and workers whose parent is gone end
by themselves.
"""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

from bilby.core.utils import logger

from ..errors import WorkerError
from ..storage.interruption import deferred

_PATIENCE = 5.0  # seconds for a process to end

_THREADED = {"jax": "JAX"}
"""Packages that have threads from their first computation on, by the names of their modules."""


class Workers:
    """Started processes; :func:`started` makes and ends them."""

    def __init__(self, processes: dict[Connection, BaseProcess]) -> None:
        self._processes = processes

    def imap(self, items: Iterable[Any], ahead: int = 1) -> Iterator[Any]:
        """What the workers make of every item, in the items' order.

        Parameters
        ----------
        items
            Asked for as they are needed.
        ahead
            Items that one worker has at a time; more than one for small items alone, which a pipe takes at once.

        Raises
        ------
        WorkerError
            If a worker is killed.
        Exception
            Whatever a worker raised.
        """
        numbered = enumerate(items)
        under_way = dict.fromkeys(self._processes, 0)
        done: dict[int, Any] = {}
        following = 0
        for connection in [connection for _ in range(ahead) for connection in self._processes]:
            under_way[connection] += self._feed(connection, numbered)
        while busy := [connection for connection, items_there in under_way.items() if items_there]:
            # Of the connections waited for, which wait's own hint does not say.
            ready: list[Any] = wait(busy)
            for connection in ready:
                number, value, error = self._received(connection)
                under_way[connection] += self._feed(connection, numbered) - 1
                if error is not None:
                    raise error
                done[number] = value
                while following in done:
                    yield done.pop(following)
                    following += 1

    def _feed(self, connection: Connection, numbered: Iterator[tuple[int, Any]]) -> int:
        """Send the next item, if there is one; how many were sent."""
        following = next(numbered, None)
        if following is None:
            return 0
        try:
            connection.send(following)
        except OSError as error:
            raise self._death(connection) from error
        return 1

    def _received(self, connection: Connection) -> tuple[int, Any, Exception | None]:
        try:
            answer = connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._death(connection) from error
        number, value, error_there = pickle.loads(answer)
        return number, value, error_there

    def _death(self, connection: Connection) -> WorkerError:
        process = self._processes[connection]
        process.join(1.0)
        return WorkerError(
            f"a worker process ended before its work did (exit code {process.exitcode}; -9 is what a machine does that has "
            "no memory left): use fewer processes (npool), or find what killed it"
        )


@contextmanager
def started(npool: int, work: Callable[[Any], Any], initialise: Callable[[Any], None], given: Any) -> Iterator[Workers]:
    """Workers that were given something once and do some work on what comes; a signal waits while they are started or ended.

    Parameters
    ----------
    npool
        Number of processes.
    work
        Of an item.
    initialise
        Called first, with ``given``.
    given
        A forked process has it as it is, others are sent it.
    """
    _warn_of_threads(tuple(name for module, name in _THREADED.items() if module in sys.modules))
    processes: dict[Connection, BaseProcess] = {}
    try:
        # What a signal's handler raises in the middle of a fork is lost.
        with deferred():
            for _ in range(npool):
                ours, theirs = multiprocessing.Pipe()
                # A forked worker that kept the parent's ends of the pipes would not notice that the parent is gone.
                forked = multiprocessing.get_start_method() == "fork"
                inherited = [ours, *processes] if forked else []
                process: BaseProcess = multiprocessing.Process(
                    target=_serve, args=(theirs, inherited, work, initialise, given), daemon=True
                )
                process.start()
                theirs.close()
                processes[ours] = process
        yield Workers(processes)
    finally:
        with deferred():
            for connection, process in processes.items():
                process.terminate()
                connection.close()
            for process in processes.values():
                # A signal that comes in a process's first moments may be lost.
                process.join(_PATIENCE)
                if process.is_alive():
                    process.kill()
                    process.join()


@cache
def _warn_of_threads(names: tuple[str, ...]) -> None:
    """Say once that forked processes may wait for ever for threads that they do not have."""
    if names and multiprocessing.get_start_method() == "fork":
        logger.warning(
            f"{' and '.join(names)} is loaded, whose threads a forked process does not have: where the likelihood uses it, "
            "worker processes may wait for ever. Use npool=1, or multiprocessing.set_start_method('spawn') before the run"
        )


def _serve(
    connection: Connection,
    inherited: list[Connection],
    work: Callable[[Any], Any],
    initialise: Callable[[Any], None],
    given: Any,
) -> None:
    for other in inherited:
        other.close()
    initialise(given)
    while True:
        try:
            number, item = connection.recv()
        except (EOFError, OSError):
            return
        answer = _answer(number, work, item)
        try:
            connection.send_bytes(answer)
        except OSError:
            return


def _answer(number: int, work: Callable[[Any], Any], item: Any) -> bytes:
    """Number, value and error, pickled; an error that cannot be made again on the other side goes as its text."""
    value, error = None, None
    try:
        value = work(item)
    except Exception as raised:
        raised.add_note(f"In a worker process:\n{traceback.format_exc()}")
        error = raised
    try:
        answer = bytes(ForkingPickler.dumps((number, value, error)))
        if error is not None:
            pickle.loads(answer)
        return answer
    except Exception as failed:
        problem = error or failed
        where = "".join(traceback.format_exception(problem))
        told = WorkerError(f"{type(problem).__name__} in a worker process: {problem}\n{where}")
        return bytes(ForkingPickler.dumps((number, None, told)))
