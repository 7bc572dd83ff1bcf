"""The process of one event: ``python -m bilby_flowpe.catalogue.child FOLDER`` does all stages that are not done.

It reads its job from the event's folder and writes there which stages are done. If the process that started it has ended, it
ends as after a signal. In all cases, a stage that is done is not repeated, and an interrupted analysis continues with the
likelihood evaluations that were kept.
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
"""Exit code of a process that was interrupted and can continue, as in bilby_pipe."""
ELSEWHERE = 78
"""Exit code of a process that found another process working on the event; any number that nothing else uses."""
# Largest number of characters of an error in the table, to keep its lines readable.
_LONGEST = 300


@dataclass(frozen=True)
class Stage:
    """A stage of the work on an event, which is done once.

    Attributes
    ----------
    name
        Name of the stage.
    work
        Function that does the work; it takes the values that earlier stages returned, and returns plain values to keep.
    needed
        Tells whether the event has failed if the stage fails; the failure of another stage is noted, and the stage repeated
        next time.
    """

    name: str
    work: Callable[[dict[str, dict[str, Any]]], dict[str, Any]]
    needed: bool = True


def main(folder: Path) -> int:
    """Do all stages of an event that are not done; return 0, 1 after an error, :data:`INTERRUPTED` or :data:`ELSEWHERE`."""
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
    """Do the stages that are not done, and return the exit code."""
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
        # The argument parser of bilby_pipe has printed the error.
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
    """End the process as bilby_pipe does, so that open files are closed."""
    sys.exit(INTERRUPTED)


def _watch(attempt: Attempt) -> None:
    """Write down the time used so far, and end this process when the process that started it has ended."""
    while True:
        ready, _, _ = select.select([0], [], [], BEAT)
        if ready and not os.read(0, 1):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        attempt.write()


def _said(error: BaseException) -> str:
    """Return an error as one line of text."""
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
