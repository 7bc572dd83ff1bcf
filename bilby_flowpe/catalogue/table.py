"""The table of a catalogue, one row per event: as an ECSV file, on the terminal, and as a page with links to the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..validation.page import Link, Page
from .event_folder import DONE, EventFolder
from .figures import PARAMETERS, QUANTILES

if TYPE_CHECKING:
    from astropy.table import QTable

TABLE, PAGE = "catalogue.ecsv", "catalogue.html"
"""Names of the file with the table, and of the page."""
_TEXT = {
    "event": "name of the configuration",
    "status": "done, failed, interrupted, waiting or changed",
    "verdict": "verdict on the run: reliable, check or failed",
    "reason": "first reason of the verdict",
    "draws": "in a catalogue under another prior: weights, or new",
    "error": "why there is no result, or which part of it is missing",
}
_FURTHER = {
    **dict.fromkeys(("mass_1", "mass_2", "chirp_mass"), ", in the detectors' frame"),
    **dict.fromkeys(("mass_1_source", "mass_2_source", "chirp_mass_source"), ", in the source frame"),
    "network_snr": ", matched filter",
}
_FIGURES = {
    "sky_area_50": ("deg2", "area of the sky with half of the posterior"),
    "sky_area_90": ("deg2", "area of the sky with 90% of the posterior"),
    "efficiency": ("", "effective draws of the run divided by all draws"),
    "n_effective": ("", "effective draws"),
    "n_effective_by_weights": ("", "in a catalogue under another prior: effective draws of the weights"),
    "ln_evidence": ("", "natural logarithm of the evidence"),
    "ln_evidence_error": ("", "standard error of ln_evidence"),
    "ln_bayes_factor": ("", "natural logarithm of the Bayes factor, signal versus noise"),
    "n_evaluations": ("", "evaluations of the likelihood"),
    "n_posterior": ("", "rows of the posterior"),
    "cpu_seconds": ("s", "CPU time of all processes that have worked on the event"),
}
_SHOWN = ("mass_1_source", "mass_2_source", "chi_eff", "luminosity_distance", "network_snr")
_SHORT = {
    "mass_1_source": "m1 [Msun]",
    "mass_2_source": "m2 [Msun]",
    "chi_eff": "chi_eff",
    "luminosity_distance": "d_L [Mpc]",
    "network_snr": "SNR",
}


@dataclass(frozen=True)
class Entry:
    """An event as it stands in the table.

    Attributes
    ----------
    event
        Folder of the event.
    status
        State of the event.
    row
        Figures of the event; empty if there are none.
    error
        Error in one line, or an empty text.
    """

    event: EventFolder
    status: str
    row: dict[str, Any]
    error: str


def entry_of(event: EventFolder, digest: str | None = None) -> Entry:
    """Return the entry of an event as it stands."""
    state = event.state()
    status = event.standing(digest)
    error = state.error
    if status == "changed":
        error = "its configuration has changed since it was run: remove its folder, or give another outdir"
    notes = "; ".join(f"{stage}: {said}" for stage, said in state.notes.items())
    row = (event.row() or {}) if status in (DONE, "changed") else {}
    if "map" in state.done:
        row = row | {key: value for key, value in state.done["map"].items() if key.startswith("sky_area")}
    if "weights" in state.done:
        row = row | {"n_effective_by_weights": state.done["weights"]["n_effective"]}
        row = row | {"draws": state.done.get("analysis", {}).get("draws", "")}
    return Entry(event, status, row | {"cpu_seconds": event.cpu_seconds}, error or notes)


def table_of(entries: Sequence[Entry]) -> QTable:
    """Return the table, with units and descriptions; missing values are masked."""
    from astropy.table import MaskedColumn, QTable

    columns = [
        MaskedColumn([_text(entry, name) for entry in entries], name=name, dtype=str, description=words)
        for name, words in _TEXT.items()
    ]
    for name, (unit, words) in _all_figures().items():
        found = [entry.row.get(name) for entry in entries]
        values = [np.nan if value is None else float(value) for value in found]
        mask = [value is None for value in found]
        columns.append(MaskedColumn(values, name=name, mask=mask, unit=unit or None, description=words))
    table = QTable(columns, units={})
    table.meta["description"] = "Catalogue of compact binaries: medians and 90% intervals (_05, _95) of the posteriors"
    table.meta["version"] = f"bilby_flowpe {__version__}"
    return table


def write_table(entries: Sequence[Entry], outdir: Path) -> Path:
    """Write the ECSV file with the table, whole or not at all."""
    from astropy.table import Table

    temporary = outdir / f".{TABLE}.tmp"
    # Plain columns with units, which every reader of ECSV understands.
    table = table_of(entries)
    Table(table).write(temporary, format="ascii.ecsv", overwrite=True)
    return temporary.replace(outdir / TABLE)


def _all_figures() -> dict[str, tuple[str, str]]:
    words = {"": "median", "_05": "5% quantile", "_95": "95% quantile"}
    found = {}
    for key, unit in PARAMETERS.items():
        for suffix in QUANTILES:
            found[key + suffix] = unit, f"{words[suffix]} of {key}{_FURTHER.get(key, '')}"
    return found | _FIGURES


def _text(entry: Entry, name: str) -> str:
    if name == "event":
        return entry.event.name
    if name == "status":
        return entry.status
    return entry.error if name == "error" else str(entry.row.get(name, ""))


def format_table(entries: Sequence[Entry]) -> str:
    """Return the table as text for a terminal: one line per event, with medians and the ends of their 90% intervals."""
    header = ["event", "verdict", *(_SHORT[key] for key in _SHOWN), "ln B", "n_eff", "CPU s"]
    rows = [header]
    for entry in entries:
        row = entry.row
        figures = [_interval(row, key) for key in _SHOWN]
        word = row.get("verdict") or entry.status
        rows.append(
            [entry.event.name, word, *figures, _short(row.get("ln_bayes_factor"), ".1f"),
             _short(row.get("n_effective"), ".0f"), _short(row.get("cpu_seconds"), ".0f")]
        )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for number, entry in enumerate(entries, start=1):
        if entry.error:
            lines[number] += f"  {entry.error}"
    return "\n".join(lines)


def _interval(row: dict[str, Any], key: str) -> str:
    middle, low, high = (row.get(key + suffix) for suffix in QUANTILES)
    if middle is None or low is None or high is None:
        return ""
    if not high > low:
        return f"{middle:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(high - low))))
    return f"{middle:.{digits}f} +{high - middle:.{digits}f} -{middle - low:.{digits}f}"


def _short(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def write_page(entries: Sequence[Entry], outdir: Path, title: str = "Catalogue") -> Path:
    """Write the page: figures of all events, and one row per event with a link to its page."""
    page = Page(title)
    verdicts = [entry.row.get("verdict") for entry in entries]
    counts = [(word, verdicts.count(word)) for word in ("reliable", "check", "failed") if word in verdicts]
    seconds = sum(entry.row["cpu_seconds"] for entry in entries)
    page.figures(
        [
            ("events", f"{len(entries)}"),
            ("done", f"{sum(entry.status == DONE for entry in entries)}"),
            *((f"verdict: {word}", f"{count}") for word, count in counts),
            ("CPU minutes", f"{seconds / 60:.1f}"),
        ]
    )
    page.text(
        "Medians and 90% intervals of the posteriors; masses are in the source frame, in solar masses. All columns "
        f"are in {TABLE}."
    )
    header = ["event", "verdict", *(_SHORT[key] for key in _SHOWN), "90% [deg2]", "ln B", "n_eff", "CPU s"]
    page.table(header, [_cells(entry, outdir) for entry in entries], kind="rows")
    remarks = [(entry.event.name, entry.error or str(entry.row.get("reason", ""))) for entry in entries]
    if any(remark for _, remark in remarks):
        page.section("Remarks")
        page.text("Errors, missing parts of results, and first reasons of verdicts.", faint=True)
    for name, remark in remarks:
        if remark:
            page.text(f"{name}: {remark}")
    return page.write(outdir / PAGE)


def _cells(entry: Entry, outdir: Path) -> list[str | Link]:
    """Return the cells of an event's row on the page."""
    row, event = entry.row, entry.event
    folder = event.path.relative_to(outdir).as_posix()
    name: str | Link = Link(event.name, f"{folder}/{event.page.name}") if event.page.is_file() else event.name
    area: str | Link = _short(row.get("sky_area_90"), ".3g")
    if area and event.map.is_file():
        area = Link(str(area), f"{folder}/{event.map.name}")
    figures = [_interval(row, key) for key in _SHOWN]
    rest = (("ln_bayes_factor", ".1f"), ("n_effective", ".0f"), ("cpu_seconds", ".0f"))
    return [
        name,
        row.get("verdict") or entry.status,
        *figures,
        area,
        *(_short(row.get(key), form) for key, form in rest),
    ]
