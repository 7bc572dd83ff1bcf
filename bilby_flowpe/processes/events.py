"""Parallel evaluation of one function for whole events, used to measure networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch

from .parallel import settle
from .workers import started

Item = TypeVar("Item")
Done = TypeVar("Done")

_task: Any = None  # the task of a worker process


def each(task: Callable[[Item], Done], items: Iterable[Item], npool: int = 1) -> Iterator[Done]:
    """Evaluate ``task`` for every item, in order; several processes receive the task only once.

    Torch uses a single thread meanwhile, because a forked process that starts further threads may hang. The results are
    the same for any number of processes.
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
