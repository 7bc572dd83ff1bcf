"""Signals that wait until what must not be cut in two is done."""

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
    """Keep signals that ask for an end waiting; the first of them is delivered, to whoever handles it, on leaving.

    Yields
    ------
    callable
        Whether one has come. In threads other than the main one none ever does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []
    # A handler that was not set from Python could not be put back.
    before = {number: handler for number in _CAUGHT if (handler := signal.getsignal(number)) is not None}
    owner = os.getpid()

    def wait(number: int, frame: object) -> None:
        if os.getpid() == owner:
            came.append(number)
            return
        # A process forked in the meantime, before it has handlers of its own: what is sent to it is to end it.
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
