"""Waveforms made by the workers of a dask cluster, on this machine or on many.

Rows go out in pieces and come back in their order, so that the number of workers changes nothing. A worker that dies costs the
pieces it had: dask gives them to others.
"""

from __future__ import annotations

import pickle
import platform
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bilby.core.utils import logger

from ..errors import ConfigurationError, SimulationError
from ..storage.versions import WAVEFORMS, versions
from .parallel import Piece, Task, TimedChunk, timed

__all__ = ["DaskEngine", "dask_engine"]

try:
    from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, as_completed
except ImportError as error:
    raise ConfigurationError("dask.distributed is not installed: pip install bilby_flowpe[dask]") from error

_AHEAD = 8  # pieces a worker's thread that are under way
_WAIT = 60.0  # seconds for the first worker
_POLL, _PATIENCE = 30.0, 1800.0  # seconds between looks at a silent cluster, and without any worker


class DaskEngine:
    """Runs a task for pieces of rows on a cluster.

    Parameters
    ----------
    client
        Of a cluster.

    Raises
    ------
    ConfigurationError
        If no worker comes within a minute.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        try:
            client.wait_for_workers(1, timeout=_WAIT)
        except TimeoutError as error:
            raise ConfigurationError(
                f"dask: no worker at {self._address} within {_WAIT:.0f} s: start some (dask worker ADDRESS)"
            ) from error

    def run(self, function: Callable[[], Any]) -> dict[str, Any]:
        """What a function gives on every worker, by its address."""
        return self._client.run(function)

    def imap(self, task: Task, pieces: Iterator[Piece]) -> Iterator[TimedChunk]:
        """``task`` of the rows of every piece, in order.

        Raises
        ------
        SimulationError
            If the task cannot be sent, its pieces end one worker after the other, or no worker is left for long.
        ConfigurationError
            If a worker has other versions of the packages that waveforms depend on.
        """
        plugin = _Carrier(task)
        self._client.register_plugin(plugin)
        under_way: deque[Future[TimedChunk | None]] = deque()
        try:
            for piece in pieces:
                under_way.append(self._client.submit(_work, plugin.name, piece, pure=False))
                # Counted anew: workers come and go.
                if len(under_way) >= _AHEAD * max(1, sum(self._client.nthreads().values())):
                    yield self._result(under_way.popleft())
            while under_way:
                yield self._result(under_way.popleft())
        finally:
            self._client.cancel(list(under_way))
            self._client.unregister_worker_plugin(plugin.name)

    def each(self, task: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """``task`` of every item, as they are done.

        Raises
        ------
        SimulationError
            If workers end over an item, one after the other.
        """
        futures = [self._client.submit(task, item, pure=False) for item in items]
        try:
            for future in as_completed(futures):
                yield self._result(future)
        finally:
            self._client.cancel(futures)

    @property
    def _address(self) -> str:
        # A client that has started has a scheduler, which its own hint does not say.
        scheduler: Any = self._client.scheduler
        return str(scheduler.address)

    def _result(self, future: Future[Any]) -> Any:
        """That of a piece; a cluster without workers is waited for, but not for ever."""
        left_at: float | None = None
        while True:
            try:
                return future.result(timeout=_POLL)
            except KilledWorker as error:
                raise SimulationError(
                    f"dask: a piece of rows ended every worker that had it ({error}): see the workers' logs; run again, what "
                    "was made is kept"
                ) from error
            except TimeoutError:
                if self._client.status != "running":
                    raise SimulationError(
                        f"dask: the scheduler at {self._address} is gone ({self._client.status}): start one and run again, "
                        "what was made is kept"
                    ) from None
                if self._client.nthreads():
                    left_at = None
                    continue
                left_at = left_at or time.monotonic()
                if time.monotonic() - left_at > _PATIENCE:
                    raise SimulationError(
                        f"dask: no worker for {_PATIENCE:.0f} s: start some and run again, what was made is kept"
                    ) from None
                logger.warning(f"dask: no worker is left at {self._address}: waiting for one")


class _Carrier(WorkerPlugin):
    """Brings a task to every worker, to those that join later, too.

    It travels pickled, and each thread has its own copy: waveform generators remember their last call.
    """

    def __init__(self, task: Task) -> None:
        self.name = f"bilby_flowpe-{uuid.uuid4()}"
        self._versions = versions(WAVEFORMS)
        try:
            self._pickled = pickle.dumps(task)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise SimulationError(
                f"dask: what makes the waveforms cannot be sent to the workers ({error}): define your own functions and "
                "classes in a module that can be imported"
            ) from error
        self._tasks: dict[int, Task] = {}

    def setup(self, worker: Any) -> None:
        _carried[self.name] = self

    def teardown(self, worker: Any) -> None:
        _carried.pop(self.name, None)

    def task(self) -> Task:
        """The copy of this thread."""
        thread = threading.get_ident()
        if thread not in self._tasks:
            self._check_versions()
            try:
                self._tasks[thread] = pickle.loads(self._pickled)
            except (ImportError, AttributeError) as error:
                raise SimulationError(
                    f"dask: a worker cannot load what makes the waveforms ({error}): install the module there, too"
                ) from error
        return self._tasks[thread]

    def _check_versions(self) -> None:
        own = versions(WAVEFORMS)
        differing = [f"{key} {own[key]} (there {value})" for key, value in self._versions.items() if own[key] != value]
        if differing:
            raise ConfigurationError(
                f"dask: a worker on {platform.node()} has {', '.join(differing)}: install the same versions everywhere"
            )


_carried: dict[str, _Carrier] = {}


def _work(name: str, piece: Piece) -> TimedChunk | None:
    carrier = _carried.get(name)
    # Its engine has ended: nobody asks for this piece any more.
    return None if carrier is None else timed(carrier.task(), piece)


@contextmanager
def dask_engine(address: str | None, npool: int) -> Iterator[DaskEngine]:
    """An engine on the cluster at an address, or on one of ``npool`` processes that is started here and ended after.

    Parameters
    ----------
    address
        Of a scheduler, such as ``tcp://host:8786``.
    npool
        Processes of a cluster here.

    Raises
    ------
    ConfigurationError
        If nothing answers at the address.
    """
    if address is None:
        with (
            LocalCluster(n_workers=npool, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield DaskEngine(client)
        return
    try:
        client = Client(address, timeout=_WAIT)
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(f"dask={address!r}: no scheduler answers there ({error})") from error
    with client:
        yield DaskEngine(client)
