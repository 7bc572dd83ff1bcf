"""The command ``flowpe noise``, from a result and its files to a page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood

from bilby_flowpe.cli import build_parser, main
from bilby_flowpe.commands import noises
from bilby_flowpe.commands.noise_parsing import band
from bilby_flowpe.noise.compared import NoiseComparison


def test_bands_are_read() -> None:
    assert band("L1:500:508.5") == ("L1", 500.0, 508.5)
    for text in ("L1", "L1:508:500", "L1:a:b", ":1:2", "L1:0:3", "L1:1:2:3"):
        with pytest.raises(argparse.ArgumentTypeError, match="L1:500:508"):
            band(text)


def test_options_reach_the_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from bilby.gw.likelihood import GravitationalWaveTransient

    likelihood = object.__new__(GravitationalWaveTransient)
    seen: dict[str, Any] = {}

    def compared(result: Any, given: Any, **options: Any) -> NoiseComparison:
        seen.update(options, result=result, likelihood=given)
        return NoiseComparison("run", (), {}, {}, given, {"mass_1": np.float64(3)})  # type: ignore[arg-type]

    monkeypatch.setattr(
        noises,
        "read_pipe_result",
        lambda *given: (SimpleNamespace(label="run"), SimpleNamespace(likelihood=likelihood)),
    )
    monkeypatch.setattr(noises, "compare", compared)
    monkeypatch.setattr(noises, "write_page", lambda comparison, path: path.write_text("page"))
    words = f"noise {tmp_path}/run_result.json --notch L1:500:508 --notch L1:990:1000 --segments 31 --refine --npool 1"
    assert main(words.split()) == 0
    assert seen["lines"] == {"L1": [(500, 508), (990, 1000)]}
    assert (seen["segments"], seen["method"], seen["npool"], seen["outdir"]) == (31, "median", 1, tmp_path)
    assert seen["refine"]["n_effective"] == 1000
    assert (tmp_path / "run_noise.html").read_text() == "page"
    assert json.loads((tmp_path / "run_noise.json").read_text())["label"] == "run"
    assert "run_noise.html" in capsys.readouterr().out
    assert main(["noise", f"{tmp_path}/run_result.json", "--output", f"{tmp_path}/other.html", "--npool", "1"]) == 0
    assert (tmp_path / "other.json").exists()
    assert seen["lines"] is None and seen["refine"] is None


def test_of_other_likelihoods_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(noises, "read_pipe_result", lambda *given: (None, SimpleNamespace(likelihood=Likelihood())))
    assert main(["noise", f"{tmp_path}/any.json", "--npool", "1"]) == 2
    assert "GravitationalWaveTransient only" in capsys.readouterr().err


def test_a_file_that_is_not_there(tmp_path: Path, capsys: Any) -> None:
    assert main(["noise", f"{tmp_path}/none.json"]) == 2
    assert "no such file" in capsys.readouterr().err
    assert build_parser().parse_args(["noise", "a.json"]).config is None
