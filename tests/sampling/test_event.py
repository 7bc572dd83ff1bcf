"""Tests of an event from proposal to outcome, with networks that are good, poor, or blind to a part of the prior."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Constraint, Gaussian, PriorDict, Uniform
from scipy.stats import norm

from bilby_flowpe.errors import DataError
from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.problems.toys import unequal_modes
from bilby_flowpe.processes.parallel import make_rows
from bilby_flowpe.proposals.charts import PriorChart, unreached_share
from bilby_flowpe.proposals.mixture import Shares, defensive
from bilby_flowpe.proposals.parts import Normal
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.event import EventSampler, Wanted
from bilby_flowpe.sampling.looking import Looking
from bilby_flowpe.sampling.outcome import KnownOfData, Outcome
from bilby_flowpe.sampling.start import Searched, misses
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.surprise import DISTANCE, Surprise
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.verdict import judge
from tests import coarse_toy
from tests.sampling.test_refine import LOG_Z, Fast, Start, target


def sample(likelihood: Fast, start: Start | None, refine: bool = True, budget: int = 200_000, seed: int = 1) -> Outcome:
    aim = target(likelihood)
    proposal = None if start is None else defensive(start, aim.prior, Shares())
    rng = np.random.default_rng(seed)
    return EventSampler(aim, start, proposal, Wanted(2000, 2000, refine), Budget(budget), rng).run()


def right(outcome: Outcome) -> bool:
    summary = outcome.summary
    return abs(summary.log_evidence - LOG_Z) < 5 * summary.log_evidence_err


def test_a_good_network_needs_no_refinement() -> None:
    outcome = sample(Fast((1.0,)), Start(1.02, 0.11))
    assert outcome.refinement is None
    assert outcome.verdict.grade == "reliable"
    assert right(outcome)
    assert outcome.batch.pilot.n_draws == 500


def test_surprising_data_are_told_and_no_reason_to_refine() -> None:
    aim, start, asked = target(Fast((1.0,))), Start(1.02, 0.11), []

    def surprise(residual: float | None) -> Surprise:
        asked.append(residual)
        return Surprise(1e-5, {DISTANCE: 1e-5}, {DISTANCE: 300.0})

    proposal = defensive(start, aim.prior, Shares())
    rng = np.random.default_rng(1)
    wanted, budget = Wanted(2000, 2000), Budget(200_000)
    outcome = EventSampler(aim, start, proposal, wanted, budget, rng, KnownOfData(surprise=surprise)).run()
    assert outcome.refinement is None
    assert outcome.verdict.grade == "check"
    assert "unlike what likelihood and prior describe" in outcome.verdict.reasons[0]
    assert outcome.surprise.p_value == 1e-5
    assert asked == [None]  # no gravitational-wave data, no residual


@pytest.mark.training
@pytest.mark.parametrize("start", [Start(2.0, 0.1), Start(1.0, 2.0)])
def test_what_will_not_do_is_refined(start: Start) -> None:
    outcome = sample(Fast((1.0,)), start)
    assert outcome.refinement is not None
    assert outcome.verdict.grade == "reliable"
    assert right(outcome)


@pytest.mark.training
def test_without_a_network_the_chance_of_a_missed_mode_decides() -> None:
    outcome = sample(Fast((1.0,)), None)
    assert right(outcome)
    completeness = outcome.batch.completeness
    assert completeness is not None and completeness.chance < 0.05
    # Nothing else is the matter.
    assert outcome.verdict.grade == ("check" if completeness.chance > 0.01 else "reliable")
    assert [reason for reason in outcome.verdict.reasons if "would have gone unnoticed" not in reason] == []


@pytest.mark.training
def test_a_narrow_mode_is_found_or_no_reliable_result() -> None:
    """Seven in ten first rounds do not meet it; draws that are added to exclude such modes do."""
    likelihood, priors, log_evidence = unequal_modes(2, 0.001)
    aim = Target(as_it_stands(problem_of(likelihood, PriorTransform(priors))), use_ratio=False)
    rng = np.random.default_rng(1)
    outcome = EventSampler(aim, None, None, Wanted(2000, 2000), Budget(100_000), rng).run()
    assert outcome.summary.log_evidence == pytest.approx(log_evidence, abs=5 * outcome.summary.log_evidence_err)
    # Others as narrow cannot be excluded.
    assert outcome.verdict.grade == "check"


@pytest.mark.training
def test_a_narrow_mode_that_is_missed_is_no_reliable_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run looks for modes with the draws of the first round only."""
    monkeypatch.setattr(Looking, "_affordable", lambda self, seconds: 0)
    monkeypatch.setattr("bilby_flowpe.sampling.looking._LEAST_MORE", np.inf)
    likelihood, priors, log_evidence = unequal_modes(2, 0.001)
    aim = Target(as_it_stands(problem_of(likelihood, PriorTransform(priors))), use_ratio=False)
    outcome = EventSampler(aim, None, None, Wanted(2000, 2000), Budget(100_000), np.random.default_rng(2)).run()
    # Wrong by the missing half, and by its own weights perfectly well.
    assert outcome.summary.log_evidence == pytest.approx(log_evidence - np.log(2), abs=0.1)
    assert judge(outcome.summary).grade == "reliable"
    assert outcome.verdict.grade == "check"


class Far(Likelihood):
    """A normal density of width 0.5 around a place that a standard normal prior hardly reaches."""

    def __init__(self, centre: float) -> None:
        super().__init__()
        self.centre = centre

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return -0.5 * ((parameters["a"] - self.centre) / 0.5) ** 2


def far(centre: float, priors: PriorDict) -> Outcome:
    aim = Target(as_it_stands(problem_of(Far(centre), PriorTransform(priors))), use_ratio=False)
    rng = np.random.default_rng(1)
    return EventSampler(aim, None, None, Wanted(1500, 2000), Budget(60_000), rng).run()


@pytest.mark.slow
@pytest.mark.parametrize("centre", [12.0, -15.0])
def test_a_posterior_beyond_the_quantiles_of_its_prior_is_drawn_by_value(centre: float) -> None:
    """A prior's quantiles end at 8 standard deviations; the posterior is at 9.6, or at -12."""
    outcome = far(centre, PriorDict({"a": Gaussian(0, 1)}))
    # The convolution of both normal densities at the centre, times the norm of the likelihood.
    exact = norm(0, np.sqrt(1.25)).logpdf(centre) + np.log(0.5 * np.sqrt(2 * np.pi))
    assert outcome.summary.log_evidence == pytest.approx(exact, abs=5 * outcome.summary.log_evidence_err)
    assert outcome.summary.effective_sample_size >= 1500
    assert outcome.verdict.grade == "check"
    assert "mixture in values" in outcome.proposal.names


@pytest.mark.slow
def test_a_tied_posterior_beyond_the_quantiles_of_its_prior_fails() -> None:
    """A parameter tied to others by a constraint is drawn by its quantiles only, and piles up at the last of them."""
    priors = PriorDict(
        {"a": Gaussian(0, 1), "b": Uniform(0, 1), "sum": Constraint(-30, 30)},
        conversion_function=lambda sample: {**sample, "sum": sample["a"] + sample["b"]},
    )
    outcome = far(12.0, priors)
    assert outcome.verdict.grade == "failed"
    assert "tail of the prior of a" in " ".join(outcome.verdict.reasons)


@pytest.mark.training
def test_a_likelihood_that_is_no_number_is_counted() -> None:
    class Half(Fast):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return np.nan if parameters["a"] > 1.0 else super().log_likelihood(parameters)

    outcome = sample(Half((1.0,)), Start(1.0, 0.1))
    assert outcome.verdict.grade == "failed"
    assert "not a number (NaN)" in outcome.verdict.reasons[0]


def test_an_infinite_likelihood_is_refused_with_its_row() -> None:
    class Infinite(Fast):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return np.inf if parameters["a"] > 1.2 else super().log_likelihood(parameters)

    with pytest.raises(DataError, match=r"log likelihood is infinite at \{'a': 1"):
        sample(Infinite((1.0,)), Start(1.0, 0.1))


def test_a_budget_that_ends_before_enough_effective_draws_fails() -> None:
    outcome = sample(Fast((1.0,)), Start(1.0, 0.1), refine=False, budget=1500)
    assert outcome.verdict.grade == "failed"
    reason = outcome.verdict.reasons[0]
    assert "the budget max_likelihood_evaluations=1500" in reason
    assert f"ended with {outcome.summary.effective_sample_size:.0f} effective draws of n_effective=2000" in reason
    assert right(outcome)


def test_few_rows_that_were_asked_for_are_no_reason() -> None:
    aim, start = target(Fast((1.0,))), Start(1.02, 0.11)
    proposal = defensive(start, aim.prior, Shares())
    rng = np.random.default_rng(1)
    outcome = EventSampler(aim, start, proposal, Wanted(2000, 20), Budget(200_000), rng).run()
    assert outcome.refinement is None
    assert outcome.verdict.grade == "reliable"
    assert len(outcome.rows) == 20


def test_a_constant_likelihood_has_parts_that_cannot_disagree() -> None:
    class Constant(Fast):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return 0.0

    outcome = sample(Constant((1.0,)), None)
    assert outcome.summary.log_evidence == pytest.approx(0.0, abs=1e-6)
    assert not [reason for reason in outcome.verdict.reasons if "disagree" in reason]


@pytest.mark.training
def test_a_network_that_cannot_reach_the_better_mode_is_not_relied_on() -> None:
    """Its weights look well: the mode within its reach is all that it sees."""
    likelihood, blind = Fast((-1.0, 3.0)), Start(-1.0, 0.1, reach=0.8)
    assert unreached_share(blind, target(likelihood).prior) > 0.9
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
    transform = target(Fast((1.0,))).prior
    assert unreached_share(PriorChart(transform), transform) == 0


@pytest.mark.parametrize(("effective", "budget"), [(3000, 4000), (5000, 6500), (500, 1000)])
def test_a_budget_a_little_short_is_spent_on_a_good_network(effective: int, budget: int) -> None:
    aim, start = target(Fast((1.0,))), Start(1.0, 0.1)
    proposal = defensive(start, aim.prior, Shares())
    rng = np.random.default_rng(1)
    outcome = EventSampler(aim, start, proposal, Wanted(effective, 2000), Budget(budget), rng).run()
    assert outcome.refinement is None
    assert outcome.summary.efficiency > 0.9
    assert right(outcome)
    assert aim.meter.n_likelihood <= budget


class Nowhere(Fast):
    def log_likelihood(self, parameters: dict | None = None) -> float:
        return -np.inf


@pytest.mark.parametrize("start", [None, Start(1.0, 0.1)])
def test_a_likelihood_that_is_zero_everywhere_fails_in_words(start: Start | None) -> None:
    outcome = sample(Nowhere((1.0,)), start)
    assert outcome.verdict.grade == "failed"
    assert "none of 3000 draws from the prior has a likelihood above zero" in outcome.verdict.reasons[0]
    assert len(outcome.rows) == 0


class Slow(Fast):
    def log_likelihood(self, parameters: dict | None = None) -> float:
        time.sleep(1e-3)
        return super().log_likelihood(parameters)


@pytest.mark.training
def test_time_that_is_out_ends_the_run() -> None:
    """A millisecond each: a second holds a thousand; what was drawn first leaves time for the batch that counts."""
    aim = target(Slow((1.0,)))
    rng = np.random.default_rng(1)
    budget = Budget(10**6, seconds=1.0)
    outcome = EventSampler(aim, None, None, Wanted(2000, 2000), budget, rng).run()
    assert outcome.verdict.grade == "failed"
    assert "max_time=1 s" in " ".join(outcome.verdict.reasons)
    assert aim.meter.n_likelihood <= 1500
    assert f"{aim.meter.n_likelihood} draws from the prior" in " ".join(outcome.verdict.reasons)


def test_a_batch_that_time_has_cut_lets_its_parts_scatter() -> None:
    """The numbers of draws from the parts depend on when the time ran out."""
    aim = target(Fast((1.0,)))
    proposal = defensive(Start(1.0, 0.1), aim.prior, Shares())
    rng = np.random.default_rng(1)
    weighted = aim.draw(proposal, 5000, rng, go_on=lambda: aim.meter.n_likelihood < 300)
    assert not weighted.allotted
    assert 300 <= len(weighted.log_weights) < 1000
    assert weighted.summary() == summarise(weighted.log_weights)
    assert aim.draw(proposal, 500, rng, go_on=lambda: True).allotted


def searched_for(aim: Target, log_ratios: Callable[[Parameters], np.ndarray]) -> KnownOfData:
    """Hold what a search knows: draws of the prior, and their likelihood."""
    columns = aim.prior.sample(4000, np.random.default_rng(8))
    return KnownOfData(searched=Searched(columns, log_ratios(columns), tuple(aim.keys)))


class Adapted(Start):
    """The same as a network that serves many problems, which knows of one signal alone."""

    density, can_start = Normal(2), True

    def cut(self, parameters: Parameters, log_weights: np.ndarray) -> float:
        return 0.0


def by_family(start: Start, likelihood: Fast, seed: int = 1) -> tuple[EventSampler, Outcome]:
    aim = target(likelihood)
    known = searched_for(
        aim, lambda columns: np.array([likelihood.log_likelihood(row) for row in make_rows({}, columns)])
    )
    proposal = defensive(start, aim.prior, Shares())
    event = EventSampler(aim, start, proposal, Wanted(1000, 1000), Budget(100_000), np.random.default_rng(seed), known)
    return event, event.run()


def test_a_network_that_is_bound_to_what_a_search_found() -> None:
    """It knows nothing of other modes: the verdict tells how these were looked for, and nothing of what it does not reach."""
    event, outcome = by_family(Adapted(1.02, 0.11), Fast((1.0,)))
    assert event.adapted is event.chart and outcome.refinement is None
    assert right(outcome)
    assert outcome.batch.unreached is None and outcome.batch.completeness is not None
    # The share of the prior is small beside such a network.
    assert event.proposal.names == ("flow", "broadened flow", "prior") and event.proposal.shares[-1] == 0.005


@pytest.mark.training
def test_a_refinement_in_the_coordinates_of_a_network_of_a_family() -> None:
    event, outcome = by_family(Adapted(1.0, 2.0), Fast((1.0,)))
    assert outcome.refinement is not None and right(outcome)
    assert outcome.refinement.started_from == "network" and outcome.refinement.chart is event.chart


class OfA:
    """A network's place taken by a normal density of a; b is drawn by the coarse likelihood."""

    keys, latent, turn = ("a",), (), None
    density, can_start = Normal(1), True

    def cut(self, parameters: Parameters, log_weights: np.ndarray) -> float:
        return 0.0

    def __init__(self, centre: float, scale: float) -> None:
        self.centre, self.scale = centre, scale

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        a = parameters["a"]
        return (a[:, None] - self.centre) / self.scale, np.full(len(a), -np.log(self.scale))

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        a = base[:, 0] * self.scale + self.centre
        return {"a": a}, np.abs(a) <= coarse_toy.HALF


@pytest.mark.parametrize(("centre", "refined"), [(1.0, False), pytest.param(-4.0, True, marks=pytest.mark.training)])
def test_where_a_network_of_a_family_is_poor_a_run_goes_on_from_the_search(
    centre: float, refined: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bilby.core.utils.logger, "propagate", True)
    aim = coarse_toy.target()
    start = OfA(centre, 1.2 * coarse_toy.WIDTH)
    known = searched_for(aim, lambda columns: coarse_toy.log_ridge(columns["a"], 0.5 * columns["a"]))
    proposal = defensive(start, aim.prior, Shares())
    event = EventSampler(aim, start, proposal, Wanted(1000, 1000), Budget(100_000), np.random.default_rng(1), known)
    with caplog.at_level("INFO", logger="bilby"):
        outcome = event.run()
    assert "The network's efficiency on this event is about" in caplog.text
    assert (outcome.refinement is not None) == refined
    if outcome.refinement is not None:
        # About the search's best rows, and not in the network's coordinates.
        assert outcome.refinement.chart is not start and outcome.refinement.from_search
    summary = outcome.summary
    assert abs(summary.log_evidence - coarse_toy.LOG_Z) < 4 * summary.log_evidence_err


class Half(OfA):
    """A network that draws no a below one."""

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        base, log_jacobian = super().forward(parameters)
        return base, np.where(parameters["a"] > 1.0, log_jacobian, -np.inf)

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        parameters, inside = super().inverse(base, rng)
        return parameters, inside & (parameters["a"] > 1.0)


def test_a_network_that_reaches_a_part_of_the_posterior_alone_misses_the_rest() -> None:
    aim = coarse_toy.target()
    rng = np.random.default_rng(1)
    for start, missed in ((Half(1.0, 1.2 * coarse_toy.WIDTH), True), (OfA(1.0, 1.2 * coarse_toy.WIDTH), False)):
        proposal = defensive(start, aim.prior, Shares(prior=0.2))
        assert misses(start, aim.draw(proposal, 500, rng)) == missed
    nothing = replace(aim.draw(proposal, 10, rng), log_weights=np.full(10, -np.inf))
    assert not misses(start, nothing)


class CutAtLast(OfA):
    """A network whose posterior shows to be cut once there are more draws than those of the pilot."""

    def cut(self, parameters: Parameters, log_weights: np.ndarray) -> float:
        return float(len(log_weights) > 500)


def of_toy(network: OfA, refine: bool) -> Outcome:
    aim = coarse_toy.target()
    known = searched_for(aim, lambda columns: coarse_toy.log_ridge(columns["a"], 0.5 * columns["a"]))
    proposal, wanted = defensive(network, aim.prior, Shares()), Wanted(1000, 1000, refine=refine)
    return EventSampler(aim, network, proposal, wanted, Budget(100_000), np.random.default_rng(1), known).run()


def test_what_a_network_cannot_draw_is_told_where_nothing_may_be_refined() -> None:
    outcome = of_toy(CutAtLast(1.0, 1.2 * coarse_toy.WIDTH), refine=False)
    assert outcome.verdict.grade == "check" and outcome.refinement is None
    assert "where the network does not draw: use network='none'" in outcome.verdict.reasons[0]


@pytest.mark.training
def test_what_a_network_cannot_draw_is_refined_about_the_search() -> None:
    outcome = of_toy(CutAtLast(1.0, 1.2 * coarse_toy.WIDTH), refine=True)
    assert outcome.refinement is not None and outcome.refinement.started_from != "network"
    assert abs(outcome.summary.log_evidence - coarse_toy.LOG_Z) < 4 * outcome.summary.log_evidence_err
    # How efficient the network was is told, whatever drew in the end.
    assert outcome.batch.pilot is not None
