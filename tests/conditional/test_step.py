"""The step that draws parameters conditionally: its weights average to the integral that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform
from scipy.special import erf

from bilby_flowpe.chain.batch import Batch
from bilby_flowpe.chain.increment import Increment
from bilby_flowpe.conditional.base import ConditionalDraws, Exact
from bilby_flowpe.conditional.step import DrawnConditionally
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.proposals.mixture import Draws

SIZE = 4000
PLACE = 0.75


def product(row: dict) -> np.ndarray | None:
    """Return what a draw needs of a row: the middle of its likelihood."""
    return np.array([row["x"]]) if row["x"] < 2 else None


def integral(x: float) -> float:
    """Return the integral of exp(-(y - x)^2 / 2) over y from 0 to 1."""
    return float(np.sqrt(np.pi / 2) * (erf((1 - x) / np.sqrt(2)) + erf(x / np.sqrt(2))))


class Bell(Exact):
    """Draws y from a density that falls from 1.5 to 0.5, of a likelihood exp(-(y - x)^2 / 2) and a uniform prior."""

    keys = ("y",)
    reference = {"y": 0.5}

    def task(self, likelihood: Likelihood) -> Any:
        return product

    def task_rows(self, rows: list, rng: np.random.Generator) -> list:
        assert all(row["y"] == 0.5 for row in rows)
        return rows

    def defended(self, share: float) -> Bell:
        return self

    def log_average(self, likelihood: Likelihood, row: dict) -> float:
        return float(np.log(integral(row["x"])))

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        u = rng.random(len(products))
        # The inverse of the cumulative 1.5 y - y^2 / 2.
        y = 1.5 - np.sqrt(2.25 - 2 * u)
        log_likelihood = -0.5 * (y - products[:, 0]) ** 2
        return ConditionalDraws({"y": y}, log_likelihood, log_likelihood - np.log(1.5 - y))


def taken(x: np.ndarray) -> Batch:
    transform = PriorTransform(PriorDict({"x": Uniform(0, 4), "y": Uniform(0, 1)}))
    nothing = np.zeros(len(x))
    draws = Draws({"x": x}, nothing, x < 4, nothing[:, None], nothing.astype(int), nothing)
    step, rng = DrawnConditionally(Bell(), problem_of(Likelihood(), transform)), np.random.default_rng(5)
    batch = Batch.of(draws, transform, step.reference, 0)
    chosen = step.choose(batch, rng)
    values, good = evaluate(step.task, step.rows(batch, chosen, rng))
    batch.add(chosen, step.take(batch, chosen, values, good, rng))
    return batch


def test_weights_average_to_the_integral() -> None:
    weights = np.exp(taken(np.full(SIZE, PLACE)).log_steps)
    assert weights.mean() == pytest.approx(integral(PLACE), abs=5 * weights.std() / np.sqrt(SIZE))
    assert weights.std() > 0.1  # of a density that is not the conditional itself


def test_draws_weighted_have_the_conditional_mean() -> None:
    batch = taken(np.full(SIZE, PLACE))
    weights = np.exp(batch.log_steps)
    y = np.linspace(0, 1, 100_001)
    expected = np.average(y, weights=np.exp(-0.5 * (y - PLACE) ** 2))
    # Of a bounded variable in [0, 1], whose standard deviation is below 0.3.
    assert np.average(batch.columns["y"], weights=weights) == pytest.approx(expected, abs=5 * 0.3 / np.sqrt(SIZE))
    np.testing.assert_allclose(batch.log_likelihood, -0.5 * (batch.columns["y"] - PLACE) ** 2)


def test_rows_without_products_have_no_weight() -> None:
    batch = taken(np.array([1.0, 3.0, 1.0, 5.0]))
    assert np.isfinite(batch.log_steps).tolist() == [True, False, True, False]
    assert batch.columns["y"][1] == batch.columns["y"][3] == 0.5
    nothing = taken(np.array([3.0, 5.0]))
    assert np.isneginf(nothing.log_steps).all()


def test_the_likelihood_so_far_is_taken_out_of_the_weight() -> None:
    """After another step with a likelihood, the one of the draw is in its place."""
    transform = PriorTransform(PriorDict({"x": Uniform(0, 4), "y": Uniform(0, 1)}))
    nothing = np.zeros(SIZE)
    draws = Draws({"x": nothing + 1}, nothing, nothing == 0, nothing[:, None], nothing.astype(int), nothing)
    step, rng = DrawnConditionally(Bell(), problem_of(Likelihood(), transform)), np.random.default_rng(6)
    batch = Batch.of(draws, transform, step.reference, 0)
    batch.add(batch.alive, Increment(nothing + 2.5, log_likelihood=nothing + 2.0))
    chosen = step.choose(batch, rng)
    values, good = evaluate(step.task, step.rows(batch, chosen, rng))
    batch.add(chosen, step.take(batch, chosen, values, good, rng))
    weights = np.exp(batch.log_steps)
    expected = np.exp(0.5) * integral(1.0)
    assert weights.mean() == pytest.approx(expected, abs=5 * weights.std() / np.sqrt(SIZE))
