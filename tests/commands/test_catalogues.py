"""``flowpe catalogue`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bilby_flowpe.catalogue import runner
from bilby_flowpe.catalogue.event_folder import EventFolder, Job
from bilby_flowpe.cli import main
from bilby_flowpe.commands.catalogue_parsing import keywords
from bilby_flowpe.commands.catalogues import _line

from ..catalogue.fake import FAKE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(runner, "STAGES", FAKE)
    (tmp_path / "events.toml").write_text("[events.a]\n[events.b]\ndoes = 'fails'\n")
    return tmp_path


def test_a_catalogue_from_the_shell(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["catalogue", str(folder / "events.toml"), "--outdir", str(folder / "out"), "--jobs", "2"]
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2 events, 2 to do, 2 at once" in said
    assert not (folder / "out").exists()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "1 done, 1 failed" in said.out
    assert "a      reliable" in said.out
    assert f"2 of 2 events to do; logs: {folder / 'out'}/events/*/log.txt" in said.err
    assert (folder / "out/events/a/log.txt").is_file()
    assert "a: reliable" in said.err
    assert "b: analysis: ValueError: mass_9=50: is no parameter" in said.err
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "nothing: it is done" in said
    assert "what is left after data" in said
    before = (folder / "out/events/a/calls.txt").read_text().split()
    assert main([*words, "--renew"]) == 0
    # Not the analysis.
    assert (folder / "out/events/a/calls.txt").read_text().split() == [*before, "page", "row"]
    capsys.readouterr()
    assert main(["catalogue", str(folder / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_marginalised_likelihoods_are_told_before(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "events.toml").unlink()
    for name, lines in (
        ("one", "distance-marginalization = True\nphase_marginalization=true\n"),
        ("plain", "distance-marginalization = False\n#time-marginalization = True\n"),
        ("two", "time-marginalization: True"),
    ):
        (folder / f"{name}.ini").write_text(f"label = {name}\n{lines}")
    assert main(["catalogue", str(folder), "--outdir", str(folder / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert (
        "The likelihood of one (and those of 1 more) is marginalised over distance, phase. It is used as it is" in said
    )
    assert "evaluates each kept draw twice" in said


def test_the_status_line(tmp_path: Path) -> None:
    events = [EventFolder(tmp_path / name) for name in "ab"]
    for event in events:
        event.prepare(Job(event.name, "strain", "", "", {}, "", ""))
    assert _line(events, 0, 10.0) == "0 of 2 done, 0 failed; "
    attempt = events[0].attempt()
    attempt.stage = "analysis"
    attempt.write()
    assert _line(events, 0, 10.0).startswith("0 of 2 done, 0 failed; a analysis ")


def test_arguments_of_the_sampler() -> None:
    text = "n_effective=300, model=bbh,coarse=False,minimum_frequency={'H1': 20, 'L1': 30}"
    found = {"n_effective": 300, "model": "bbh", "coarse": False, "minimum_frequency": {"H1": 20, "L1": 30}}
    assert keywords(text) == found
    with pytest.raises(Exception, match="give KEY=VALUE"):
        keywords("300")
