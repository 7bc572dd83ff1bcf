"""Coverage of a model: ranks over fresh events, the same for any number of processes, kept and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.cli import main
from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.model import find_model
from bilby_flowpe.validation.coverage import (
    KINDS,
    CoverageConfig,
    format_coverage,
    measure_coverage,
    summarise_coverage,
)
from bilby_flowpe.validation.ranks import JOINT

FEW = CoverageConfig(samples=500, effective=50, evaluations=700, seed=3)


@pytest.mark.parametrize("name", ["green2020-5d-maf", "green2020-5d-cvae-joint"])
def test_events_do_not_depend_on_processes_and_are_gone_on_with(name: str, problem_5d, tmp_path: Path) -> None:
    model = find_model(name)
    log = tmp_path / "events.jsonl"
    first = measure_coverage(model, *problem_5d, 2, FEW, 1, log, progress=False)
    again = measure_coverage(model, *problem_5d, 3, FEW, 2, log, progress=False)
    assert again[:2] == first
    assert len(log.read_text().splitlines()) == 3
    assert measure_coverage(model, *problem_5d, 3, FEW, 1, None, progress=False) == again
    summary = summarise_coverage(again)
    for kind in KINDS:
        assert set(summary[kind]["parameters"]) == set(problem_5d[1].non_fixed_keys)
        assert set(summary[kind]["joint"]) == set(JOINT)
    assert "mass_1" in format_coverage(name, summary)


def test_a_shifted_network_is_caught_raw_and_mended_by_the_weights(problem_5d) -> None:
    """Its masses moved along one direction, hardly any of its draws left where they belong."""
    model = find_model("green2020-5d-maf")
    model.location = model.location + 0.05
    events = measure_coverage(model, *problem_5d, 60, FEW, 1, progress=False)
    summary = summarise_coverage(events)
    assert min(summary["raw"]["parameters"].values()) < 1e-3
    assert summary["weighted"]["least_times_tests"] > 1e-2


def test_command_compares_models_on_the_same_events(tmp_path: Path, capsys) -> None:
    names = ["green2020-5d-maf", "green2020-5d-gaussian-joint"]
    words = ["--injections", "2", "--samples", "200", "--effective", "20", "--evaluations", "600", "--npool", "1"]
    assert main(["coverage", *names, *words, "--outdir", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert set(written["models"]) == set(names)
    assert (tmp_path / "pp.png").stat().st_size > 0
    assert "p-value" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["samples", "effective", "evaluations"])
def test_too_few_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=1"):
        CoverageConfig(**{name: 1})


def test_seed_decides_the_events(problem_5d) -> None:
    model = find_model("green2020-5d-maf")
    other = CoverageConfig(samples=500, effective=50, evaluations=700, seed=4)
    first, second = (measure_coverage(model, *problem_5d, 1, config, 1, progress=False) for config in (FEW, other))
    assert not np.isclose(first[0].raw["mass_1"], second[0].raw["mass_1"])
