"""Events drawn by a coarse likelihood: what is evaluated, what the evidence is, and what is said of one that is off."""

from __future__ import annotations

import json
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.result import Result

from bilby_flowpe.processes.parallel import Row
from bilby_flowpe.proposals.mixture import Shares, defensive
from bilby_flowpe.results import statistics_of
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.coarse import CoarseBatches, CoarseLikelihoodError, Recentred
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.filling import Origin, fill_weighted
from bilby_flowpe.sampling.outcome import Outcome
from bilby_flowpe.sampling.refine import Refinement
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.thinning.rows import Thinning
from tests.coarse_toy import HALF, LOG_Z, NOISE, TRANSFORM, WIDTH, Coarse, Ridge, log_ridge, nothing, target


class Start:
    """A network's place taken by a normal density of a."""

    keys = ("a",)
    latent = ()
    turn = None

    def forward(self, parameters):
        return (parameters["a"][:, None] - 1.0) / (1.2 * WIDTH), np.full(len(parameters["a"]), -np.log(1.2 * WIDTH))

    def inverse(self, base, rng):
        a = base[:, 0] * 1.2 * WIDTH + 1.0
        return {"a": a}, np.abs(a) <= HALF


def sampled(
    aim: Target,
    budget: int = 200_000,
    wanted: int = 2000,
    seed: int = 1,
    recentred: Recentred | None = None,
    refine: bool = True,
) -> tuple[EventSampler, Outcome]:
    start = Start()
    rng = np.random.default_rng(seed)
    proposal = defensive(start, aim.prior, Shares())
    event = EventSampler(aim, start, proposal, Wanted(wanted, wanted, refine), Budget(budget), rng, recentred=recentred)
    return event, event.run()


@pytest.mark.parametrize("use_ratio", [True, False])
def test_a_good_coarse_likelihood_saves_most_evaluations(use_ratio: bool) -> None:
    likelihood = Ridge()
    event, outcome = sampled(target(Coarse(), likelihood, use_ratio))
    summary, meter = outcome.summary, event.target.meter
    assert outcome.verdict.grade == "reliable"
    log_z = LOG_Z + (0.0 if use_ratio else NOISE)
    assert abs(summary.log_evidence - log_z) < 4 * summary.log_evidence_err
    assert summary.coarse_efficiency == pytest.approx(1.0, abs=1e-9)
    assert summary.effective_sample_size > 2000
    assert summary.n_draws > summary.n_kept
    # The pilot has 500 coarse draws, the batch its own; a trial is a sixteenth. All calls of the likelihood are counted.
    assert likelihood.calls == meter.n_likelihood < 1.3 * summary.n_kept
    assert meter.n_coarse > summary.n_draws
    assert {*event.seconds} == {"pilot", "trial", "weighing"}
    assert outcome.batch.moved == 0
    best = outcome.weighted.log_likelihood.max()
    assert best == pytest.approx(0.0 if use_ratio else NOISE, abs=0.1)


def test_what_the_result_says_of_it() -> None:
    event, outcome = sampled(target(Coarse(lambda a, b: 0.1 * log_ridge(a, b))), wanted=1000)
    sampler = SimpleNamespace(
        result=Result(label="run", outdir="."),
        priors=TRANSFORM.priors,
        kwargs={"n_effective": 1000, "n_posterior": 1000},
    )
    result = fill_weighted(sampler, outcome, event.target, Origin("none", None, 5, {}, time.monotonic()))
    said, summary = statistics_of(result), outcome.summary
    assert said["coarse"] == {"source": "toy", "reference_moved": 0, "floor": 0.01, "lost": 0.0}
    assert said["n_coarse_evaluations"] == event.target.meter.n_coarse
    assert result.num_likelihood_evaluations == said["n_likelihood_evaluations"] == event.target.meter.n_likelihood
    assert [said[key] for key in ("n_draws", "n_kept", "coarse_efficiency", "kept_efficiency", "by_differences")] == [
        summary.n_draws,
        summary.n_kept,
        summary.coarse_efficiency,
        summary.kept_efficiency,
        True,
    ]
    assert said["closed_form"]["n_rows"] >= summary.n_kept
    assert result.log_evidence == summary.log_evidence
    assert len(result.nested_samples) == summary.n_finite == summary.n_kept
    json.dumps(said)


def test_the_steering_target_never_calls_the_likelihood() -> None:
    likelihood = Ridge()
    steering = target(Coarse(), likelihood, use_ratio=False).steering()
    assert steering.coarse
    assert steering.steering().steers
    rng = np.random.default_rng(1)
    weighted = steering.draw(defensive(Start(), steering.prior, Shares()), 2000, rng)
    summary = weighted.summary()
    assert weighted.thinned is None
    assert weighted.by_coarse() is weighted
    assert abs(summary.log_evidence - LOG_Z - NOISE) < 4 * summary.log_evidence_err
    assert likelihood.calls == steering.meter.n_likelihood == 0
    assert steering.meter.n_coarse == 2000 - weighted.n_outside
    # Of an exact conditional, or of none, it is the target itself.
    exact = Coarse()
    exact.exact = True
    assert (one := target(exact)).steering() is one
    assert (bare := Target(one.translated, True)).steering() is bare


@pytest.mark.training
def test_refinement_never_calls_the_likelihood() -> None:
    likelihood = Ridge()
    steering = target(Coarse(), likelihood).steering()
    rng = np.random.default_rng(1)
    refinement = Refinement(steering, None, 100, Budget(6000), rng)
    refinement.run()
    assert len(refinement.rounds) >= 2
    assert likelihood.calls == steering.meter.n_likelihood == 0
    assert refinement.rounds[-1].likelihood_evaluations == steering.meter.n_coarse > 2000


@pytest.mark.parametrize(
    ("spoilt", "efficiency"),
    [
        (lambda a, b: np.full(len(a), -4.0), (0.999, 1.001)),
        (lambda a, b: 0.1 * log_ridge(a, b), (0.95, 0.999)),
        (lambda a, b: 1.2 * (a - 1.0) / WIDTH, (0.15, 0.3)),
    ],
)
def test_a_coarse_likelihood_that_is_off_is_unbiased_and_says_so(spoilt, efficiency: tuple[float, float]) -> None:
    _, outcome = sampled(target(Coarse(spoilt)), refine=False)
    summary = outcome.summary
    assert abs(summary.log_evidence - LOG_Z) < 4 * summary.log_evidence_err
    assert efficiency[0] < summary.coarse_efficiency < efficiency[1]
    told = any("the coarse likelihood differs too much" in reason for reason in outcome.verdict.reasons)
    assert told == (efficiency[1] <= 0.3)
    # A batch is larger where the ratio scatters.
    assert summary.effective_sample_size > 1500


def test_the_reference_moves_to_the_best_draw() -> None:
    places: list[Row] = []

    def recentred(row: Row | None) -> Coarse:
        assert row is not None
        places.append(row)
        return Coarse(nothing if len(places) == 2 else lambda a, b: 0.6 * (a - 1.0) / WIDTH)

    poor = Coarse(lambda a, b: 1.2 * (a - 1.0) / WIDTH)
    event, outcome = sampled(target(poor), recentred=recentred)
    assert len(places) == outcome.batch.moved == 2
    assert all(log_ridge(place["a"], place["b"]) > -0.5 for place in places)
    assert outcome.summary.coarse_efficiency == pytest.approx(1.0, abs=1e-9)
    assert event.target.conditional is not poor
    assert outcome.verdict.grade == "reliable"


@pytest.mark.parametrize("offset", [-4.0, 4.0])
def test_who_is_kept_follows_the_likelihood_of_the_latest_reference(offset: float) -> None:
    """A reference that is off by a factor, too: after it has moved about as many are kept as are wanted, not all or none."""

    def recentred(row: Row | None) -> Coarse:
        return Coarse()

    poor = Coarse(lambda a, b: 0.8 * np.sin(40 * a) + offset)
    _, outcome = sampled(target(poor), recentred=recentred, refine=False, wanted=2000)
    assert outcome.batch.moved == 1
    assert 2000 < outcome.summary.n_kept < 3500
    assert outcome.summary.effective_sample_size > 1900


def test_a_reference_that_cannot_move_stays() -> None:
    _, outcome = sampled(target(Coarse(lambda a, b: 0.8 * (a - 1.0) / WIDTH)), recentred=lambda row: None)
    assert outcome.batch.moved == 0
    assert 0.4 < outcome.summary.coarse_efficiency < 0.65


@pytest.mark.parametrize("spoilt", [lambda a, b: 2.0 * (a - 1.0) / WIDTH, lambda a, b: 2.5 * (b - 0.5 * a) / WIDTH])
def test_a_coarse_likelihood_of_something_else_is_refused(spoilt) -> None:
    with pytest.raises(CoarseLikelihoodError, match="the ratio of the likelihood to the coarse one"):
        sampled(target(Coarse(spoilt)))


def test_a_part_that_the_coarse_likelihood_hardly_sees_is_found_by_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the posterior has a weight of 1e-8 of what it should have: one in a hundred of its draws is kept all the same."""
    monkeypatch.setattr(CoarseBatches, "_require", lambda self, weighted: None)
    _, outcome = sampled(target(Coarse(lambda a, b: np.where(a > 1.0, -18.0, 0.0))), refine=False)
    summary = outcome.summary
    assert outcome.verdict.grade != "reliable"
    assert summary.coarse_efficiency < 0.1
    assert abs(summary.log_evidence - LOG_Z) < 4 * summary.log_evidence_err
    # Half of the posterior would be missing otherwise: six standard errors.
    assert summary.log_evidence_err < math.log(2) / 3


def test_a_part_that_the_coarse_likelihood_has_not_is_told() -> None:
    _, outcome = sampled(target(Coarse(fails=1.0)), refine=False)
    assert any("the coarse likelihood is zero for a fraction of" in reason for reason in outcome.verdict.reasons)
    assert outcome.verdict.grade == "check"


@pytest.mark.parametrize("budget", [1500, 4000])
def test_a_budget_holds_for_both_kinds_together(budget: int) -> None:
    event, outcome = sampled(target(), budget=budget, refine=False)
    meter = event.target.meter
    assert 0.7 * budget < meter.n_all <= budget
    assert meter.n_likelihood > 0
    # Of the larger one some hundred evaluations are left: they tell what the other rows lack.
    assert (outcome.partial is not None) == (budget == 4000)
    assert ("max_likelihood_evaluations" in " ".join(outcome.verdict.reasons)) == (budget == 1500)


def test_rounds_know_nothing_of_weights_by_the_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thinned batch adds its coarse weights to a pool."""
    added = []
    plain = Refinement.add
    monkeypatch.setattr(Refinement, "add", lambda self, weighted, q: added.append(weighted) or plain(self, weighted, q))
    monkeypatch.setattr(Refinement, "run", lambda self: True)
    aim, start = target(Coarse(lambda a, b: 0.3 * (a - 1.0) / WIDTH)), Start()
    rng = np.random.default_rng(1)
    proposal = defensive(start, aim.prior, Shares())
    event = EventSampler(aim, start, proposal, Wanted(100, 100), Budget(10_000), rng)
    thinned = aim.thinned(Thinning(LOG_Z)).draw(proposal, 1000, rng)
    event._refined(event._new_refinement(), [(thinned, proposal)])
    assert len(added) > 1
    assert all(weighted.thinned is None for weighted in added)
    np.testing.assert_array_equal(added[0].log_weights, thinned.thinned.log_coarse)
    assert not np.array_equal(added[0].log_weights, thinned.log_weights)
