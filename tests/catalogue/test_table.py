"""The table of a catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import QTable

from bilby_flowpe.catalogue.event_folder import EventFolder, Job, State
from bilby_flowpe.catalogue.table import Entry, entry_of, format_table, write_page, write_table


def entries(folder: Path) -> list[Entry]:
    row = {"verdict": "check", "reason": "<few>", "mass_1_source": 31.234, "mass_1_source_05": 28.0,
           "mass_1_source_95": 36.0, "ln_bayes_factor": 55.51, "n_effective": 312.4, "cpu_seconds": 61.0,
           "luminosity_distance": 1500.0, "sky_area_90": 120.4}  # fmt: skip
    one, other = (EventFolder(folder / "events" / name) for name in ("S1", "S2"))
    one.path.mkdir(parents=True)
    one.page.write_text("")
    return [Entry(one, "done", row, ""), Entry(other, "failed", {"cpu_seconds": 0.0}, "analysis: no & data")]


def test_astropy_reads_what_was_written(tmp_path: Path) -> None:
    table = QTable.read(write_table(entries(tmp_path), tmp_path))
    assert table["luminosity_distance"].unit == units.Mpc
    assert table["mass_1_source_95"][0] == 36 * units.solMass
    assert table["sky_area_90"][0].to_value("deg2") == 120.4
    assert table["verdict"][0] == "check"
    assert table["error"][1] == "analysis: no & data"
    assert np.all(table["n_effective"].mask == [False, True])
    assert table.columns["chi_p"].info.description == "median of chi_p"
    assert [*tmp_path.glob(".*")] == []


def test_lines_for_a_terminal(tmp_path: Path) -> None:
    first, second = format_table(entries(tmp_path)).splitlines()[1:]
    assert first.split() == ["S1", "check", "31.2", "+4.8", "-3.2", "55.5", "312", "61"]
    assert second.split() == ["S2", "failed", "0", "analysis:", "no", "&", "data"]


def test_the_page_links_the_events(tmp_path: Path) -> None:
    page = write_page(entries(tmp_path), tmp_path).read_text()
    assert '<a href="events/S1/S1.html">S1</a>' in page
    assert "&lt;few&gt;" in page and "no &amp; data" in page
    assert 'href="events/S2' not in page


def test_an_event_as_it_stands(tmp_path: Path) -> None:
    event = EventFolder(tmp_path / "S1")
    assert entry_of(event).status == "waiting"
    event.prepare(Job("S1", "strain", "a.toml", ".", {}, "digest", "module.stages"))
    event.save_row({"mass_1": 3.0, "cpu_seconds": 0.0})
    event.save(
        State("digest", {"analysis": {}, "map": {"sky_area_90": 12.0, "file": "x"}, "row": {}}, "", {"page": "no ink"})
    )
    entry = entry_of(event, "digest")
    assert (entry.status, entry.error, entry.row["mass_1"], entry.row["sky_area_90"]) == (
        "done",
        "page: no ink",
        3.0,
        12.0,
    )
    assert entry_of(event, "other").status == "changed"
    # A file that was cut off says nothing.
    (event.path / "state.json").write_text('{"digest": ')
    assert entry_of(event, "digest").status == "waiting"
