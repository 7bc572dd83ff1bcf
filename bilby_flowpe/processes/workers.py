"""Worker processes that apply one function to many items.

The pool of :class:`multiprocessing.pool.Pool` has threads, one of which is busy while results arrive, and it waits
forever for a worker that was killed. Here there are no threads, the death of a worker is an error, and workers end by
themselves when their parent is gone.
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

_PATIENCE = 5.0  # seconds in which a process has to end after SIGTERM; then it is killed

_THREADED = {"jax": "JAX", "taichi": "Taichi"}
"""Packages that have threads from their first computation on, by the names of their modules."""


class Workers:
    """Running worker processes, which :func:`started` starts and ends."""

    def __init__(self, processes: dict[Connection, BaseProcess]) -> None:
        self._processes = processes

    def imap(self, items: Iterable[Any], ahead: int = 1) -> Iterator[Any]:
        """Yield the results of the workers for all items, in the order of the items.

        Parameters
        ----------
        items
            Items, taken when they are needed.
        ahead
            Items that one worker has at a time; more than one only for small items, which fit into the buffer of a
            pipe.

        Raises
        ------
        WorkerError
            If a worker is killed.
        Exception
            Any exception that a worker raised.
        """
        numbered = enumerate(items)
        under_way = dict.fromkeys(self._processes, 0)
        done: dict[int, Any] = {}
        following = 0
        for connection in [connection for _ in range(ahead) for connection in self._processes]:
            under_way[connection] += self._feed(connection, numbered)
        while busy := [connection for connection, items_there in under_way.items() if items_there]:
            # These are connections, which the type hint of wait does not tell.
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
        """Send the next item, if there is one, and return how many were sent."""
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
            f"a worker process ended before its work was done (exit code {process.exitcode}; -9 often means that the machine "
            "ran out of memory): use fewer processes (npool), or find out what ended it"
        )


@contextmanager
def started(npool: int, work: Callable[[Any], Any], initialise: Callable[[Any], None], given: Any) -> Iterator[Workers]:
    """Start workers, give an object to each, and let them process items; signals are deferred during start and end.

    Parameters
    ----------
    npool
        Number of processes.
    work
        Function of one item.
    initialise
        Function that each worker calls first, with ``given``.
    given
        Object for all workers: a forked process inherits it, other processes receive it pickled.
    """
    _warn_of_threads(tuple(name for module, name in _THREADED.items() if module in sys.modules))
    processes: dict[Connection, BaseProcess] = {}
    try:
        # An exception that a signal handler raises in the middle of a fork would be lost.
        with deferred():
            for _ in range(npool):
                ours, theirs = multiprocessing.Pipe()
                # A forked worker with the parent's ends of the pipes would not notice the parent's death.
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
                # A signal in the first moments of a process may be lost.
                process.join(_PATIENCE)
                if process.is_alive():
                    process.kill()
                    process.join()


@cache
def _warn_of_threads(names: tuple[str, ...]) -> None:
    """Warn once that forked processes may wait forever for threads that they do not have."""
    if names and multiprocessing.get_start_method() == "fork":
        logger.warning(
            f"{' and '.join(names)} is loaded, and a forked process does not have its threads: if the likelihood uses it, "
            "worker processes may wait forever. Use npool=1 then"
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
    if "torch" in sys.modules:
        # A forked process would wait forever for the threads with which its parent has computed.
        sys.modules["torch"].set_num_threads(1)
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
    """Pickle number, value and error; an error that cannot be unpickled is replaced by its text."""
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
