"""Measurements of many events, one by one, kept in a file as they come: what was done is not done again."""

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
    """``task`` of the events 0 to ``total``, those in the log as they were.

    Parameters
    ----------
    task
        Of one event's number; picklable.
    total
        Number of events.
    kind
        What the task gives: a dataclass, or a dictionary, of plain values.
    log
        File with a line for each event, written as they come.
    npool
        Processes, an event each.
    progress, title
        Whether to show a progress bar, and its title.

    Raises
    ------
    DataError
        If the log holds something else.
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
    """What a measurement kept line by line, JSON, before it was interrupted; a last line that was cut off is left out.

    Raises
    ------
    DataError
        If the file holds something else.
    """
    if path is None or not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole, _, cut = text.rpartition("\n")
    if cut:
        # The next line goes where it began.
        write_text(path, whole + "\n" if whole else "")
    try:
        return [kind(**json.loads(line)) for line in whole.splitlines() if line.strip()]
    except (ValueError, TypeError) as error:
        raise DataError(f"file={str(path)!r} holds no events of this kind ({error}): give another outdir") from error
