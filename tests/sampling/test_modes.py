"""Modes among draws of the prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from scipy.special import ndtr

from bilby_flowpe.problems import toys
from bilby_flowpe.proposals.charts import PriorChart
from bilby_flowpe.proposals.parts import PRIOR, Normal
from bilby_flowpe.sampling import modes
from bilby_flowpe.sampling.modes import Modes, find_modes, local_maxima, neighbours
from bilby_flowpe.sampling.search import Climb, LocalSearch
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translate import translated

Problem = Callable[[], toys.SolvedProblem]


def hunt(
    problem: toys.SolvedProblem, size: int, go_on: Callable[[int], bool] = lambda size: True, seed: int = 1
) -> tuple[Modes, Target]:
    likelihood, priors, _ = problem
    target = Target(translated(likelihood, priors), False)
    chart = PriorChart(target.prior, target.keys)
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((size, len(chart.keys)))
    log_density = LocalSearch(target, chart, rng, lambda size: True).evaluated(base)
    assert log_density is not None
    return find_modes(base, log_density, neighbours(ndtr(base)), LocalSearch(target, chart, rng, go_on)), target


@pytest.mark.parametrize("ndim", [2, 9])
def test_neighbours_are_the_nearest_other_points(ndim: int) -> None:
    """Neighbours agree with those by all distances, also for few points in nine dimensions."""
    places = np.random.default_rng(0).random((300, ndim))
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(distances, np.inf)
    found = neighbours(places)
    expected = np.argsort(distances, axis=1)[:, : found.shape[1]]
    assert [set(row) for row in found] == [set(row) for row in expected]


def test_neighbours_among_some_of_many_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "_AMONG", 100)
    places = np.random.default_rng(0).random((300, 9))
    found = neighbours(places)
    assert np.all(found % 3 == 0)
    assert not np.any(found == np.arange(300)[:, None])


def test_neighbours_of_a_single_point() -> None:
    assert neighbours(np.zeros((1, 2))).shape == (1, 0)
    assert local_maxima(np.zeros(1), neighbours(np.zeros((1, 2)))).tolist() == [0]


def test_local_maxima_come_with_the_best_first() -> None:
    near = np.array([[1], [0], [3], [2], [3]])
    assert local_maxima(np.array([1.0, 0.0, 5.0, 2.0, -np.inf]), near).tolist() == [2, 0]


def test_a_plateau_has_one_maximum_and_nowhere_has_none() -> None:
    near = np.array([[1, 2], [0, 2], [0, 1]])
    assert len(local_maxima(np.zeros(3), near)) == 1
    assert len(local_maxima(np.full(3, -np.inf), near)) == 0


@pytest.mark.parametrize(
    ("problem", "count"),
    [
        (partial(toys.correlated_gaussian, 1), 1),
        (partial(toys.correlated_gaussian, 5), 1),
        (partial(toys.unequal_modes, 3), 2),
        (toys.eggbox, 18),
    ],
)
def test_every_mode_is_found_once(problem: Problem, count: int) -> None:
    found, _ = hunt(problem(), 3000)
    assert found.complete and found.density is not None
    assert len(found.density.shares) == count
    assert found.density.shares.sum() == pytest.approx(1)


def test_a_climb_tells_place_widths_and_mass() -> None:
    """Place, widths and mass are known for a normal density in the middle of a box."""
    width = 0.05
    likelihood = toys.CorrelatedGaussian(np.zeros(3), np.eye(3) * width**2)
    priors = PriorDict({key: Uniform(-1, 1, name=key) for key in likelihood.keys})
    found, _ = hunt((likelihood, priors, -3 * math.log(2)), 2000)
    (climb,) = found.climbs
    # In the coordinates of the prior, a parameter x is at sqrt(2 pi) x / 2 there.
    scale = math.sqrt(2 * math.pi) / 2
    assert np.all(np.abs(climb.mean) < width * scale)
    assert np.sqrt(np.diag(climb.covariance)) == pytest.approx(np.full(3, width * scale), rel=0.4)
    assert climb.log_mass == pytest.approx(-3 * math.log(2), abs=0.3)


def test_what_was_climbed_is_not_climbed_again() -> None:
    likelihood, priors, _ = toys.unequal_modes(2, 0.05)
    target = Target(translated(likelihood, priors), False)
    chart, rng = PriorChart(target.prior, target.keys), np.random.default_rng(3)
    climber = LocalSearch(target, chart, rng, lambda size: True)
    base = rng.standard_normal((4000, 2))
    log_density = climber.evaluated(base)
    assert log_density is not None
    first = find_modes(base[:2000], log_density[:2000], neighbours(ndtr(base[:2000])), climber)
    second = find_modes(base, log_density, neighbours(ndtr(base)), climber, first)
    assert len(first.climbs) == 2
    assert second.climbs == first.climbs


def test_a_budget_that_ends_is_told() -> None:
    """If no line was tested and no mode climbed, the search is not complete."""
    found, _ = hunt(toys.unequal_modes(2, 0.05), 2000, go_on=lambda size: False)
    assert not found.complete
    assert found.density is None


def test_modes_of_hardly_any_mass_are_left_out() -> None:
    climbs = [Climb(np.zeros(1), np.eye(1), 0.0), Climb(np.full(1, 9.0), np.eye(1), -12.0)]
    density = Modes(tuple(climbs)).density
    assert density is not None and len(density.shares) == 1


def test_two_climbs_to_one_place_are_one_mode() -> None:
    climbs = [Climb(np.zeros(1), np.eye(1), 0.0), Climb(np.ones(1), np.eye(1), 0.5)]
    density = Modes(tuple(climbs)).density
    assert density is not None and density.means.tolist() == [[1.0]]


def test_what_draws_about_modes_keeps_a_share_of_the_prior() -> None:
    found, target = hunt(toys.unequal_modes(2, 0.05), 2000)
    assert found.density is not None
    chart = PriorChart(target.prior, target.keys)
    proposal = modes.about(found.density, chart, target)
    assert PRIOR in proposal.names
    draws = proposal.draw(1000, np.random.default_rng(0))
    base, log_jacobian = chart.forward(draws.parameters)
    # Its density is bounded from below by the prior's share of it.
    prior = Normal(2).log_prob(base) + log_jacobian
    assert np.all(draws.log_q[draws.inside] > prior[draws.inside] + np.log(0.19))


def test_a_wide_mode_beside_a_narrow_one_is_another() -> None:
    """A mode that an edge of the prior cuts is wide in these coordinates."""
    climbs = [Climb(np.zeros(1), np.eye(1) * 0.01, 0.0), Climb(np.full(1, -2.0), np.eye(1) * 4.0, -1.0)]
    density = Modes(tuple(climbs)).density
    assert density is not None and len(density.shares) == 2
