"""Signals that are deferred until a critical piece of work is done."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = ("SIGINT", "SIGTERM", "SIGALRM")
_CAUGHT = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Defer signals that ask the process to end; the first of them is raised when the context ends.

    Yields
    ------
    callable
        Returns whether a signal has come. In threads other than the main one there are none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []
    # A handler that was not set from Python could not be restored.
    before = {number: handler for number in _CAUGHT if (handler := signal.getsignal(number)) is not None}
    owner = os.getpid()

    def wait(number: int, frame: object) -> None:
        if os.getpid() == owner:
            came.append(number)
            return
        # This is a process forked in the meantime, without its own handlers yet: a signal to it has to end it.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in before:
        signal.signal(number, wait)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
