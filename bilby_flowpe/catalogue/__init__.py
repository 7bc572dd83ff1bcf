"""Catalogues: many events from configurations to results, sky maps and pages, one table, one file; other priors later.

:func:`reweighted` puts a catalogue under another prior or a population, :func:`population_tables` makes tables for
gwpopulation, and :func:`write_hdf5` and :func:`read_draws` write and read one file with all events.

To read first: :mod:`.runner`, which starts a process for each event; :mod:`.child`, what that process does; and
:mod:`.event_folder`, what it leaves behind.

To add a column to the table, add a figure to :mod:`.figures`; to add another source of events, follow
:mod:`.sources`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "Published": "hdf5",
    "population_tables": "population",
    "read_draws": "hdf5",
    "reweighted": "other_priors",
    "write_hdf5": "hdf5",
}

__all__ = ["Published", "population_tables", "read_draws", "reweighted", "write_hdf5"]


def __getattr__(name: str) -> Any:
    # Loaded when it is used: the process of an event imports this package, too.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
