"""One function of whole events, in parallel: what networks are measured with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch

from .parallel import settle
from .workers import started

Item = TypeVar("Item")
Done = TypeVar("Done")

_task: Any = None  # a worker's


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
        with started(npool, _work, _initialise, task) as workers:
            yield from workers.imap(items)
    finally:
        torch.set_num_threads(threads)


def _initialise(given: Any) -> None:
    global _task
    torch.set_num_threads(1)
    settle()
    _task = given


def _work(item: Any) -> Any:
    return _task(item)
