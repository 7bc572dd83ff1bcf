"""Results filled with draws, what a run says of itself in them, and results that no longer are of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result, ResultList, read_in_result
from pandas import DataFrame

from bilby_flowpe.importance import summarise
from bilby_flowpe.results import KEY, Drawn, error_of_evidence, fill, is_merged, statistics_of
from bilby_flowpe.selection import bayes_factor
from bilby_flowpe.verdict import Verdict


def made(log_evidence: float, seed: int, use_ratio: bool = False, **said: float) -> Result:
    rows = DataFrame({"a": np.random.default_rng(seed).random(50), "log_likelihood": 0.0, "log_prior": 0.0})
    statistics = {"log_evidence": log_evidence, "log_evidence_err": 0.1, "seed": seed, "verdict": "reliable", **said}
    noise = -900.0
    return Result(
        label=f"run{seed}",
        outdir=".",
        sampler="flowpe",
        use_ratio=use_ratio,
        search_parameter_keys=["a"],
        fixed_parameter_keys=[],
        constraint_parameter_keys=[],
        priors=PriorDict({"a": Uniform(0, 1)}),
        posterior=rows,
        nested_samples=rows.assign(weights=1 / len(rows)),
        log_evidence=log_evidence + (noise if use_ratio else 0.0),
        log_bayes_factor=log_evidence - (0.0 if use_ratio else noise),
        log_evidence_err=0.1,
        log_noise_evidence=noise,
        num_likelihood_evaluations=1,
        meta_data={"run_statistics": statistics},
        injection_parameters={},
    )


@pytest.mark.parametrize("use_ratio", [False, True])
def test_a_run_is_its_own(use_ratio: bool) -> None:
    result = made(-3.0, 1, use_ratio)
    assert statistics_of(result)["verdict"] == "reliable"
    assert not is_merged(result)


def test_raw_draws_and_other_samplers_are_not_merged() -> None:
    raw = made(-3.0, 1)
    del raw.meta_data["run_statistics"]["log_evidence"]
    assert not is_merged(raw)
    raw.meta_data = None
    assert statistics_of(raw) == {}
    assert not is_merged(raw)


@pytest.mark.parametrize("use_ratio", [False, True])
def test_bilbys_merging_is_noticed(use_ratio: bool) -> None:
    merged = ResultList([made(-3.0, 1, use_ratio), made(-3.05, 2, use_ratio)]).combine()
    # Bilby's own: the first run's words stay with it.
    assert statistics_of(merged)["seed"] == 1
    assert is_merged(merged)
    # Its error is not that of the first run, and any of its seeds may be the other's.
    factor = bayes_factor(merged, made(-3.0, 2, use_ratio))
    assert factor.one_seed
    assert factor.error == pytest.approx(merged.log_evidence_err + 0.1)


TABLE = DataFrame(
    {"a": [0.1, 0.2, 0.3], "b": [1.0, 2.0, 3.0], "log_likelihood": [-1.0, -2.0, -np.inf], "log_prior": [0.0, 0.5, 0.0]}
)
SAMPLES = TABLE[["a", "b"]].to_numpy()
LOG_WEIGHTS = np.array([0.0, np.log(3.0), -np.inf, -np.inf])  # the last draw is not kept in the table


def filled(drawn: Drawn, verdict: Verdict, **more: Any) -> Result:
    return fill(Result(label="run", outdir=".", meta_data={"own": 1}), drawn, verdict, 7, more)


def test_weighted_draws_fill_a_result() -> None:
    summary = summarise(LOG_WEIGHTS)
    drawn = Drawn(TABLE, SAMPLES, np.array([1]), LOG_WEIGHTS, summary, log_evidence_err=0.2)
    result = filled(drawn, Verdict("check", ("few rows",)), edges={}, log_evidence_err=0.2)
    np.testing.assert_array_equal(result.samples, [[0.2, 2.0]])
    np.testing.assert_array_equal(result.log_likelihood_evaluations, [-2.0])
    np.testing.assert_array_equal(result.log_prior_evaluations, [0.5])
    assert list(result.nested_samples) == ["a", "b", "log_likelihood", "log_prior", "weights"]
    np.testing.assert_allclose(result.nested_samples["weights"], [0.25, 0.75], rtol=1e-15)
    assert (result.log_evidence, result.log_evidence_err) == (summary.log_evidence, 0.2)
    assert result.num_likelihood_evaluations == 7
    assert result.meta_data["own"] == 1
    assert statistics_of(result) == {
        **summary.to_dict(), "n_equal_weight": 1, "n_likelihood_evaluations": 7, "importance_weighted": True,
        "verdict": "check", "reasons": ["few rows"], "edges": {}, "log_evidence_err": 0.2,
    }  # fmt: skip


def test_raw_draws_fill_a_result() -> None:
    result = filled(Drawn(TABLE, SAMPLES, np.array([0, 1])), Verdict("check"))
    np.testing.assert_array_equal(result.samples, TABLE[["a", "b"]][:2])
    assert np.isnan(result.log_evidence) and np.isnan(result.log_evidence_err)
    with pytest.raises(ValueError, match="no stored nested samples"):
        _ = result.nested_samples
    statistics = statistics_of(result)
    assert (statistics["n_draws"], statistics["n_equal_weight"], statistics["importance_weighted"]) == (3, 2, False)
    assert "log_evidence" not in statistics


def test_draws_without_any_weight_fill_an_empty_result() -> None:
    nowhere = np.full(4, -np.inf)
    drawn = Drawn(TABLE, SAMPLES, np.array([], dtype=int), nowhere, summarise(nowhere))
    result = filled(drawn, Verdict("failed", ("nothing",)))
    assert len(result.nested_samples) == len(result.samples) == 0
    assert result.log_evidence == -np.inf


def test_the_error_of_an_evidence_has_two_parts() -> None:
    summary = summarise(np.random.default_rng(1).standard_normal(100))
    assert error_of_evidence(summary, 0.0) == summary.log_evidence_err
    assert error_of_evidence(summary, 3 * summary.log_evidence_err) == pytest.approx(
        summary.log_evidence_err * np.sqrt(10)
    )


@pytest.mark.training
@pytest.mark.parametrize("name", ["weights", "log_likelihood", "log_prior"])
def test_a_parameter_may_have_the_name_of_another_column(name: str, tmp_path: Path) -> None:
    """As with Bilby's other samplers, the posterior has those values that Bilby keeps."""

    class Bell(Likelihood):
        def log_likelihood(self, parameters: dict) -> float:
            return -0.5 * ((parameters[name] - 0.5) ** 2 + (parameters["b"] - 0.5) ** 2) / 0.1**2

    result = bilby.run_sampler(
        Bell(), PriorDict({name: Uniform(0, 1), "b": Uniform(0, 1)}), sampler="flowpe", network="none", n_effective=300,
        sampling_seed=3, outdir=str(tmp_path), label="run", progress=False,
    )  # fmt: skip
    assert result.samples.shape[1] == 2
    # The mean of a normal of width 0.1 from 200 rows or more.
    assert abs(result.samples[:, 0].mean() - 0.5) < 5 * 0.1 / np.sqrt(len(result.samples))
    assert result.log_evidence == pytest.approx(np.log(2 * np.pi * 0.1**2), abs=0.2)


def test_statistics_are_those_that_were_written_whatever_the_file(tmp_path: Path) -> None:
    """Bilby reads arrays from HDF5 where lists were written."""
    said = {"verdict": "check", "reasons": ["few draws"], "refinement": {"rounds": [1, 2], "empty": []}, "seed": 3}
    priors = PriorDict({"x": Uniform(0, 2)})
    result = Result("a", str(tmp_path), "flowpe", ["x"], [], [], priors, {}, meta_data={KEY: said})
    result.posterior = DataFrame({"x": [1.0]})
    result.save_to_file(extension="hdf5")
    found = statistics_of(read_in_result(str(tmp_path / "a_result.hdf5")))
    assert found == said
    assert type(found["refinement"]["rounds"]) is list
