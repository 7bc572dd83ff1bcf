"""Two results side by side."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.validation import compare_results, format_comparison

KEYS = ["a", "b"]


def result(seed: int, shift: float = 0.0, log_evidence: float = -3.0, statistics: dict | None = None) -> Result:
    rng = np.random.default_rng(seed)
    posterior = pd.DataFrame({key: rng.standard_normal(3000) + shift for key in KEYS})
    made = Result(
        search_parameter_keys=KEYS,
        priors=PriorDict({key: Uniform(-9, 9) for key in KEYS}),
        posterior=posterior,
        log_evidence=log_evidence,
        log_evidence_err=0.1,
        meta_data={"run_statistics": statistics or {}},
    )
    made.sampling_time = datetime.timedelta(seconds=30)
    return made


def test_equal_posteriors_are_within_their_floor_and_others_are_not() -> None:
    referee = result(1)
    same = compare_results(result(2), referee, np.random.default_rng(0))
    other = compare_results(result(2, shift=0.3), referee, np.random.default_rng(0))
    for key in KEYS:
        # Twice the 90% floor: one of two parameters is above the floor itself every fifth time.
        assert same["marginals"][key]["jsd"] < 2 * same["marginals"][key]["floor_90"]
        assert other["marginals"][key]["jsd"] > 3 * other["marginals"][key]["floor_90"]


def test_training_is_told_apart_from_sampling() -> None:
    statistics = {"seconds": {"training": 20.0}, "training_seconds": 20.0}
    comparison = compare_results(result(2, statistics=statistics), result(1), np.random.default_rng(0))
    assert comparison["cost"]["flowpe"]["seconds"] == pytest.approx(10.0)
    assert comparison["cost"]["flowpe"]["training_seconds"] == 20.0
    assert comparison["cost"]["referee"]["seconds"] == pytest.approx(30.0)


def test_table_names_everything() -> None:
    comparison = compare_results(result(2, log_evidence=-2.0), result(1), np.random.default_rng(0))
    assert comparison["evidence"]["n_sigma"] == pytest.approx(1 / np.hypot(0.1, 0.1))
    table = format_comparison(comparison, "dynesty")
    for wanted in (*KEYS, "dynesty", "sigma", "floor"):
        assert wanted in table
