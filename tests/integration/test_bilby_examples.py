"""The study of Bilby's examples replaces the sampler and nothing else, and tells every way in which a script can end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

STUDY = Path(__file__).resolve().parents[2] / "examples" / "studies" / "bilby_examples.py"
SCRIPT = """
import bilby
from bilby.core.sampler import run_sampler

likelihood = bilby.core.likelihood.AnalyticalMultidimensionalCovariantGaussian([0.0, 0.0], [[0.1, 0.0], [0.0, 0.2]])
priors = {f"x{i}": bilby.core.prior.Uniform(-5, 5) for i in range(2)}
result = run_sampler(likelihood, priors, sampler="dynesty", nlive=10, walks=3, label="label", outdir="out", seed=3)
print(result.sampler)
"""
CELL = {"cell_type": "code", "source": ["%matplotlib inline\n", *SCRIPT.splitlines(keepends=True)]}
NOTEBOOK = {"cells": [{"cell_type": "markdown", "source": ["# words"]}, CELL]}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], str]:
    """Return what the study prints, keeps and writes about a made-up folder of examples."""
    folder = tmp_path_factory.mktemp("examples")
    for part in ("core_examples", "gw_examples", "tutorials"):
        (folder / part).mkdir()
    (folder / "core_examples" / "good.py").write_text(SCRIPT)
    (folder / "core_examples" / "bad.py").write_text(SCRIPT + "raise ValueError('after | the run')\n")
    (folder / "gw_examples" / "GW150914.py").write_text("raise RuntimeError('never run')\n")
    (folder / "gw_examples" / "killed.py").write_text("import os\nos._exit(3)\n")
    (folder / "tutorials" / "notebook.ipynb").write_text(json.dumps(NOTEBOOK))
    outdir = folder / "outdir"
    command = [sys.executable, str(STUDY), "--outdir", str(outdir), "--source", str(folder)]
    options = ["--n-effective", "1000", "--network", "none", "--samplers", "flowpe", "own"]
    done = subprocess.run([*command, *options], text=True, capture_output=True, check=False)
    page = folder / "page.md"
    subprocess.run([*command, "--table", str(page)], check=False)
    kept: dict[str, dict[str, Any]] = {}
    for file in outdir.glob("*.json"):
        name, _, sampler = file.stem.rpartition("_")
        kept.setdefault(name, {})[sampler] = json.loads(file.read_text())
    return done, kept, page.read_text()


def test_every_end_is_told(ran: tuple[subprocess.CompletedProcess[str], dict[str, Any], str]) -> None:
    done, kept, page = ran
    assert done.returncode == 1, done.stderr
    assert {name for name, entry in kept.items() if entry["flowpe"].get("error")} == {"bad", "killed"}
    assert "exit code 3" in kept["killed"]["flowpe"]["error"]
    assert kept["bad"]["flowpe"]["error"].strip().endswith("ValueError: after | the run")
    assert "ERROR: ValueError: after / the run" in page  # a bar would end the cell
    assert "skipped" in kept["GW150914"]["flowpe"]


def test_figures_are_those_of_the_runs(ran: tuple[subprocess.CompletedProcess[str], dict[str, Any], str]) -> None:
    _, kept, page = ran
    for name in ("good", "bad", "notebook"):
        (row,) = kept[name]["flowpe"]["rows"]
        assert row["verdict"] == "check"
        # Of a normalised density on a square of side 10.
        assert row["truth"] == pytest.approx(-4.60517, abs=1e-5)
        assert abs(row["log_evidence"] - row["truth"]) < 5 * row["log_evidence_err"] < 0.5
        assert kept[name]["flowpe"]["cpu_seconds"] > 1
        (other,) = kept[name]["own"]["rows"]
        assert (row["sampler"], other["sampler"]) == ("flowpe", "dynesty")
        assert other["settings"]["nlive"] == 10
        assert f"| {name} | 2 | check | {row['run_cpu_seconds']:.1f} | {other['run_cpu_seconds']:.1f} |" in page
    assert "Over 2 scripts the CPU seconds of the runs are " in page
