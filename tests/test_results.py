"""What a run said of itself, and results that no longer are of one run."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result, ResultList
from pandas import DataFrame

from bilby_flowpe.results import is_merged, statistics_of
from bilby_flowpe.selection import bayes_factor


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
