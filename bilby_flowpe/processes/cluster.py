"""Waveforms computed by the workers of a dask cluster, on one or many machines.

Rows are sent in pieces and returned in their order, so that the number of workers does not change the result. If a
worker dies, dask gives its pieces to other workers.
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

_AHEAD = 8  # pieces in progress for each worker thread: enough that no thread waits for the next one
_WAIT = 60.0  # seconds to wait for the first worker, and for an answer of the scheduler: a cluster may just be starting
# seconds between two looks at a silent cluster, and without any worker after which a run gives up
_POLL, _PATIENCE = 30.0, 1800.0


class DaskEngine:
    """An engine that evaluates a task for pieces of rows on a dask cluster.

    Parameters
    ----------
    client
        Client of the cluster.

    Raises
    ------
    ConfigurationError
        If no worker is there within a minute.
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
        """Run a function on every worker and return the results by the workers' addresses."""
        return self._client.run(function)

    def imap(self, task: Task, pieces: Iterator[Piece]) -> Iterator[TimedChunk]:
        """Evaluate ``task`` for the rows of every piece, in order.

        Raises
        ------
        SimulationError
            If the task cannot be sent, a piece kills one worker after the other, or there is no worker for a long time.
        ConfigurationError
            If a worker has different versions of the packages on which waveforms depend.
        """
        plugin = _Carrier(task)
        self._client.register_plugin(plugin)
        under_way: deque[Future[TimedChunk | None]] = deque()
        try:
            for piece in pieces:
                under_way.append(self._client.submit(_work, plugin.name, piece, pure=False))
                # Counted each time, because workers come and go.
                if len(under_way) >= _AHEAD * max(1, sum(self._client.nthreads().values())):
                    yield self._result(under_way.popleft())
            while under_way:
                yield self._result(under_way.popleft())
        finally:
            self._client.cancel(list(under_way))
            self._client.unregister_worker_plugin(plugin.name)

    def each(self, task: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """Evaluate ``task`` for every item; results come in the order in which they are ready.

        Raises
        ------
        SimulationError
            If an item kills one worker after the other.
        """
        futures = [self._client.submit(task, item, pure=False) for item in items]
        try:
            for future in as_completed(futures):
                yield self._result(future)
        finally:
            self._client.cancel(futures)

    @property
    def _address(self) -> str:
        # A started client has a scheduler, which its type hint does not tell.
        scheduler: Any = self._client.scheduler
        return str(scheduler.address)

    def _result(self, future: Future[Any]) -> Any:
        """Return the result of a piece, and wait for workers if there are none, but not forever."""
        left_at: float | None = None
        while True:
            try:
                return future.result(timeout=_POLL)
            except KilledWorker as error:
                raise SimulationError(
                    f"dask: every worker that evaluated a certain piece of rows died ({error}): see the workers' logs, and run "
                    "again; finished pieces are kept"
                ) from error
            except TimeoutError:
                if self._client.status != "running":
                    raise SimulationError(
                        f"dask: the scheduler at {self._address} is gone ({self._client.status}): start one and run again; "
                        "finished pieces are kept"
                    ) from None
                if self._client.nthreads():
                    left_at = None
                    continue
                left_at = left_at or time.monotonic()
                if time.monotonic() - left_at > _PATIENCE:
                    raise SimulationError(
                        f"dask: no worker for {_PATIENCE:.0f} s: start some and run again; finished pieces are kept"
                    ) from None
                logger.warning(f"dask: no worker is left at {self._address}: waiting for one")


class _Carrier(WorkerPlugin):
    """Sends a task to every worker, also to those that join later.

    The task is sent pickled, and each thread unpickles its own copy, because waveform generators remember their last
    call.
    """

    def __init__(self, task: Task) -> None:
        self.name = f"bilby_flowpe-{uuid.uuid4()}"
        self._versions = versions(WAVEFORMS)
        try:
            self._pickled = pickle.dumps(task)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise SimulationError(
                f"dask: the functions that make the waveforms cannot be sent to the workers ({error}): define your own "
                "functions and classes in a module that can be imported"
            ) from error
        self._tasks: dict[int, Task] = {}

    def setup(self, worker: Any) -> None:
        _carried[self.name] = self

    def teardown(self, worker: Any) -> None:
        _carried.pop(self.name, None)

    def task(self) -> Task:
        """Return this thread's copy of the task."""
        thread = threading.get_ident()
        if thread not in self._tasks:
            self._check_versions()
            try:
                self._tasks[thread] = pickle.loads(self._pickled)
            except (ImportError, AttributeError) as error:
                raise SimulationError(
                    f"dask: a worker cannot load the functions that make the waveforms ({error}): install their module there"
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
    # Without a carrier its engine has ended, and nothing waits for this piece.
    return None if carrier is None else timed(carrier.task(), piece)


@contextmanager
def dask_engine(address: str | None, npool: int) -> Iterator[DaskEngine]:
    """Start an engine on the cluster at an address, or on a local one of ``npool`` processes that ends with the context.

    Parameters
    ----------
    address
        Address of a scheduler, for example ``tcp://host:8786``.
    npool
        Number of processes of a local cluster.

    Raises
    ------
    ConfigurationError
        If no scheduler answers at the address.
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
