"""Coverage of a model: ranks over fresh events, the same for any number of processes, kept and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood
from bilby.core.prior import Gaussian, PriorDict, Uniform

from bilby_flowpe.cli import main
from bilby_flowpe.commands.models import digest
from bilby_flowpe.errors import ConfigurationError, DataError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import find_model
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.calibrate import calibrate
from bilby_flowpe.validation.coverage import (
    KINDS,
    CoverageConfig,
    format_coverage,
    measure_coverage,
    summarise_coverage,
)
from bilby_flowpe.validation.ranks import JOINT
from tests.trained import small_settings

FEW = CoverageConfig(samples=500, effective=50, evaluations=700, seed=3)


@pytest.mark.training
@pytest.mark.parametrize("name", ["green2020-5d-maf", "green2020-5d-cvae-joint"])
def test_events_do_not_depend_on_processes_and_are_gone_on_with(name: str, problem_5d, tmp_path: Path) -> None:
    model = find_model(name)
    log = tmp_path / "events.jsonl"
    first = measure_coverage(model, problem_of(*problem_5d), 2, FEW, 1, log, progress=False)
    again = measure_coverage(model, problem_of(*problem_5d), 3, FEW, 2, log, progress=False)
    assert again[:2] == first
    assert len(log.read_text().splitlines()) == 3
    assert measure_coverage(model, problem_of(*problem_5d), 3, FEW, 1, None, progress=False) == again
    summary = summarise_coverage(again)
    for kind in KINDS:
        assert set(summary[kind]["parameters"]) == set(problem_5d[1].non_fixed_keys)
        assert set(summary[kind]["joint"]) == set(JOINT)
    assert "mass_1" in format_coverage(name, summary)


@pytest.mark.slow
def test_a_shifted_network_is_caught_raw_and_mended_by_the_weights(problem_5d) -> None:
    """Its masses moved along one direction, hardly any of its draws left where they belong."""
    model = find_model("green2020-5d-maf")
    model.location = model.location + 0.05
    events = measure_coverage(model, problem_of(*problem_5d), 60, FEW, 1, progress=False)
    summary = summarise_coverage(events)
    assert min(summary["raw"]["parameters"].values()) < 1e-3
    assert summary["weighted"]["least_times_tests"] > 1e-2


@pytest.mark.training
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


@pytest.mark.training
def test_a_line_that_was_cut_off_is_done_again(problem_5d, tmp_path: Path) -> None:
    model, log = find_model("green2020-5d-maf"), tmp_path / "events.jsonl"
    whole = measure_coverage(model, problem_of(*problem_5d), 2, FEW, 1, log, progress=False)
    log.write_text(log.read_text()[:-40])
    assert measure_coverage(model, problem_of(*problem_5d), 2, FEW, 1, log, progress=False) == whole
    assert len(log.read_text().splitlines()) == 2


def test_events_of_another_kind_are_refused(problem_5d, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_text('{"snr": 3}\n')
    with pytest.raises(DataError, match="has lines that are not such events"):
        measure_coverage(find_model("green2020-5d-maf"), problem_of(*problem_5d), 2, FEW, 1, log, progress=False)


def test_other_priors_are_other_events(problem_5d, tmp_path: Path) -> None:
    """A log is named after the problem, too."""
    likelihood, priors = problem_5d
    narrow = priors.copy()
    narrow["phase"] = Uniform(0, 3, name="phase")
    model = find_model("green2020-5d-maf")
    assert digest(model, problem_of(likelihood, priors)) != digest(model, problem_of(likelihood, narrow))


def test_models_of_one_name_are_refused(tmp_path: Path, capsys) -> None:
    folders = [find_model("green2020-5d-maf").save(tmp_path / name / "m") for name in "ab"]
    assert main(["coverage", *map(str, folders), "--outdir", str(tmp_path / "out")]) == 2
    assert "two folders have the same name" in capsys.readouterr().err


@pytest.mark.training
def test_likelihoods_without_a_noise_likelihood(tmp_path: Path) -> None:
    """A straight line: Bilby's Gaussian likelihood knows no ratio."""
    x = np.linspace(-1, 1, 20)
    likelihood = GaussianLikelihood(x, 0.5 * x, lambda x, slope: slope * x, 0.5)
    priors = PriorDict({"slope": Gaussian(0, 1)})
    model = train_model(likelihood, priors, small_settings(steps=60), progress=False)
    events = measure_coverage(model, problem_of(likelihood, priors), 3, FEW, 1, progress=False)
    assert all(event.efficiency > 0.05 for event in events)
    measured = calibrate(model, problem_of(likelihood, priors), events=2, draws=200, null_events=10)
    assert measured.table["flow alone"][0] > 0.05


@pytest.mark.training
def test_seed_decides_the_events(problem_5d) -> None:
    model = find_model("green2020-5d-maf")
    other = CoverageConfig(samples=500, effective=50, evaluations=700, seed=4)
    first, second = (
        measure_coverage(model, problem_of(*problem_5d), 1, config, 1, progress=False) for config in (FEW, other)
    )
    assert not np.isclose(first[0].raw["mass_1"], second[0].raw["mass_1"])
