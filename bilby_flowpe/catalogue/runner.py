"""Run all events of a catalogue, one process each, on this machine or a dask cluster; finished events are not repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from .child import ELSEWHERE, INTERRUPTED
from .event_folder import CHANGED, DONE, EventFolder, Job
from .sources import PIPE, STRAIN, EventSource, find_events, with_arguments
from .table import Entry, entry_of, write_page, write_table

STAGES = {PIPE: "bilby_flowpe.catalogue.pipe.stages", STRAIN: "bilby_flowpe.catalogue.strain.stages"}
"""Dotted name of the function that returns the stages of an analysis, by the kind of event."""
# Seconds between two looks at a process: short beside a stage, long beside the cost of a look.
_LOOK = 0.1
# Seconds that a process has to write down its evaluations after it is asked to end; then it is killed.
_PATIENCE = 120.0
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_EVENTS = "events"


@dataclass(frozen=True)
class Planned:
    """An event, its folder, and the job planned there."""

    source: EventSource
    event: EventFolder
    job: Job

    @property
    def standing(self) -> str:
        """State of the event so far."""
        return self.event.standing(self.job.digest)


def plan(
    where: Path,
    outdir: Path,
    base: Path | None = None,
    npool: int | None = None,
    sampler_kwargs: Mapping[str, Any] | None = None,
    stages: Mapping[str, str] | None = None,
) -> list[Planned]:
    """Plan the work on every event of a folder of configurations.

    Parameters
    ----------
    where
        Folder of the configurations, or one file.
    outdir
        Folder of the catalogue.
    base
        Folder to which file names in a configuration are relative; by default the folder of the configuration.
    npool
        Number of processes for each event; by default as its configuration says.
    sampler_kwargs
        Arguments of ``sampler="flowpe"``, which replace those of the configurations.
    stages
        Dotted name of the function that returns the stages of an analysis, by kind of event; by default :data:`STAGES`.
    """
    given = dict(sampler_kwargs or {})
    planned = []
    for source in find_events(where, base):
        digest = with_arguments(source.digest, given)
        kind = (stages or STAGES)[source.kind]
        file, folder = str(source.file), str(source.base)
        job = Job(source.name, source.kind, file, folder, source.settings, digest, kind, npool, given)
        planned.append(Planned(source, EventFolder(outdir.resolve() / _EVENTS / source.name), job))
    return planned


class Interruption:
    """A request to end, in the form of a file, which processes on other machines see, too.

    Parameters
    ----------
    outdir
        Folder of the catalogue.
    """

    def __init__(self, outdir: Path) -> None:
        self.path = outdir / f".stop-{uuid.uuid4().hex}"

    @property
    def asked(self) -> bool:
        """Tells whether the end was requested."""
        return self.path.exists()

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        """Request the end on SIGINT and SIGTERM; a second signal acts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: object) -> None:
            self.path.touch()
            for each, handler in before.items():
                signal.signal(each, handler)

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Watched:
    """Runner of one event's process, from its start to its end; it can be pickled.

    Attributes
    ----------
    stop
        File whose existence requests the end.
    """

    stop: Path

    def __call__(self, folder: Path) -> str:
        """Run the process of an event, and return the event's name."""
        event = EventFolder(folder)
        if self.stop.exists():
            return event.name
        with (
            event.log.open("ab") as log,
            subprocess.Popen(
                [sys.executable, "-m", "bilby_flowpe.catalogue.child", str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Signals of the terminal go to this process only, which passes them on.
                start_new_session=True,
                env={**os.environ, **dict.fromkeys(_THREADS, "1"), "MPLBACKEND": "Agg"},
            ) as process,
        ):
            code = self._waited(process)
        state = event.state()
        if code < 0 and not state.error and not self.stop.exists():
            state.error = f"its process was ended by signal {-code} ({signal.strsignal(-code)}): see {event.log.name}"
            event.save(state)
        elif code not in (0, 1, INTERRUPTED, ELSEWHERE) and code > 0:
            state.error = f"its process ended with exit code {code}: see {event.log.name}"
            event.save(state)
        return event.name

    def _waited(self, process: subprocess.Popen[bytes]) -> int:
        asked_at: float | None = None
        while True:
            try:
                return process.wait(_LOOK)
            except subprocess.TimeoutExpired:
                if asked_at is None and self.stop.exists():
                    process.terminate()
                    asked_at = time.monotonic()
                elif asked_at is not None and time.monotonic() - asked_at > _PATIENCE:
                    process.kill()


def here(jobs: int) -> Callable[[Callable[[Path], str], Sequence[Path]], Iterator[str]]:
    """Return a function that runs so many events at the same time on this machine, and yields each when it is done."""

    def each(task: Callable[[Path], str], folders: Sequence[Path]) -> Iterator[str]:
        with ThreadPoolExecutor(jobs) as threads:
            for future in as_completed([threads.submit(task, folder) for folder in folders]):
                yield future.result()

    return each


def run_catalogue(
    planned: Sequence[Planned],
    outdir: Path,
    each: Callable[[Callable[[Path], str], Sequence[Path]], Iterator[str]],
    told: Callable[[Entry], None] | None = None,
) -> tuple[list[Entry], bool]:
    """Do all that is left to do for every event; table and page are written whenever an event ends.

    Parameters
    ----------
    planned
        The events.
    outdir
        Folder of the catalogue.
    each
        Function that runs events: of :func:`here`, or the method ``each`` of a dask engine.
    told
        Function that is called with each event when its process has ended.

    Returns
    -------
    entries, interrupted
        The events as they stand, and whether an end was requested.
    """
    outdir.mkdir(parents=True, exist_ok=True)
    digests = {one.event.name: one.job.digest for one in planned}
    entries = {one.event.name: entry_of(one.event, one.job.digest) for one in planned}
    events = {one.event.name: one.event for one in planned}
    left = []
    for one in planned:
        if one.standing in (DONE, CHANGED) and not one.event.state().notes:
            continue
        try:
            one.event.prepare(one.job)
        except DataError:
            continue
        left.append(one.event.path)
    stop = Interruption(outdir.resolve())
    with stop.by_signals():
        for name in each(Watched(stop.path), left):
            entries[name] = entry_of(events[name], digests[name])
            _write(list(entries.values()), outdir)
            if told:
                told(entries[name])
        interrupted = stop.asked
    found = [entry_of(one.event, one.job.digest) for one in planned]
    _write(found, outdir)
    return found, interrupted


def _write(entries: Sequence[Entry], outdir: Path) -> None:
    write_table(entries, outdir)
    write_page(entries, outdir.resolve())
