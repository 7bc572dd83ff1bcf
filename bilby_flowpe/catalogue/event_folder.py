"""The folder of one event of a catalogue: what is to be done, what was done, and what it took."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..storage.folder import write_text

_JOB, _STATE, _ROW, _LOG, _LOCK, _ATTEMPTS = "job.json", "state.json", "row.json", "log.txt", "lock", "attempts"
BEAT = 5.0
"""Seconds after which a process that works on an event writes down what it took."""
AFTERWARDS = ("map", "page", "row")
"""Stages after the analysis."""
DONE, FAILED, STARTED, WAITING, CHANGED = "done", "failed", "interrupted", "waiting", "changed"
"""What became of an event. ``changed``: its configuration is another one than its result was made with."""


@dataclass(frozen=True)
class Job:
    """What is to be done of an event.

    Attributes
    ----------
    name, kind, file, base, settings
        As of :class:`.sources.EventSource`, paths as text.
    digest
        Of configuration, files that it names, and ``sampler_kwargs``.
    stages
        Dotted name of the function that gives the stages of its analysis.
    npool
        Processes of its sampler; ``None`` for what its configuration says.
    sampler_kwargs
        Arguments of ``sampler="flowpe"`` that go before those of its configuration.
    """

    name: str
    kind: str
    file: str
    base: str
    settings: dict[str, Any]
    digest: str
    stages: str
    npool: int | None = None
    sampler_kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass
class State:
    """What was done of an event.

    Attributes
    ----------
    digest
        Of the job that it is of.
    done
        Stages that were done, and what each left: plain values.
    error
        Of the last attempt, in one line; empty without one.
    notes
        What went wrong without ending the event, by stage.
    """

    digest: str = ""
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    notes: dict[str, str] = field(default_factory=dict)


class EventFolder:
    """The folder of an event.

    Parameters
    ----------
    path
        The folder; made where it is first written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / _LOG

    @property
    def name(self) -> str:
        """Name of the event."""
        return self.path.name

    @property
    def run(self) -> Path:
        """Folder of the analysis: what bilby_pipe and Bilby write."""
        return self.path / "run"

    @property
    def page(self) -> Path:
        """Report of the event."""
        return self.path / f"{self.name}.html"

    @property
    def map(self) -> Path:
        """Sky map of the event."""
        return self.path / f"{self.name}.fits"

    @property
    def curves(self) -> Path:
        """Noise curves of the event."""
        return self.path / "curves.npz"

    def prepare(self, job: Job) -> None:
        """Write down what is to be done; an analysis of another configuration that was not finished is thrown away.

        Raises
        ------
        DataError
            If there is a result of another configuration, or a process works on another one.
        """
        if self.standing(job.digest) == CHANGED:
            raise DataError(
                f"{self.path}: the configuration of {job.name} has changed since it was run: remove this folder to run it "
                "anew, or give another outdir"
            )
        state = self.state()
        self.path.mkdir(parents=True, exist_ok=True)
        if state.digest and state.digest != job.digest:
            with self.locked() as free:
                if not free:
                    raise DataError(
                        f"{self.path}: a process works on another configuration of {job.name}: let it end first"
                    )
                shutil.rmtree(self.run, ignore_errors=True)
                self.save(State(job.digest))
        write_text(self.path / _JOB, json.dumps(asdict(job), indent=1) + "\n")

    def job(self) -> Job:
        """What is to be done."""
        return Job(**json.loads((self.path / _JOB).read_text(encoding="utf-8")))

    def state(self) -> State:
        """What was done; of a folder that is not there, or a file that was damaged, nothing."""
        try:
            return State(**json.loads((self.path / _STATE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return State()

    def save(self, state: State) -> None:
        """Write down what was done."""
        write_text(self.path / _STATE, json.dumps(asdict(state), indent=1) + "\n")

    def renew(self) -> None:
        """Take back what was made of a result, so that it is made again."""
        state = self.state()
        if "analysis" in state.done:
            state.done = {name: left for name, left in state.done.items() if name not in AFTERWARDS}
            self.save(state)

    def row(self) -> dict[str, Any] | None:
        """Row of the table, if the event is done."""
        try:
            return json.loads((self.path / _ROW).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def save_row(self, row: dict[str, Any]) -> None:
        """Write the row of the table."""
        write_text(self.path / _ROW, json.dumps(row, indent=1) + "\n")

    def result(self) -> Path | None:
        """Result file, if there is one."""
        left = self.state().done.get("analysis")
        return self.path / left["result"] if left else None

    def standing(self, digest: str | None = None) -> str:
        """What became of the event; with the digest of a job, also whether that is another one."""
        state = self.state()
        if digest is not None and "analysis" in state.done and state.digest != digest:
            return CHANGED
        if state.error:
            return FAILED
        if "row" in state.done:
            return DONE
        return STARTED if state.done or (self.path / _ATTEMPTS).is_dir() else WAITING

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the event for this process; gives whether no other has it. The end of a process frees what it held."""
        import fcntl

        with (self.path / _LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    @property
    def is_held(self) -> bool:
        """Whether a process has written down within the last seconds what it takes: it works on the event."""
        newest = max((path.stat().st_mtime for path in (self.path / _ATTEMPTS).glob("*.json")), default=0.0)
        return time.time() - newest < 3 * BEAT

    def attempt(self) -> Attempt:
        """What this process takes, written down while it runs."""
        return Attempt(self.path / _ATTEMPTS)

    def attempts(self) -> list[dict[str, Any]]:
        """Of every process that has worked on the event: ``stage``, ``cpu`` and ``wall`` in seconds, the last one last."""
        found = []
        for path in sorted((self.path / _ATTEMPTS).glob("*.json")):
            try:
                found.append(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                continue
        return found

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all processes that have worked on the event, their own processes included."""
        return float(sum(attempt["cpu"] for attempt in self.attempts()))


class Attempt:
    """What a process takes, in a file of its own.

    Parameters
    ----------
    folder
        Of all attempts.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{time.time_ns()}-{os.getpid()}.json"
        self._began = time.monotonic()
        self.stage = ""

    def write(self) -> None:
        """Write down stage and seconds until now."""
        import resource

        spent = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu = sum(one.ru_utime + one.ru_stime for one in spent)
        wall = time.monotonic() - self._began
        write_text(self._path, json.dumps({"stage": self.stage, "cpu": round(cpu, 3), "wall": round(wall, 3)}))
