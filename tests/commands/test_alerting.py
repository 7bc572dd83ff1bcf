"""The command ``alert``, with an analyst that is not warm and no events."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bilby_flowpe.alert.alert import Alert
from bilby_flowpe.cli import main
from bilby_flowpe.commands import alerting


def test_an_empty_inbox_and_broken_events(tmp_path: Path, monkeypatch, capsys) -> None:
    warmed = []
    monkeypatch.setattr(Alert, "warm_up", lambda self: warmed.append(self.settings))
    inbox, out = tmp_path / "in", tmp_path / "out"
    assert main(["alert", str(inbox), "--once"]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    inbox.mkdir()
    (inbox / "broken.toml").write_text("trigger_time = 'x'")
    assert main(["alert", str(inbox), "--outdir", str(out), "--once", "--effective", "200"]) == 0
    assert (out / "broken" / "error.json").is_file() and not (out / ".flowpe_alert").read_text()
    assert warmed[0]["n_effective"] == warmed[0]["n_posterior"] == 200


def test_a_signal_ends_it_in_order(tmp_path: Path, monkeypatch) -> None:
    def ended(self, every: float) -> None:
        raise SystemExit(77)

    monkeypatch.setattr(Alert, "warm_up", lambda self: None)
    monkeypatch.setattr(alerting.Inbox, "watch", ended)
    assert main(["alert", str(tmp_path), "--outdir", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / ".flowpe_alert").read_text()


def test_no_map_is_written_where_there_is_none(tmp_path: Path) -> None:
    alerting._write_map(SimpleNamespace(sky_map=None), tmp_path, "x")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("words", [["--every", "0"], ["--effective", "1"], []])
def test_misuse(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["alert", *words, *(["x"] if words else [])])
