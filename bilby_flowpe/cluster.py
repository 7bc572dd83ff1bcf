"""Waveforms made by the workers of a dask cluster, on this machine or on many.

Rows go out in pieces and come back in their order, so that the number of workers changes nothing. A worker that dies costs the
pieces it had: dask gives them to others.
"""

from __future__ import annotations

import pickle
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import ConfigurationError
from .parallel import Piece, Task, TimedChunk, timed
from .versions import WAVEFORMS, versions

try:
    from distributed import Client, Future, LocalCluster, WorkerPlugin
except ImportError as error:
    raise ConfigurationError("dask.distributed is not installed: pip install bilby_flowpe[dask]") from error

_AHEAD = 8  # pieces a worker's thread that are under way
_WAIT = 60.0  # seconds for the first worker


class DaskEngine:
    """Runs a task for pieces of rows on a cluster.

    Parameters
    ----------
    client
        Of a cluster.

    Raises
    ------
    ConfigurationError
        If no worker comes within a minute, or one has other versions of the packages that waveforms depend on.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        try:
            client.wait_for_workers(1, timeout=_WAIT)
        except TimeoutError as error:
            raise ConfigurationError(
                f"dask: no worker at {client.scheduler.address} within {_WAIT:.0f} s: start some (dask worker ADDRESS)"
            ) from error
        own = versions(WAVEFORMS)
        for worker, others in client.run(versions, WAVEFORMS).items():
            if others != own:
                differing = {key: (others.get(key), own[key]) for key in own if others.get(key) != own[key]}
                said = ", ".join(f"{key} {there} (here {here})" for key, (there, here) in differing.items())
                raise ConfigurationError(f"dask: worker {worker} has {said}: install the same versions everywhere")

    def run(self, function: Callable[[], Any]) -> dict[str, Any]:
        """What a function gives on every worker, by its address."""
        return self._client.run(function)

    def imap(self, task: Task, pieces: Iterator[Piece]) -> Iterator[TimedChunk]:
        """``task`` of the rows of every piece, in order."""
        plugin = _Carrier(task)
        self._client.register_plugin(plugin)
        try:
            under_way: deque[Future] = deque()
            most = _AHEAD * max(1, sum(self._client.nthreads().values()))
            for piece in pieces:
                under_way.append(self._client.submit(_work, plugin.name, piece, pure=False))
                if len(under_way) >= most:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            self._client.unregister_worker_plugin(plugin.name)


class _Carrier(WorkerPlugin):
    """Brings a task to every worker, to those that join later, too.

    It travels pickled, and each thread has its own copy: waveform generators remember their last call.
    """

    def __init__(self, task: Task) -> None:
        self.name = f"bilby_flowpe-{uuid.uuid4()}"
        self._pickled = pickle.dumps(task)

    def setup(self, worker: Any) -> None:
        _carried[self.name] = self._pickled

    def teardown(self, worker: Any) -> None:
        _carried.pop(self.name, None)


_carried: dict[str, bytes] = {}
_own = threading.local()


def _work(name: str, piece: Piece) -> TimedChunk:
    if getattr(_own, "name", None) != name:
        _own.name, _own.task = name, pickle.loads(_carried[name])
    return timed(_own.task, piece)


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
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"dask={address!r}: no scheduler answers there ({error})") from error
    with client:
        yield DaskEngine(client)
