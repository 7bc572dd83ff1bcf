"""A folder into which events are put: each is analysed once, as it comes, and gets a folder for its results.

A description (:mod:`.description`) is complete when it appears, because it is written under another name and then renamed; the
strain that it names has to be complete before. An event is done when its folder has ``timing.json`` or ``error.json``, which
are written last: an event that was interrupted has neither, and is analysed when the folder is watched again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bilby.core.utils import logger

from ..errors import ConfigurationError, DataError, FlowPEError
from ..storage.folder import write_text
from .alert import Alert, Analysed
from .description import KINDS, NAMES, EventDescription

TIMING, ERROR = "timing.json", "error.json"
_LOCK = ".flowpe_alert"

Writer = Callable[[Analysed, Path, str], None]
"""Function that writes a part of the results of an event into its folder, given the name of the event."""


@dataclass(frozen=True)
class Waiting:
    """An event that waits for its analysis.

    Attributes
    ----------
    name
        Name of the event: that of its folder, or of its description without the ending.
    path
        File of the description.
    """

    name: str
    path: Path


class Inbox:
    """Events of one folder, and their results in another.

    Parameters
    ----------
    folder
        Folder into which events are put: as folders with ``event.toml`` or ``event.json``, or as files ``NAME.toml`` or
        ``NAME.json``.
    outdir
        Folder in which each event gets a folder of its name.
    alert
        The analysis of an event.
    writers
        Functions that write the results of an event, by stage, in this order: the most urgent one first.

    Raises
    ------
    ConfigurationError
        If there is no such folder, or if both are the same.
    """

    def __init__(self, folder: Path, outdir: Path, alert: Alert, writers: dict[str, Writer]) -> None:
        if not folder.is_dir():
            raise ConfigurationError(f"{folder}: there is no such folder: make it, and put events there")
        if folder.resolve() == outdir.resolve():
            raise ConfigurationError(f"outdir={str(outdir)!r} is the inbox itself: give another folder")
        self._folder, self._outdir, self._alert, self._writers = folder, outdir, alert, writers
        self._lost: set[str] = set()  # events of which not even an error could be written

    def waiting(self) -> list[Waiting]:
        """Return the events that are not done, those that came first at the beginning."""
        found: dict[str, Waiting] = {}
        for path in sorted(self._descriptions(), key=_arrived):
            own_folder = path.name in NAMES and path.parent != self._folder
            name = path.parent.name if own_folder else path.stem
            if name not in found and not self._is_done(name):
                found[name] = Waiting(name, path)
        return list(found.values())

    def _descriptions(self) -> Iterator[Path]:
        for path in self._folder.iterdir():
            # A file that is being written has a hidden name, or another ending, until it is renamed.
            if path.name.startswith("."):
                continue
            if path.is_dir():
                yield from (path / name for name in NAMES if (path / name).is_file())
            elif path.suffix in KINDS:
                yield path

    def _is_done(self, name: str) -> bool:
        return name in self._lost or any((self._outdir / name / file).is_file() for file in (TIMING, ERROR))

    def work_off(self) -> int:
        """Analyse all events that wait, and return how many there were."""
        done = 0
        while events := self.waiting():
            # One at a time: an event that appears meanwhile may be older than the others, if a folder is copied.
            self._one(events[0])
            done += 1
        return done

    def watch(self, every: float) -> None:
        """Analyse events as they come, looking for new ones every ``every`` seconds, until a signal ends the process."""
        _listen()
        while True:
            self.work_off()
            time.sleep(every)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the output folder for this process: two processes would analyse every event twice.

        The lock ends with the process, even if that is killed.

        Raises
        ------
        ConfigurationError
            If another running process has locked the folder.
        """
        import fcntl

        self._outdir.mkdir(parents=True, exist_ok=True)
        # The file stays: a process that waits for a removed file would lock another one.
        with (self._outdir / _LOCK).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise ConfigurationError(
                    f"outdir={str(self._outdir)!r} is used by another flowpe alert (process {owner}): end that process, or "
                    "give another folder"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def _one(self, event: Waiting) -> None:
        """Analyse an event; errors of the event or of its folder do not end the process."""
        logger.info(f"{event.name}: the analysis begins")
        try:
            self._into(event, self._outdir / event.name)
        except OSError as error:
            self._lost.add(event.name)
            logger.error(
                f"{event.name}: its results cannot be written ({error}): make {self._outdir / event.name} writable; the event "
                "is analysed when the folder is watched again"
            )
        finally:
            _listen()

    def _into(self, event: Waiting, folder: Path) -> None:
        """Analyse an event, and write the results into its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        began = datetime.now(UTC)
        try:
            analysed = self._analysed(event, folder)
        except FlowPEError as error:
            self._failed(event, folder, began, error)
        except Exception as error:
            # Any error is caught, so that the next event is analysed.
            self._failed(event, folder, began, error, traceback.format_exc())
        else:
            missing = self._written(event, folder, analysed)
            self._tell(event, analysed)
            said = {"event": event.name, **_times(event, began), **analysed.timing(), **_said(analysed)}
            self._write(folder / TIMING, said | ({"missing": missing} if missing else {}))

    def _analysed(self, event: Waiting, folder: Path) -> Analysed:
        described = EventDescription.read(event.path)
        at = event.path.parent
        strain = at / described.strain
        if not strain.is_dir():
            raise DataError(
                f"strain={described.strain!r}: there is no folder {strain}: name the folder of the strain files"
            )
        analysed = self._alert.analyse(
            strain,
            described.trigger_time,
            described.mass_range,
            described.curves_in(at),
            described.detectors,
            described.duration,
            folder,
            event.name,
        )
        return analysed

    def _written(self, event: Waiting, folder: Path, analysed: Analysed) -> dict[str, str]:
        """Write the results of an event, the most urgent first; return the reason for each stage that could not be written."""
        missing = {}
        for stage, write in self._writers.items():
            try:
                with analysed.clock.stage(stage):
                    write(analysed, folder, event.name)
            except OSError:
                raise
            except Exception as error:
                # An error of a page or a map must not lose the posterior.
                logger.error(f"{event.name}: no {stage}: {type(error).__name__}: {error}\n{traceback.format_exc()}")
                missing[stage] = f"{type(error).__name__}: {error}"
        return missing

    def _failed(
        self, event: Waiting, folder: Path, began: datetime, error: Exception, trace: str | None = None
    ) -> None:
        logger.error(f"{event.name}: {type(error).__name__}: {error}")
        said: dict[str, Any] = {"event": event.name, "error": type(error).__name__, "message": str(error)}
        if trace is not None:
            said["traceback"] = trace
        self._write(folder / ERROR, said | _times(event, began))

    @staticmethod
    def _write(path: Path, said: dict[str, Any]) -> None:
        write_text(path, json.dumps(said, indent=1) + "\n")

    @staticmethod
    def _tell(event: Waiting, analysed: Analysed) -> None:
        timing = analysed.timing()
        logger.info(f"{event.name}: {analysed.verdict}, {timing['wall_total']:.1f} s, {timing['cpu_total']:.1f} CPU s")


def _listen() -> None:
    """Let SIGTERM end the process by ``SystemExit``: if a run fails, Bilby leaves its own handlers behind."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _arrived(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:
        return 0.0, path.name


def _times(event: Waiting, began: datetime) -> dict[str, Any]:
    """Return when the description came, and when the work began and ended, in UTC."""
    came = datetime.fromtimestamp(_arrived(event.path)[0], UTC)
    return {"came": came.isoformat(), "began": began.isoformat(), "ended": datetime.now(UTC).isoformat()}


def _said(analysed: Analysed) -> dict[str, Any]:
    return {
        "verdict": analysed.verdict,
        "reasons": list(analysed.reasons),
        "trigger_time": analysed.trigger_time,
        "chirp_mass": None if analysed.chirp_mass is None else list(analysed.chirp_mass),
    }
