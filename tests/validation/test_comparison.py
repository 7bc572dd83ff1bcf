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


@pytest.mark.training
def test_equal_posteriors_are_within_their_floor_and_others_are_not() -> None:
    referee = result(1)
    same = compare_results(result(2), referee, np.random.default_rng(0))
    other = compare_results(result(2, shift=0.3), referee, np.random.default_rng(0))
    for key in KEYS:
        # Twice the 90% floor: one of two parameters is above the floor itself every fifth time.
        assert same["marginals"][key]["jsd"] < 2 * same["marginals"][key]["floor_90"]
        assert other["marginals"][key]["jsd"] > 3 * other["marginals"][key]["floor_90"]


@pytest.mark.training
def test_the_joint_posteriors_are_compared_both_ways() -> None:
    same = compare_results(result(2), result(1), np.random.default_rng(0))["joint"]
    other = compare_results(result(2, shift=0.3), result(1), np.random.default_rng(0))["joint"]
    for way in ("forward", "backward"):
        assert 1.5 * same[way]["null_05"] < same[way]["kl"] < 1.5 * same[way]["null_95"]
        assert other[way]["kl"] > 2 * other[way]["null_95"]


@pytest.mark.training
def test_angles_are_known_by_their_priors() -> None:
    """Posteriors on both sides of the cut of a circle are as close as they would be elsewhere."""
    made = []
    for turn in (0.0, 2.0):
        pair = [result(2), result(1)]
        for one in pair:
            one.posterior["a"] = np.mod(one.posterior["a"] / 4 + turn, 2 * np.pi)
            one.priors["a"] = Uniform(0, 2 * np.pi, boundary="periodic")
        made.append(compare_results(*pair, np.random.default_rng(0))["joint"]["forward"]["kl"])
    assert made[0] == pytest.approx(made[1], abs=1e-9)


def test_repeated_rows_leave_the_rest_of_the_table() -> None:
    repeating = result(1)
    repeating.posterior = pd.concat([repeating.posterior] * 2, ignore_index=True)
    comparison = compare_results(result(2), repeating, np.random.default_rng(0))
    assert "3000 of 9000 samples repeat" in comparison["joint"]["unavailable"]
    assert "joint KL: 3000 of 9000 samples repeat" in format_comparison(comparison, "chain")


@pytest.mark.training
def test_training_is_told_apart_from_sampling() -> None:
    statistics = {"seconds": {"training": 20.0}, "training_seconds": 20.0}
    comparison = compare_results(result(2, statistics=statistics), result(1), np.random.default_rng(0))
    assert comparison["cost"]["flowpe"]["seconds"] == pytest.approx(10.0)
    assert comparison["cost"]["flowpe"]["training_seconds"] == 20.0
    assert comparison["cost"]["referee"]["seconds"] == pytest.approx(30.0)


@pytest.mark.training
def test_table_names_everything() -> None:
    comparison = compare_results(result(2, log_evidence=-2.0), result(1), np.random.default_rng(0))
    assert comparison["evidence"]["n_sigma"] == pytest.approx(1 / np.hypot(0.1, 0.1))
    table = format_comparison(comparison, "dynesty")
    # Columns stay in their places where names are long.
    wide = format_comparison(comparison, "dynesty, a label of many words, as bilby_pipe makes them").split("\n")
    assert len({len(line) for line in wide[: len(KEYS) + 4]}) == 1
    for wanted in (*KEYS, "dynesty", "sigma", "floor", "flowpe || dynesty", "dynesty || flowpe", "chance, 95%"):
        assert wanted in table
