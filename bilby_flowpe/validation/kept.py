"""Measurements of many events, kept in a file as they are done, so that none is repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TypeVar

from tqdm.auto import tqdm

from ..errors import DataError
from ..processes.events import each
from ..storage.folder import write_text

Kept = TypeVar("Kept")


def measured(
    task: Callable[[int], Kept],
    total: int,
    kind: type[Kept],
    log: Path | None = None,
    npool: int = 1,
    progress: bool = True,
    title: str = "Events",
) -> list[Kept]:
    """Return the values of ``task`` for the events 0 to ``total``; events in the log are not repeated.

    Parameters
    ----------
    task
        Function of the number of an event; it has to be picklable.
    total
        Number of events.
    kind
        Type of the values: a dataclass, or a dictionary, of plain values.
    log
        File with a line for each event, written as events are done.
    npool
        Number of processes, each for one event.
    progress, title
        Show a progress bar, and its title.

    Raises
    ------
    DataError
        If the log has other content.
    """
    events = read_lines(log, kind)[:total]
    coming = each(task, range(len(events), total), npool)
    for event in tqdm(coming, total=total, initial=len(events), disable=not progress, desc=title):
        events.append(event)
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                plain = asdict(event) if is_dataclass(event) and not isinstance(event, type) else event
                file.write(json.dumps(plain) + "\n")
    return events


def read_lines(path: Path | None, kind: type[Kept]) -> list[Kept]:
    """Return the values that a measurement has written as lines of JSON; an incomplete last line is removed.

    Raises
    ------
    DataError
        If the file has other content.
    """
    if path is None or not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole, _, cut = text.rpartition("\n")
    if cut:
        # The next line replaces the incomplete one.
        write_text(path, whole + "\n" if whole else "")
    try:
        return [kind(**json.loads(line)) for line in whole.splitlines() if line.strip()]
    except (ValueError, TypeError) as error:
        raise DataError(
            f"file={str(path)!r} has lines that are not such events ({error}): give another outdir"
        ) from error
