"""Steps from the problem drawn to the one asked: each alone, against the ratio or the integral that it stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.chain.batch import Batch
from bilby_flowpe.chain.increment import Increment
from bilby_flowpe.chain.step import Step
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.proposals.mixture import Draws
from bilby_flowpe.translation.forms import Forms
from bilby_flowpe.translation.steps import AskedLikelihood, AskedPrior, OfNoiseAlone, OverDrawn
from bilby_flowpe.translation.translated import as_it_stands

SIZE = 4000
TRANSFORM = PriorTransform(PriorDict({"x": Uniform(0, 1), "offset": 10.0}))


class Linear(Likelihood):
    """Its log is x, with noise alone at a hundred; not a number above a limit."""

    def __init__(self, limit: float = np.inf) -> None:
        super().__init__()
        self.limit = limit

    def log_likelihood(self, parameters: dict) -> float:
        assert parameters["offset"] == 10.0
        return float("nan") if parameters["x"] > self.limit else parameters["x"] + 100.0

    def noise_log_likelihood(self) -> float:
        return 100.0

    def log_likelihood_ratio(self, parameters: dict) -> float:
        return self.log_likelihood(parameters) - 100.0


def batch_of(x: np.ndarray) -> Batch:
    nothing = np.zeros(len(x))
    draws = Draws({"x": x}, nothing, x < 1, nothing[:, None], nothing.astype(int), nothing)
    return Batch.of(draws, TRANSFORM, {}, 0)


def taken(step: Step, batch: Batch) -> Increment:
    rng = np.random.default_rng(3)
    chosen = step.choose(batch, rng)
    values, good = evaluate(step.task, step.rows(batch, chosen, rng))
    increment = step.take(batch, chosen, values, good, rng)
    batch.add(chosen, increment)
    return increment


@pytest.mark.parametrize("use_ratio", [True, False])
def test_a_bare_likelihood_is_a_chain_of_one_step(use_ratio: bool) -> None:
    batch = batch_of(np.array([0.25, 0.5, 0.75, 1.5]))
    increment = taken(AskedLikelihood(as_it_stands(problem_of(Linear(0.6), TRANSFORM)), use_ratio), batch)
    noise = 0.0 if use_ratio else 100.0
    np.testing.assert_allclose(batch.log_steps, [0.25 + noise, 0.5 + noise, -np.inf, -np.inf])
    np.testing.assert_array_equal(batch.log_likelihood, batch.log_steps)
    assert increment.n_nan == 1


def test_nothing_inside_the_prior() -> None:
    increment = taken(
        AskedLikelihood(as_it_stands(problem_of(Linear(), TRANSFORM)), True), batch_of(np.array([1.5, 2.5]))
    )
    assert len(increment.log_weight) == 0


def test_the_likelihood_asked_for_replaces_the_one_drawn_with() -> None:
    x = np.random.default_rng(1).random(SIZE)
    batch = batch_of(x)
    drawn = -(x**2)
    batch.add(np.arange(SIZE), Increment(drawn + 0.5, log_likelihood=drawn))
    increment = taken(OverDrawn(AskedLikelihood(as_it_stands(problem_of(Linear(), TRANSFORM)), True)), batch)
    # What else was in the weight, here a half, stays.
    np.testing.assert_allclose(batch.log_steps, x + 0.5)
    np.testing.assert_allclose(batch.log_likelihood, x)
    # The spread of x + x^2 over a posterior exp(x) on [0, 1], by quadrature.
    nodes = np.linspace(0, 1, 100_001)
    log_ratio, weights = nodes + nodes**2, np.exp(nodes)
    mean = np.average(log_ratio, weights=weights)
    expected = np.sqrt(np.average((log_ratio - mean) ** 2, weights=weights))
    assert increment.compared.spread == pytest.approx(expected, rel=0.05)


class Square:
    """A parameter that is drawn as x is the square of x in the problem asked, and uniform there."""

    def back(self, parameters: Parameters) -> Parameters:
        return {**parameters, "x": parameters["x"] ** 2}

    def log_ratio(self, plain: Parameters, asked: Parameters) -> np.ndarray:
        np.testing.assert_array_equal(asked["x"], plain["x"] ** 2)
        with np.errstate(divide="ignore"):
            return np.log(2 * plain["x"])


def test_the_prior_asked_for_over_the_one_drawn_from() -> None:
    """The mean of the weights is the prior's whole mass; squares are then uniform. Twice, powers of four are."""
    batch = batch_of((np.arange(SIZE) + 0.5) / SIZE)
    taken(AskedPrior(Forms((Square(), Square()))), batch)
    weights = np.exp(batch.log_steps)
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    assert np.average(batch.columns["x"] ** 4, weights=weights) == pytest.approx(0.5, abs=1e-5)
    np.testing.assert_allclose(batch.log_prior(), batch.log_steps)


def test_rows_are_those_of_the_problem_asked() -> None:
    problem = replace(as_it_stands(problem_of(Linear(), TRANSFORM)), forms=Forms((Square(),)))
    batch = batch_of(np.array([0.5, 0.9]))
    taken(AskedLikelihood(problem, True), batch)
    np.testing.assert_allclose(batch.log_steps, [0.25, 0.81])


def test_the_likelihood_of_noise_alone_is_added_to_both() -> None:
    batch = batch_of(np.array([0.5, 1.5]))
    taken(OfNoiseAlone(Linear()), batch)
    np.testing.assert_array_equal(batch.log_steps, [100.0, -np.inf])
    np.testing.assert_array_equal(batch.log_likelihood, [100.0, -np.inf])
