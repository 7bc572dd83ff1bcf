"""Runs whose budget has no room for the user's likelihood at every row: what is planned, said and judged."""

from __future__ import annotations

import logging
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.importance import normalised_weights
from bilby_flowpe.results import statistics_of
from bilby_flowpe.reweighting import reweight
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.coarse import CoarseBatches
from bilby_flowpe.sampling.filling import Origin, fill_weighted
from bilby_flowpe.sampling.outcome import Outcome
from bilby_flowpe.sampling.partial import partial_of
from tests.coarse_toy import HALF, LOG_Z, NOISE, TRANSFORM, WIDTH, Coarse, Ridge, log_ridge, target
from tests.sampling.test_coarse import sampled

WANTED, BUDGET = 2000, 5000


def partly(spoilt=None, likelihood: Ridge | None = None, budget: int = BUDGET) -> Outcome:
    coarse = Coarse() if spoilt is None else Coarse(spoilt)
    return sampled(target(coarse, likelihood), budget=budget, wanted=WANTED, refine=False)[1]


def test_the_difference_is_said_and_reliable_where_there_is_none() -> None:
    likelihood = Ridge()
    outcome = partly(lambda a, b: 0.03 * np.sin(30 * a) - 2.0, likelihood)
    partial, summary = outcome.partial, outcome.summary
    assert outcome.verdict.grade == "reliable"
    assert 200 <= partial.n_evaluated == summary.n_kept <= likelihood.calls < 1500
    assert partial.n_rows == summary.n_rows > 1500
    assert partial.efficiency == pytest.approx(math.exp(-0.5 * 0.03**2), abs=3e-4)
    assert partial.shift <= partial.shift_most < 0.02
    assert summary.effective_sample_size > 0.9 * WANTED
    assert abs(summary.log_evidence - LOG_Z) < 4 * summary.log_evidence_err
    # Rows that are not evaluated have the likelihood of the coarse one with the mean ratio to the user's.
    weighted = outcome.weighted
    own = log_ridge(weighted.parameters["a"], weighted.parameters["b"])
    off = (weighted.log_likelihood - own)[np.isfinite(weighted.log_weights)]
    assert np.abs(off).max() < 0.05
    assert np.mean(off == 0) == pytest.approx(partial.n_evaluated / partial.n_rows, abs=0.01)


@pytest.mark.parametrize("slope", [0.1, -0.2, 0.25])
def test_a_slope_in_one_parameter_is_not_reliable(slope: float) -> None:
    """The ratio is nearly one, but the mean of one parameter is off: by a tenth of its width at least."""
    outcome = partly(lambda a, b: slope * (a - 1.0) / WIDTH)
    partial, weighted = outcome.partial, outcome.weighted
    assert outcome.verdict.grade == "check"
    assert any("may be off" in reason and "max_time" in reason for reason in outcome.verdict.reasons)
    assert partial.of.startswith("the mean of ")
    mean = normalised_weights(weighted.log_weights) @ weighted.parameters["a"]
    # b is half of a with a width of its own: both are moved, a the most.
    assert (mean - 1.0) / WIDTH == pytest.approx(slope, abs=0.3 * abs(slope) + 0.07)
    assert partial.shift == pytest.approx(abs(mean - 1.0) / WIDTH, abs=0.07)  # three standard errors of the mean
    # Evidence is right in any case.
    assert abs(outcome.summary.log_evidence - LOG_Z) < 4 * outcome.summary.log_evidence_err


def test_a_scatter_is_not_reliable() -> None:
    """A ratio that has nothing to do with any mean or width, and scatters too much."""
    outcome = partly(lambda a, b: 0.3 * np.sin(200 * a))
    assert outcome.partial.efficiency == pytest.approx(math.exp(-0.5 * 0.3**2), abs=0.02)
    assert outcome.verdict.grade == "check"
    assert any("of the effective draws may be left" in reason for reason in outcome.verdict.reasons)


def test_a_coarse_likelihood_that_is_not_near_has_fewer_rows_that_are_all_evaluated() -> None:
    outcome = partly(lambda a, b: 0.5 * (a - 1.0) / WIDTH, budget=9000)
    assert outcome.partial is None
    assert partial_of(outcome.weighted) is None


def test_a_budget_with_room_for_every_row_changes_nothing() -> None:
    ample, usual = (partly(budget=budget) for budget in (40_000, 200_000))
    assert ample.partial is None
    np.testing.assert_array_equal(ample.weighted.log_weights, usual.weighted.log_weights)


def planned(seconds: float | None, **prices: float):
    """The plan of a batch after draws that took a millisecond each, with the likelihood at a tenth of a second."""
    aim = target()
    aim.meter.seconds_each, aim.meter.seconds_asked = 1e-3, 0.1
    log_coarse = aim.steering().draw(sampled(aim, refine=False)[0].proposal, 4000, np.random.default_rng(1)).log_weights
    aim.meter.seconds_each, aim.meter.seconds_asked = 1e-3, 0.1
    return CoarseBatches(aim, Budget(10**6, seconds), lambda *given: None)._plan(log_coarse, WANTED)


def test_time_is_planned_for_with_prices_as_they_are() -> None:
    usual, ample, short, shorter = (planned(seconds) for seconds in (None, 3600.0, 100.0, 5.0))
    assert usual == ample
    assert not usual.partial
    assert short.partial and not short.short
    # At a tenth of a second there are 95 s for draws and evaluations.
    assert short.n_draws * 1e-3 + short.n_kept * 0.1 == pytest.approx(95.0, abs=1.0)
    assert short.n_wanted > 2 * short.n_kept
    # Time for fifty evaluations tells nothing of the others: fewer rows that are all evaluated.
    assert not shorter.partial
    assert shorter.short


def test_steering_leaves_time_for_evaluations() -> None:
    aim = target()
    aim.meter.seconds_each, aim.meter.seconds_asked = 1e-3, 0.1
    budget = Budget(10**6, 200.0)
    assert budget.evaluations_left(aim.steering()) == pytest.approx(150_000, rel=0.01)
    assert budget.draws_in_time(aim) == pytest.approx(200_000, rel=0.01)
    assert budget.price(aim) == pytest.approx(100.0)
    # Half of the time at most.
    aim.meter.seconds_asked = 1.0
    assert budget.evaluations_left(aim.steering()) == pytest.approx(100_000, rel=0.01)


def test_what_the_log_and_the_result_say(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="bilby"):
        event, outcome = sampled(target(), budget=BUDGET, wanted=WANTED, refine=False)
    assert f"{WANTED} effective draws need about " in caplog.text
    assert "The budget has room for about " in caplog.text
    sampler = SimpleNamespace(
        result=Result(label="run", outdir="."),
        priors=TRANSFORM.priors,
        kwargs={"n_effective": WANTED, "n_posterior": WANTED},
    )
    with caplog.at_level(logging.INFO, logger="bilby"):
        result = fill_weighted(sampler, outcome, event.target, Origin("none", None, 5, {}, time.monotonic()))
    assert statistics_of(result)["coarse"]["partial"] == outcome.partial.to_dict()
    assert f"{outcome.partial.n_evaluated} of them evaluated" in caplog.text
    assert len(result.nested_samples) == outcome.partial.n_rows


def test_reweighting_by_the_same_likelihood_makes_rows_exact() -> None:
    """The log likelihood of a row that is not evaluated agrees with its weight."""
    likelihood = Ridge()
    event, outcome = sampled(
        target(Coarse(lambda a, b: 0.25 * (a - 1.0) / WIDTH), likelihood), BUDGET, WANTED, refine=False
    )
    result = Result(label="run", outdir=".", priors=TRANSFORM.priors, search_parameter_keys=["a", "b"])
    kwargs = {"n_effective": WANTED, "n_posterior": WANTED}
    sampler = SimpleNamespace(result=result, priors=TRANSFORM.priors, kwargs=kwargs)
    fill_weighted(sampler, outcome, event.target, Origin("none", None, 5, {}, time.monotonic()))
    result.log_noise_evidence = NOISE
    exact = reweight(result, likelihood=likelihood)
    assert statistics_of(result)["verdict"] == "check"
    assert statistics_of(exact)["verdict"] == "reliable", statistics_of(exact)["reasons"]
    narrower = PriorDict({"a": Uniform(1.0, HALF), "b": Uniform(-HALF, HALF)})
    # What was measured is of the posterior of the prior that was asked for.
    assert "rows were not evaluated" in statistics_of(reweight(result, priors=narrower))["reasons"][0]
    assert statistics_of(reweight(result, likelihood=likelihood, priors=narrower))["verdict"] == "reliable"

    def off(given: Result) -> float:
        return (np.average(given.nested_samples["a"], weights=given.nested_samples["weights"]) - 1.0) / WIDTH

    assert outcome.partial is not None
    # A standard error of 2000 effective draws is 0.022.
    assert off(result) > 0.1 > 0.08 > abs(off(exact))
