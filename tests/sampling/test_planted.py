"""The chance that a mode was missed, by planted modes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from bilby_flowpe.sampling.modes import _apart, local_maxima, neighbours
from bilby_flowpe.sampling.planted import PLANTED, Found, PriorDraws, Weighed, missed, modes_of

PLACES = np.random.default_rng(11).random((PLANTED, 2))
NOTHING = Weighed(np.empty((0, 2)), np.empty(0))
WIDTH = 0.02


def looked(size: int, seed: int = 0) -> PriorDraws:
    """Draws of a square, and the likelihood of a normal mode in its middle."""
    places = np.random.default_rng(seed).random((size, 2))
    return PriorDraws(places, -0.5 * np.sum(((places - 0.5) / WIDTH) ** 2, axis=1), neighbours(places))


FOUND = [Found(1.0, np.eye(2) * WIDTH**2, np.full(2, 0.5))]
LOG_VOLUME = math.log(2 * math.pi * WIDTH**2)


def chance(size: int, fit: float, seed: int = 0) -> float:
    return missed(FOUND, LOG_VOLUME, looked(size, seed), NOTHING, PLACES, 0.01, fit)


def test_more_draws_miss_less_and_smaller_modes_are_missed_more() -> None:
    assert chance(300, 1.0) > chance(1000, 1.0) > chance(4000, 1.0)
    assert chance(1000, 100.0) > chance(1000, 1.0)
    assert chance(10, 100.0) > 0.9


def test_the_chance_is_that_of_modes_that_are_really_there() -> None:
    """Modes of the kind are put into the likelihood, and looked for as a run looks for them."""
    rng = np.random.default_rng(5)
    draws, fit, seen = looked(700), 3.0, 0
    width = math.sqrt(0.01 * 2 * math.pi * WIDTH**2 / fit / (2 * math.pi))
    trials, middle = 400, np.full((1, 2), 0.5)

    for _ in range(trials):
        centre = rng.random(2)

        def log_likelihood(places: np.ndarray, centre: np.ndarray = centre) -> np.ndarray:
            own = -0.5 * np.sum(((places - 0.5) / WIDTH) ** 2, axis=1)
            return np.logaddexp(own, math.log(fit) - 0.5 * np.sum(((places - centre) / width) ** 2, axis=1))

        values = log_likelihood(draws.places)
        maxima = local_maxima(values, draws.near)
        apart = _apart(draws.places[maxima], values[maxima], middle, log_likelihood)
        assert apart is not None
        climbed = maxima[apart]
        seen += bool(np.any(values[climbed] > draws.log_likelihood[climbed] + 2))
    expected = missed(FOUND, LOG_VOLUME, draws, NOTHING, PLACES, 0.01, fit)
    error = math.hypot(math.sqrt(expected * (1 - expected) / trials), math.sqrt(expected * (1 - expected) / 600))
    assert 1 - seen / trials == pytest.approx(expected, abs=4 * error)


def test_the_chance_is_a_sum_over_holes() -> None:
    """Without a likelihood anywhere else, a mode is missed where no draw lies on it: of a disk of known radius."""
    size, fit = 400, 1.0
    places = np.random.default_rng(2).random((size, 2))
    floor = -18.0
    draws = PriorDraws(places, np.full(size, floor), neighbours(places))
    width = math.sqrt(0.01 * 2 * math.pi * WIDTH**2 / fit / (2 * math.pi))
    radius = width * math.sqrt(2 * (-floor - 2))
    centres = np.random.default_rng(3).random((20_000, 2))
    hole = float(np.mean(cKDTree(places).query(centres)[0] > radius))
    got = missed(FOUND, LOG_VOLUME, draws, NOTHING, PLACES, 0.01, fit)
    assert got == pytest.approx(hole, abs=4 * math.sqrt(hole * (1 - hole) / 600))


def test_a_weighted_batch_sees_what_the_prior_does_not() -> None:
    """Even draws of the square, some of which a mode would give weights of more than twenty: within a disk of known area."""
    few = looked(20)
    size, fit = 20_000, 1.0
    of_square = Weighed(np.random.default_rng(1).random((size, 2)), np.full(size, -LOG_VOLUME))
    variance = 0.01 * WIDTH**2 / fit
    disk = math.pi * 2 * variance * (math.log(fit) - LOG_VOLUME - math.log(20))
    expected = math.exp(-size * disk)
    got = missed(FOUND, LOG_VOLUME, few, of_square, PLACES, 0.01, fit)
    assert missed(FOUND, LOG_VOLUME, few, NOTHING, PLACES, 0.01, fit) > 0.9
    assert got == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / PLANTED))


def test_modes_of_weighted_draws() -> None:
    rng = np.random.default_rng(0)
    places = np.concatenate([0.3 + 0.01 * rng.standard_normal((4000, 2)), 0.7 + 0.02 * rng.standard_normal((1000, 2))])
    labels = np.repeat([0, 1], [4000, 1000])
    found = modes_of(places, np.full(5000, 1 / 5000), labels)
    assert [mode.share for mode in found] == pytest.approx([0.8, 0.2])
    for mode, width in zip(found, (0.01, 0.02), strict=True):
        assert mode.covariance == pytest.approx(np.eye(2) * width**2, abs=0.1 * width**2)


def test_a_mode_of_too_few_draws_has_no_shape() -> None:
    assert modes_of(np.zeros((2, 3)), np.full(2, 0.5), np.zeros(2, dtype=int)) == []


def test_a_mode_that_draws_lie_on_is_not_missed() -> None:
    """A batch of the found mode alone: what is planted on it is drawn, and nothing else is."""
    rng = np.random.default_rng(6)
    places = 0.5 + WIDTH * rng.standard_normal((20_000, 2))
    # The density of the batch is that of the posterior, so that the prior over it is Z / L_max over the likelihood.
    log_over = 0.5 * np.sum(((places - 0.5) / WIDTH) ** 2, axis=1)
    on_it = 0.5 + 0.5 * WIDTH * rng.standard_normal((200, 2))
    beside = np.full((200, 2), 0.9)
    batch = Weighed(places, log_over)
    assert missed(FOUND, LOG_VOLUME, looked(20), batch, on_it, 0.01, 1.0) < 0.01
    assert missed(FOUND, LOG_VOLUME, looked(20), batch, beside, 0.01, 1.0) > 0.99


def test_a_mode_with_an_edge_is_seen_by_draws_on_it_alone() -> None:
    """Planted modes of a likelihood that is flat on a disk and zero beyond have no tails, however deep the floor is."""
    size, radius = 3000, 0.1
    places = np.random.default_rng(8).random((size, 2))
    inside = np.linalg.norm(places - 0.5, axis=1) < radius
    for floor in (-np.inf, -1e5, -50.0):
        draws = PriorDraws(places, np.where(inside, 0.0, floor), neighbours(places))
        area = math.pi * radius**2
        disk = [Found(1.0, np.eye(2) * radius**2 / 4, np.full(2, 0.5))]
        got = missed(disk, math.log(area), draws, NOTHING, PLACES, 0.01, 1.0)
        # Draws that lie within twice the width of what is planted, a hundredth of the disk.
        expected = math.exp(-size * 0.01 * area * 2)
        assert got > expected
        assert got > 0.05
