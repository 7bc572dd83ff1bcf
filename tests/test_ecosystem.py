"""Runs inside other packages: how they are judged, and that the page says what was kept."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from pandas import DataFrame

ROOT = Path(__file__).resolve().parents[1]


def load(path: str) -> ModuleType:
    """A module that belongs to no package."""
    name = "ecosystem_" + Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


differences = load("examples/ecosystem/differences.py")
run = load("tests/ecosystem/run.py")


@pytest.mark.parametrize(
    ("numbers", "sigma"),
    [
        ((3.0, 0.3, 2.0, 0.4), 2.0),
        ((1.0, 0.0, 1.0, 0.0), 0.0),
        ((1.0, 0.0, 2.0, 0.0), -math.inf),
        ((1.0, math.inf, 2.0, 0.0), math.inf),
    ],
)
def test_a_difference_is_in_units_of_both_errors(numbers, sigma):
    assert differences.Difference("x", *numbers).sigma == pytest.approx(sigma)


def test_draws_count_by_weights_or_their_own_word_and_no_more_than_rows():
    table = DataFrame({"x": np.arange(4.0)})
    nested = SimpleNamespace(
        sampler="dynesty", posterior=table, meta_data=None, _nested_samples=DataFrame({"weights": [1.0, 1.0, 0.0, 0.0]})
    )
    ours, more = (
        SimpleNamespace(
            sampler="flowpe", posterior=table, meta_data={"run_statistics": {"effective_sample_size": number}}
        )
        for number in (3.0, 300.0)
    )
    chain = SimpleNamespace(sampler="emcee", posterior=DataFrame({"x": [1.0, 1.0, 2.0]}), meta_data={})
    assert [differences.effective_number(one) for one in (nested, ours, more, chain)] == [2.0, 3.0, 4.0, 2.0]


@pytest.mark.parametrize("value", [5.0, math.nan])
def test_a_value_far_from_its_reference_fails_and_is_kept(value, tmp_path, monkeypatch):
    monkeypatch.setattr(differences, "FOLDER", tmp_path)
    comparison = differences.Comparison("numpy", "a sum", "its closed form", [differences.Difference("x", value, 1, 0)])
    with pytest.raises(SystemExit, match="more than 4 sigma from the reference: x"):
        differences.keep(comparison, "sum.py")
    assert json.loads((tmp_path / "sum.json").read_text())["versions"]["numpy"] == np.__version__


def test_every_example_has_its_environment_and_its_values():
    names = {file.stem for file in (ROOT / "examples/ecosystem").glob("*.py")} - {
        "differences",
        "cubic",
    }  # modules of the examples
    assert names == set(run.environments())
    assert names == {file.stem for file in run.VALUES.glob("*.json")}


def test_a_version_that_an_example_pins_goes_before_that_of_the_constraints():
    whole, own = (
        "\n" + run.constraints(one) for one in ([], ["Matplotlib == 3.10.9", "dask[array]==2026.1", "torchaudio==2"])
    )
    for name, there in (("matplotlib", False), ("dask", False), ("torch", True), ("mpld3", True)):
        assert f"\n{name}==" in whole
        assert (f"\n{name}==" in own) is there


def test_the_page_has_the_values_kept():
    before = run.PAGE.read_text()
    assert run.page(before) == before


def test_a_page_without_a_place_for_the_table_is_told():
    with pytest.raises(ValueError, match="0 places for the table"):
        run.page("# Inside other packages")


def test_a_run_that_says_that_it_failed_is_no_value():
    meta = {"run_statistics": {"verdict": "failed", "reasons": ["few draws"]}}
    result = SimpleNamespace(label="run", meta_data=meta, log_evidence=-42.0, log_evidence_err=5.0)
    with pytest.raises(SystemExit, match="the run 'run' has failed: few draws"):
        differences.evidence(result, -42.8)
