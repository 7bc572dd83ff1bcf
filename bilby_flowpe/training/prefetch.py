"""Batches made ahead: simulation on one half of the cores while the network trains on the other.

Two teams of threads that each have their own cores waste less time waiting for one another than one team that does
everything in turn.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch

Item = TypeVar("Item")

_AHEAD = 4
_POLL = 0.2


class Prefetcher(Generic[Item]):
    """Calls ``make`` in a thread of its own, a few items ahead, in order.

    Parameters
    ----------
    make
        Makes the next item; nothing else may use what it uses while the thread runs.
    """

    def __init__(self, make: Callable[[], Item]) -> None:
        self._make = make
        self._ready: queue.Queue[Item | BaseException] = queue.Queue(maxsize=_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> Item:
        """The next item; what ``make`` raised is raised here."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """End the thread; items made and not taken are dropped."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                item: Item | BaseException = self._make()
            except BaseException as error:
                item = error
            while not self._stop.is_set():
                try:
                    self._ready.put(item, timeout=_POLL)
                    break
                except queue.Full:
                    continue
            if isinstance(item, BaseException):
                return


@contextmanager
def halved_threads() -> Iterator[None]:
    """Torch's operations on half of the threads they had, one at least."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // 2))
    try:
        yield
    finally:
        torch.set_num_threads(before)
