"""Stages after the analysis of an event: the sky map, the report and the row of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DataError
from .child import Stage
from .event_folder import EventFolder

# Credible levels of the sky areas in the table, in per cent: those that sky maps usually state.
_AREAS = (50, 90)


def afterwards(event: EventFolder) -> list[Stage]:
    """Return the stages after the analysis; an event without a row has failed."""
    return [
        Stage("map", lambda done: _map(event), needed=False),
        Stage("page", lambda done: _page(event), needed=False),
        Stage("row", lambda done: _row(event)),
    ]


def _map(event: EventFolder) -> dict[str, Any]:
    """Write the sky map, and return its areas for the table; results without sky positions have no map."""
    from ..skymap import sky_map, write_sky_map

    try:
        found = sky_map(_result(event))
    except DataError as error:
        return {"map": None, "why": str(error)}
    write_sky_map(found, event.map)
    return {"map": event.map.name, **{f"sky_area_{share}": float(found.area(share / 100)) for share in _AREAS}}


def _page(event: EventFolder) -> dict[str, Any]:
    from ..validation.report import report_result  # imported here: it loads plotting packages

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
            f"{result}: the result of {event.name} has been removed: remove {event.path}, too, to run it again"
        )
    return result
