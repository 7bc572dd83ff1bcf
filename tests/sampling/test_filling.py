"""Entries of Bilby's result for weighted and for raw draws, beside the draws themselves."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.proposals.mixture import Shares, defensive
from bilby_flowpe.results import statistics_of
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.filling import Origin, fill_raw, fill_weighted
from bilby_flowpe.sampling.outcome import KnownOfData
from tests.sampling.test_refine import Fast, Start, target


def made(n_posterior: int = 200) -> tuple[Any, EventSampler]:
    """A sampler with a result to be filled, and a sampler of its event."""
    aim, start = target(Fast((1.0,))), Start(1.02, 0.11)
    rng = np.random.default_rng(1)
    wanted = Wanted(1000, n_posterior, refine=False)
    event = EventSampler(aim, start, defensive(start, aim.prior, Shares()), wanted, Budget(50_000), rng)
    sampler = SimpleNamespace(
        result=Result(label="run", outdir="."),
        priors=PriorDict({"a": Uniform(-5, 5)}),
        kwargs={"n_effective": 1000, "n_posterior": n_posterior},
    )
    return sampler, event


ORIGIN = Origin("none", None, 5, {"weighing": 1.5}, time.monotonic())


def test_weighted_draws() -> None:
    sampler, event = made()
    outcome = event.run()
    result = fill_weighted(sampler, outcome, event.target, ORIGIN)
    statistics = statistics_of(result)
    assert result is sampler.result and len(result.samples) == len(outcome.rows) == 200
    assert statistics["model"] == "none" and statistics["seed"] == 5
    assert statistics["seconds"]["weighing"] == 1.5 and statistics["seconds"]["total"] >= 0
    assert ORIGIN.seconds == {"weighing": 1.5}
    assert statistics["pilot_efficiency"] == outcome.batch.pilot.efficiency
    assert statistics["verdict"] == outcome.verdict.grade
    assert statistics["n_likelihood_evaluations"] == event.target.meter.n_likelihood
    assert {"refinement", "surprise", "window_factor"}.isdisjoint(statistics)
    weighted = outcome.weighted
    alive = np.isfinite(weighted.log_weights)
    np.testing.assert_array_equal(result.nested_samples["a"], weighted.parameters["a"][alive])
    np.testing.assert_array_equal(result.log_likelihood_evaluations, weighted.log_likelihood[outcome.rows])


def test_raw_draws() -> None:
    sampler, event = made()
    batch = event.raw()
    result = fill_raw(sampler, batch, event.target, ORIGIN)
    np.testing.assert_array_equal(result.samples[:, 0], batch.weighted.parameters["a"][batch.rows])
    statistics = statistics_of(result)
    assert statistics["verdict"] == "check"
    assert statistics["reasons"] == ["raw network draws: not weighted by the likelihood, no evidence"]
    assert statistics["n_draws"] == 200 >= statistics["n_equal_weight"] == len(batch.rows)


def test_a_closed_form_that_failed_makes_raw_draws_fail() -> None:
    sampler, event = made()
    batch = event.raw()
    event.target.closed_form.largest = 0.3
    statistics = statistics_of(fill_raw(sampler, batch, event.target, ORIGIN))
    assert statistics["verdict"] == "failed"
    assert "differs from the likelihood by 0.3" in statistics["reasons"][0]
    assert "raw network draws" in statistics["reasons"][1]


def test_an_outcome_is_whole_and_does_not_change() -> None:
    _, event = made()
    outcome = event.run()
    for field in dataclasses.fields(outcome):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(outcome, field.name, None)


def test_without_a_model_nothing_is_known_of_the_data() -> None:
    assert KnownOfData.by(None) == KnownOfData(None, None)
    bound = SimpleNamespace(log_likelihood_found=3.0, surprise=len)
    assert KnownOfData.by(bound) == KnownOfData(3.0, surprise=len)
