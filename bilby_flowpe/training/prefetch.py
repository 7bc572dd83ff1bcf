"""Batches made ahead: one half of the cores simulates while the network trains on the other half.

Two teams of threads with their own cores waste less time waiting for each other than one team that alternates between
the two tasks.
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
"""Batches made ahead: enough that the training rarely waits for a slow one, few enough to need little memory."""

_POLL = 0.2  # Seconds between two looks whether the thread is to end while its queue is full; closing may take as long.


class Prefetcher(Generic[Item]):
    """Calls ``make`` in a separate thread, a few items ahead, in order.

    Parameters
    ----------
    make
        Makes the next item; nothing else may use its objects while the thread runs.
    """

    def __init__(self, make: Callable[[], Item]) -> None:
        self._make = make
        self._ready: queue.Queue[Item | BaseException] = queue.Queue(maxsize=_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> Item:
        """Return the next item, or raise the exception that ``make`` raised."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """End the thread and drop the items that were not taken."""
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
    """Let torch's operations use half of their threads, but at least one."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // 2))
    try:
        yield
    finally:
        torch.set_num_threads(before)
