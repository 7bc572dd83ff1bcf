"""Signals that wait."""

from __future__ import annotations

import signal
import threading

import pytest

from bilby_flowpe.storage.interruption import deferred


class Came(Exception):
    pass


@pytest.fixture
def handled():
    def handler(number, frame):
        raise Came(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield handler
    for number, old in before.items():
        signal.signal(number, old)


def test_a_signal_waits_and_is_delivered(handled) -> None:
    done = []
    with pytest.raises(Came, match=str(int(signal.SIGTERM))), deferred() as came:
        assert not came()
        signal.raise_signal(signal.SIGTERM)
        # Bilby's pool and a scheduler may send another: one is enough.
        signal.raise_signal(signal.SIGALRM)
        assert came()
        done.append(1)
    assert done == [1]
    assert signal.getsignal(signal.SIGTERM) is handled


def test_nothing_came(handled) -> None:
    with deferred() as came:
        pass
    assert not came()
    assert signal.getsignal(signal.SIGALRM) is handled


def test_an_error_of_the_work_is_not_lost(handled) -> None:
    with pytest.raises(ValueError, match="mine"), deferred():
        raise ValueError("mine")
    with pytest.raises(Came) as info, deferred():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("mine")
    assert isinstance(info.value.__context__, ValueError)


def test_the_default_interrupt() -> None:
    # A run of Bilby's that an exception ended leaves its own handler behind.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        interrupt()
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), deferred():
        signal.raise_signal(signal.SIGINT)


def test_other_threads_are_left_alone(handled) -> None:
    seen = []

    def work() -> None:
        with deferred() as came:
            seen.append(came())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
