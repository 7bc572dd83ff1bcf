"""What is made of a result: the report and the row of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DataError
from .child import Stage
from .event_folder import EventFolder


def afterwards(event: EventFolder) -> list[Stage]:
    """Stages after the analysis, of which the row is needed."""
    return [Stage("page", lambda done: _page(event), needed=False), Stage("row", lambda done: _row(event))]


def _page(event: EventFolder) -> dict[str, Any]:
    from ..validation.report import report_result  # here: it loads what draws

    page = report_result(_result(event), output=event.page)
    return {"page": page.name}


def _row(event: EventFolder) -> dict[str, Any]:
    from ..validation.referee import read_result
    from .figures import figures_of

    event.save_row(figures_of(read_result(_result(event))))
    return {}


def _result(event: EventFolder) -> Path:
    result = event.result()
    if result is None or not result.is_file():
        raise DataError(
            f"{result}: the result of {event.name} is not there any more: remove {event.path} to run it anew"
        )
    return result
