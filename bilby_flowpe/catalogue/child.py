"""The process of one event: ``python -m bilby_flowpe.catalogue.child FOLDER``, stage after stage, from where it was left.

It reads what is to be done from the event's folder and writes there what was done. Where the process that started it is gone,
it ends itself as a signal would end it. Whatever ends it, a stage that was done is not done again, and an analysis goes on from
the evaluations that were kept.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .event_folder import BEAT, Attempt, EventFolder, Job, State

INTERRUPTED = 77
"""Exit code of a process that was interrupted and can go on: the one of bilby_pipe."""
ELSEWHERE = 78
"""Exit code where another process works on the event."""
_LONGEST = 300  # characters of an error in the table


@dataclass(frozen=True)
class Stage:
    """A stage of the work on an event, done once.

    Attributes
    ----------
    name
        Of the stage.
    work
        Does it: given what the stages before it left, plain values to be left.
    needed
        Whether the event has failed where it fails; what else fails is noted, and done again next time.
    """

    name: str
    work: Callable[[dict[str, dict[str, Any]]], dict[str, Any]]
    needed: bool = True


def main(folder: Path) -> int:
    """Do what is left to do of an event; the exit code: 0, 1 after an error, :data:`INTERRUPTED` or :data:`ELSEWHERE`."""
    event = EventFolder(folder)
    with event.locked() as free:
        if not free:
            return ELSEWHERE
        attempt = event.attempt()
        attempt.write()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
        threading.Thread(target=_watch, args=(attempt,), daemon=True).start()
        try:
            return work(event, event.job(), attempt)
        finally:
            attempt.write()


def work(event: EventFolder, job: Job, attempt: Attempt) -> int:
    """Do the stages that are not done."""
    state = event.state()
    state.digest, state.error, state.notes = job.digest, "", {}
    event.save(state)
    module, _, function = job.stages.rpartition(".")
    try:
        for stage in getattr(import_module(module), function)(event, job):
            try:
                _do(event, state, attempt, stage)
            except Exception as error:
                if stage.needed:
                    raise
                state.notes[stage.name] = _said(error)
                event.save(state)
    except SystemExit as left:
        if left.code == INTERRUPTED:
            return INTERRUPTED
        # argparse, of bilby_pipe: it has printed what is wrong.
        state.error = f"{attempt.stage}: {_last_line(event.log) or f'exit code {left.code}'}"[:_LONGEST]
    except Exception as error:
        import traceback

        traceback.print_exc()
        state.error = f"{attempt.stage}: {_said(error)}"[:_LONGEST]
    event.save(state)
    return 1 if state.error else 0


def _do(event: EventFolder, state: State, attempt: Attempt, stage: Stage) -> None:
    if stage.name in state.done:
        return
    attempt.stage = stage.name
    attempt.write()
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {event.name}: {stage.name}", flush=True)
    state.done[stage.name] = stage.work(state.done)
    event.save(state)


def _leave(number: int, frame: object) -> None:
    """Leave as bilby_pipe does, so that what is open is closed on the way out."""
    sys.exit(INTERRUPTED)


def _watch(attempt: Attempt) -> None:
    """Write down what it takes, and end this process when nobody holds the other end of its input any more."""
    while True:
        ready, _, _ = select.select([0], [], [], BEAT)
        if ready and not os.read(0, 1):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        attempt.write()


def _said(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _last_line(log: Path) -> str:
    try:
        lines = [
            line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
    except OSError:
        return ""
    return lines[-1] if lines else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
