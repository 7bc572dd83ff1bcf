"""The folder of one event of a catalogue: its job, the stages that are done, and the time used."""

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

LOG = "log.txt"
"""Name of an event's log in its folder."""
_JOB, _STATE, _ROW, _LOCK, _ATTEMPTS = "job.json", "state.json", "row.json", "lock", "attempts"
BEAT = 5.0
"""Seconds after which a process that works on an event writes down the time used so far."""
AFTERWARDS = ("map", "page", "row")
"""Names of the stages after the analysis."""
DONE, FAILED, STARTED, WAITING, CHANGED = "done", "failed", "interrupted", "waiting", "changed"
"""States of an event. ``changed``: its result was made with another configuration than the present one."""


@dataclass(frozen=True)
class Job:
    """Description of the work on an event.

    Attributes
    ----------
    name, kind, file, base, settings
        Attributes of :class:`.sources.EventSource`, with paths as text.
    digest
        Digest of the configuration, the files that it names, and ``sampler_kwargs``.
    stages
        Dotted name of the function that returns the stages of its analysis.
    npool
        Number of processes of its sampler; ``None``: as its configuration says.
    sampler_kwargs
        Arguments of ``sampler="flowpe"`` that replace those of its configuration.
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
    """Progress of the work on an event.

    Attributes
    ----------
    digest
        Digest of the job.
    done
        Stages that are done, and the plain values that each returned.
    error
        Error of the last attempt, in one line; empty if there was none.
    notes
        Errors of stages whose failure does not fail the event, by stage.
    """

    digest: str = ""
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    notes: dict[str, str] = field(default_factory=dict)


class EventFolder:
    """The folder of an event of a catalogue.

    Parameters
    ----------
    path
        Path of the folder, which is made when the first file is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / LOG

    @property
    def name(self) -> str:
        """Name of the event."""
        return self.path.name

    @property
    def run(self) -> Path:
        """Folder of the analysis, with the files of bilby_pipe and Bilby."""
        return self.path / "run"

    @property
    def page(self) -> Path:
        """Report on the event, an HTML page."""
        return self.path / f"{self.name}.html"

    @property
    def map(self) -> Path:
        """Sky map of the event, a FITS file."""
        return self.path / f"{self.name}.fits"

    @property
    def curves(self) -> Path:
        """Noise PSDs of the event, a NumPy file."""
        return self.path / "curves.npz"

    def prepare(self, job: Job) -> None:
        """Write down the job; an unfinished analysis of another configuration is removed.

        Raises
        ------
        DataError
            If there is a result of another configuration, or a process is working on another one.
        """
        if self.standing(job.digest) == CHANGED:
            raise DataError(
                f"{self.path}: the configuration of {job.name} has changed since it was run: remove this folder to run it "
                "again, or give another outdir"
            )
        state = self.state()
        self.path.mkdir(parents=True, exist_ok=True)
        if state.digest and state.digest != job.digest:
            with self.locked() as free:
                if not free:
                    raise DataError(
                        f"{self.path}: a process is working on another configuration of {job.name}: let it end first"
                    )
                shutil.rmtree(self.run, ignore_errors=True)
                self.save(State(job.digest))
        write_text(self.path / _JOB, json.dumps(asdict(job), indent=1) + "\n")

    def job(self) -> Job:
        """Return the job of the event."""
        return Job(**json.loads((self.path / _JOB).read_text(encoding="utf-8")))

    def state(self) -> State:
        """Return the progress; no progress if the folder is missing or the file is damaged."""
        try:
            return State(**json.loads((self.path / _STATE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return State()

    def save(self, state: State) -> None:
        """Write down the progress."""
        write_text(self.path / _STATE, json.dumps(asdict(state), indent=1) + "\n")

    def renew(self) -> None:
        """Mark the stages after the analysis as not done, so that they are repeated."""
        state = self.state()
        if "analysis" in state.done:
            state.done = {name: left for name, left in state.done.items() if name not in AFTERWARDS}
            self.save(state)

    def row(self) -> dict[str, Any] | None:
        """Return the row of the table, if the event is done."""
        try:
            return json.loads((self.path / _ROW).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def save_row(self, row: dict[str, Any]) -> None:
        """Write the row of the table to its file."""
        write_text(self.path / _ROW, json.dumps(row, indent=1) + "\n")

    def result(self) -> Path | None:
        """Return the path of the result file, if there is one."""
        left = self.state().done.get("analysis")
        return self.path / left["result"] if left else None

    def standing(self, digest: str | None = None) -> str:
        """Return the state of the event; with the digest of a job, also whether the configuration has changed."""
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
        """Lock the event for this process, and tell whether that was possible; the lock ends with the process."""
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
        """Tells whether a process is working on the event: it has written down its time within the last seconds."""
        newest = max((path.stat().st_mtime for path in (self.path / _ATTEMPTS).glob("*.json")), default=0.0)
        return time.time() - newest < 3 * BEAT

    def attempt(self) -> Attempt:
        """Return a record of the time that this process uses, written while it runs."""
        return Attempt(self.path / _ATTEMPTS)

    def attempts(self) -> list[dict[str, Any]]:
        """Return ``stage``, ``cpu`` and ``wall`` in seconds of every process that worked on the event, the last one last."""
        found = []
        for path in sorted((self.path / _ATTEMPTS).glob("*.json")):
            try:
                found.append(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                continue
        return found

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all processes that have worked on the event, including the processes that they started."""
        return float(sum(attempt["cpu"] for attempt in self.attempts()))


class Attempt:
    """Record of the time that a process uses, in a file of its own.

    Parameters
    ----------
    folder
        Folder of all attempts.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{time.time_ns()}-{os.getpid()}.json"
        self._began = time.monotonic()
        self.stage = ""

    def write(self) -> None:
        """Write down the stage and the seconds used until now."""
        import resource

        spent = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu = sum(one.ru_utime + one.ru_stime for one in spent)
        wall = time.monotonic() - self._began
        write_text(self._path, json.dumps({"stage": self.stage, "cpu": round(cpu, 3), "wall": round(wall, 3)}))
