"""What is made of a result: the report and the row of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DataError
from .child import Stage
from .event_folder import EventFolder

_AREAS = (50, 90)  # per cent of the posterior


def afterwards(event: EventFolder) -> list[Stage]:
    """Stages after the analysis, of which the row is needed."""
    return [
        Stage("map", lambda done: _map(event), needed=False),
        Stage("page", lambda done: _page(event), needed=False),
        Stage("row", lambda done: _row(event)),
    ]


def _map(event: EventFolder) -> dict[str, Any]:
    """Write the sky map; its areas are figures of the table. Of a result that does not tell the sky there is none."""
    from ..skymap import sky_map, write_sky_map

    try:
        found = sky_map(_result(event))
    except DataError as error:
        return {"map": None, "why": str(error)}
    write_sky_map(found, event.map)
    return {"map": event.map.name, **{f"sky_area_{share}": float(found.area(share / 100)) for share in _AREAS}}


def _page(event: EventFolder) -> dict[str, Any]:
    from ..validation.report import report_result  # here: it loads what draws

    page = report_result(_result(event), output=event.page)
    return {"page": page.name}


def _row(event: EventFolder) -> dict[str, Any]:
    from ..result_files import read_result
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
