"""One event from proposal to outcome, on networks that are good, poor, and blind to a part of the prior."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from test_refine import LOG_Z, Fast, Start, target

from bilby_flowpe.charts import PriorChart, unreached_share
from bilby_flowpe.outcome import Outcome
from bilby_flowpe.proposals import Shares, defensive
from bilby_flowpe.refine import Budget
from bilby_flowpe.sampling import EventSampler, Wanted


def sample(likelihood: Fast, start: Start | None, refine: bool = True, budget: int = 200_000, seed: int = 1) -> Outcome:
    aim = target(likelihood)
    proposal = None if start is None else defensive(start, aim.transform, Shares())
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    return EventSampler(aim, start, proposal, Wanted(2000, 2000, refine), Budget(budget), generator, rng)()


def right(outcome: Outcome) -> bool:
    summary = outcome.summary
    return abs(summary.log_evidence - LOG_Z) < 5 * summary.log_evidence_err


def test_a_good_network_needs_no_refinement() -> None:
    outcome = sample(Fast((1.0,)), Start(1.02, 0.11))
    assert outcome.refinement is None
    assert outcome.verdict.grade == "reliable"
    assert right(outcome)
    assert outcome.pilot.n_draws == 500


@pytest.mark.parametrize("start", [Start(2.0, 0.1), Start(1.0, 2.0), None])
def test_what_will_not_do_is_refined(start: Start | None) -> None:
    outcome = sample(Fast((1.0,)), start)
    assert outcome.refinement is not None
    assert outcome.verdict.grade == "reliable"
    assert right(outcome)


def test_a_network_that_cannot_reach_the_better_mode_is_not_relied_on() -> None:
    """Its weights look well: the mode within its reach is all that it sees."""
    likelihood, blind = Fast((-1.0, 3.0)), Start(-1.0, 0.1, reach=0.8)
    assert unreached_share(blind, target(likelihood).transform) > 0.9
    before = sample(likelihood, blind, refine=False)
    assert before.summary.efficiency > 0.9
    assert not right(before)
    assert before.verdict.grade == "check"
    assert "cannot reach" in before.verdict.reasons[0]
    after = sample(likelihood, blind)
    assert after.refinement.started_from == "prior"
    assert after.verdict.grade == "reliable"
    assert right(after)


def test_a_small_budget_is_spent_and_said() -> None:
    outcome = sample(Fast((1.0,), width=0.001), None, budget=4000)
    assert outcome.verdict.grade == "failed"
    assert "the budget max_likelihood_evaluations=4000" in outcome.verdict.reasons[0]


def test_the_prior_reaches_itself() -> None:
    transform = target(Fast((1.0,))).transform
    assert unreached_share(PriorChart(transform), transform) == 0


@pytest.mark.parametrize(("effective", "budget"), [(3000, 4000), (5000, 6500), (500, 1000)])
def test_a_budget_a_little_short_is_spent_on_a_good_network(effective: int, budget: int) -> None:
    aim, start = target(Fast((1.0,))), Start(1.0, 0.1)
    proposal = defensive(start, aim.transform, Shares())
    generator, rng = torch.Generator().manual_seed(1), np.random.default_rng(1)
    outcome = EventSampler(aim, start, proposal, Wanted(effective, 2000), Budget(budget), generator, rng)()
    assert outcome.refinement is None
    assert outcome.summary.efficiency > 0.9
    assert right(outcome)
    assert aim.n_likelihood <= budget


class Nowhere(Fast):
    def log_likelihood(self, parameters: dict | None = None) -> float:
        return -np.inf


@pytest.mark.parametrize("start", [None, Start(1.0, 0.1)])
def test_a_likelihood_that_is_zero_everywhere_fails_in_words(start: Start | None) -> None:
    outcome = sample(Nowhere((1.0,)), start)
    assert outcome.verdict.grade == "failed"
    assert len(outcome.rows) == 0


class Slow(Fast):
    def log_likelihood(self, parameters: dict | None = None) -> float:
        time.sleep(1e-3)
        return super().log_likelihood(parameters)


def test_time_that_is_out_ends_the_run() -> None:
    """A millisecond each: a second holds 1000, and each of two stages ends with the block of 500 that it is in."""
    aim = target(Slow((1.0,)))
    generator, rng = torch.Generator().manual_seed(1), np.random.default_rng(1)
    budget = Budget(10**6, seconds=1.0)
    outcome = EventSampler(aim, None, None, Wanted(2000, 2000), budget, generator, rng)()
    assert outcome.verdict.grade == "failed"
    assert "max_time=1 s" in " ".join(outcome.verdict.reasons)
    assert aim.n_likelihood <= 2500
