"""Looking for modes on purpose, and what a run says of those it may have missed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood
from bilby.core.prior import Constraint, PriorDict, Uniform
from scipy.special import ndtri

from bilby_flowpe.problems import toys
from bilby_flowpe.proposals.charts import PriorChart
from bilby_flowpe.proposals.mixture import prior_alone
from bilby_flowpe.sampling.looking import Looking
from bilby_flowpe.sampling.modes import about
from bilby_flowpe.sampling.search import LocalSearch
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translate import translated

FEW = 1000


def looking(problem: toys.SolvedProblem, seed: int = 1, most: float = np.inf) -> tuple[Looking, Target]:
    """After a first round of few draws."""
    likelihood, priors, _ = problem
    target = Target(translated(likelihood, priors), False)
    chart = PriorChart(target.prior, target.keys)
    rng = np.random.default_rng(seed)
    left = [most]

    def go_on(size: int) -> bool:
        left[0] -= size
        return left[0] >= 0

    found = Looking(LocalSearch(target, chart, rng, go_on))
    weighted = target.draw(prior_alone(target.prior, target.keys), FEW, rng)
    base, log_jacobian = chart.forward(weighted.draws.parameters)
    found.look(base, weighted.log_target - log_jacobian)
    return found, target


def batch(found: Looking, target: Target, size: int = 4000, seed: int = 7):
    """A batch of the posterior, from the modes that were found."""
    assert found.modes is not None
    proposal = about(found.modes, PriorChart(target.prior, target.keys), target)
    return target.draw(proposal, 4000, np.random.default_rng(7)), proposal


def test_a_single_normal_mode_is_complete() -> None:
    """Four parameters: modes that fit no better than the best draw are excluded by some 1e4 draws."""
    likelihood = toys.CorrelatedGaussian(np.zeros(4), np.eye(4) * 0.05**2)
    found, target = looking((likelihood, toys.uniform(likelihood.keys, -1.0, 1.0), 0.0))
    completeness = found.complete(*batch(found, target), first=4000, seconds=3.0)
    assert completeness is not None
    assert completeness.chance <= 0.01
    assert found.draws > FEW
    assert "that fits no better than the best draw" in completeness.about


@pytest.mark.filterwarnings("error")
def test_any_number_of_draws_is_spread_without_a_warning() -> None:
    likelihood = toys.CorrelatedGaussian(np.zeros(2), np.eye(2) * 0.05**2)
    found, _ = looking((likelihood, toys.uniform(likelihood.keys, -1.0, 1.0), 0.0))
    assert found._spread(100).shape == (100, 2)


def test_draws_are_not_made_where_they_would_not_do() -> None:
    """Modes as small as the narrow one cannot be excluded by any number of draws that there is time for."""
    found, target = looking(toys.unequal_modes(3, 0.01), seed=2)
    assert found.modes is not None
    if len(found.modes.shares) < 2:
        pytest.skip("the narrow mode was not met")
    completeness = found.complete(*batch(found, target), first=FEW, seconds=3.0)
    assert completeness is not None
    assert completeness.chance > 0.5
    assert found.draws == FEW
    assert "2 modes" in completeness.looked


def test_a_mode_that_further_draws_show_is_told() -> None:
    """In three dimensions, few draws find only the wider of two modes; further draws show the narrower one."""
    for seed in range(20):
        found, target = looking(toys.unequal_modes(3, 0.01), seed)
        assert found.modes is not None
        if len(found.modes.shares) == 1:
            break
    assert found.complete(*batch(found, target), first=10 * FEW, seconds=3.0) is None
    assert len(found.modes.shares) == 2


def test_a_budget_that_ends_leaves_the_chance_as_it_is() -> None:
    found, target = looking(toys.correlated_gaussian(4), most=4 * FEW)
    completeness = found.complete(*batch(found, target), first=4000, seconds=3.0)
    assert completeness is not None
    assert completeness.chance > 0.01
    assert found.draws == FEW


def test_a_search_that_was_cut_short_is_not_complete() -> None:
    found, target = looking(toys.correlated_gaussian(4), most=10)
    assert found.modes is None
    prior = prior_alone(target.prior, target.keys)
    completeness = found.complete(target.draw(prior, 4000, np.random.default_rng(0)), prior, first=4000, seconds=3.0)
    assert completeness is not None and completeness.chance == 1.0


@pytest.mark.parametrize(("ndim", "fit"), [(1, 20.0), (2, 20.0), (3, 10.0), (4, 1.0), (9, 1.0)])
def test_how_well_the_modes_fit_that_a_black_box_is_searched_for(ndim: int, fit: float) -> None:
    found, _ = looking(toys.correlated_gaussian(ndim), most=0)
    assert found.fit == fit


def test_data_with_noise_have_no_modes_that_fit_better_than_the_best() -> None:
    x = np.linspace(0, 1, 20)
    likelihood = GaussianLikelihood(x, x, lambda x, slope: slope * x, sigma=0.1)
    found, _ = looking((likelihood, PriorDict({"slope": Uniform(-5, 5, "slope")}), 0.0))
    assert found.fit == 1.0


def test_modes_are_planted_where_the_prior_is() -> None:
    """The volume is that of half a square, which a constraint leaves."""
    likelihood, priors, _ = toys.correlated_gaussian(2)

    def sums(parameters: dict) -> dict:
        return {**parameters, "sum": parameters["x0"] + parameters["x1"]}

    kept = PriorDict({**priors, "sum": Constraint(0, 100)}, conversion_function=sums)
    found, target = looking((likelihood, kept, 0.0), most=0)
    columns, _ = PriorChart(target.prior, target.keys).inverse(ndtri(found._centres), np.random.default_rng(0))
    assert np.all(columns["x0"] + columns["x1"] > -1e-6)


def test_a_posterior_without_any_likelihood_is_not_complete() -> None:
    found, target = looking(toys.correlated_gaussian(2))
    prior = prior_alone(target.prior, target.keys)
    weighted = target.draw(prior, 50, np.random.default_rng(0))
    nowhere = dataclasses.replace(weighted, log_weights=np.full(50, -np.inf))
    completeness = found.complete(nowhere, prior, first=0, seconds=3.0)
    assert completeness is not None and completeness.chance == 1.0


@pytest.mark.parametrize(
    ("chance", "words"), [(0.41, "draws of the prior would exclude it: give search_time="), (0.95, "")]
)
def test_the_verdict_says_what_would_exclude_a_missed_mode(chance: float, words: str) -> None:
    found, target = looking(toys.correlated_gaussian(4), most=0)
    target.meter.seconds_each = 0.02
    remedy = found._remedy(chance, 0.01)
    assert words in remedy
    # ln 0.01 / ln 0.41 is 5.2, so that 4200 more are needed, and twice the 83 seconds are given.
    assert not words or remedy == "about 4000 more draws of the prior would exclude it: give search_time=200"
