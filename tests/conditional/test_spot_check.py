"""Comparisons of a closed form with the likelihood: which rows, how many, and what counts as a failure."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.chain.batch import Batch
from bilby_flowpe.chain.comparison import Comparison, agrees
from bilby_flowpe.chain.increment import Increment
from bilby_flowpe.conditional import spot_check
from bilby_flowpe.conditional.spot_check import PRIOR_CHECKS, SpotCheck, draws_within, rows_to_compare
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.proposals.mixture import Draws

SIZE = 1000
X = np.linspace(-3, 3, SIZE)
TRANSFORM = PriorTransform(PriorDict({"x": Uniform(-4, 4), "phase": Uniform(0, 1)}))
PHASE = np.random.default_rng(1).uniform(0, 1, SIZE)


class Parabola(Likelihood):
    """Its ratio is the closed form, but where ``x`` is above a limit."""

    def __init__(self, limit: float = np.inf, value: float = 0.5) -> None:
        super().__init__()
        self.limit, self.value = limit, value

    def log_likelihood_ratio(self, parameters: dict) -> float:
        ratio = -0.5 * (parameters["x"] ** 2 + parameters["phase"] ** 2)
        return ratio + self.value if parameters["x"] > self.limit else ratio


def drawn(checks: int, log_ratio: np.ndarray | float | None = None, size: int = SIZE) -> Batch:
    """Rows with phases drawn in closed form, at log likelihoods of a parabola; weights as given, or these."""
    x, phase = X[:size], PHASE[:size]
    nothing = np.zeros(size)
    draws = Draws({"x": x}, nothing, np.ones(size, dtype=bool), nothing[:, None], nothing.astype(int), nothing)
    batch = Batch.of(draws, TRANSFORM, {"phase": 0.0}, checks)
    ratio = -0.5 * (x**2 + phase**2)
    log_weight = np.broadcast_to(ratio if log_ratio is None else log_ratio, (size,))
    batch.add(np.arange(size), Increment(log_weight, {"phase": phase}, ratio))
    return batch


def compared(likelihood: Likelihood, batch: Batch) -> Comparison:
    return checked(likelihood, batch).compared


def checked(likelihood: Likelihood, batch: Batch) -> Increment:
    step, rng = SpotCheck(problem_of(likelihood, TRANSFORM)), np.random.default_rng(0)
    chosen = step.choose(batch, rng)
    values, good = evaluate(step.task, step.rows(batch, chosen, rng))
    increment = step.take(batch, chosen, values, good, rng)
    assert not np.any(increment.log_weight)
    return increment


def test_agreement() -> None:
    found = compared(Parabola(), drawn(100))
    assert 50 <= found.n_rows <= 100
    assert found.largest < 1e-12
    assert found.failing == ()


@pytest.mark.parametrize("value", [0.01, -5.0, np.nan, -np.inf])
def test_a_part_where_they_differ(value: float) -> None:
    """A tenth of the draws, in the tail: those evenly spaced find it, and the rows are those that fail."""
    found = compared(Parabola(2.4, value), drawn(100))
    assert not agrees(found.largest)
    assert found.failing
    assert all(row["x"] > 2.4 and row["phase"] > 0 for row in found.failing)


def test_the_heaviest_draws_are_compared() -> None:
    """A part of a thousandth of the draws with all of the weight."""
    weights = np.full(SIZE, -50.0)
    weights[537] = 0.0
    assert 537 in spot_check._pick(weights, 32)
    batch = drawn(32, weights[:538], size=538)
    assert not agrees(compared(Parabola(X[537] - 1e-9), batch).largest)


def test_a_weight_that_is_no_number_fails() -> None:
    assert compared(Parabola(), drawn(10, np.nan)).largest == np.inf


@pytest.mark.parametrize("checks, asked", [(0, 0), (1, 1), (4, 2), (100, 8)])
def test_rows_without_a_value_are_asked_for_theirs(checks: int, asked: int) -> None:
    """Every second row has no value. Half of the rows that are evaluated are NaN, so half of all rows are counted as NaN."""
    batch = drawn(checks)
    batch.without_value[::2] = True
    step = SpotCheck(problem_of(Parabola(), TRANSFORM))
    chosen = step.choose(batch, np.random.default_rng(1))
    np.testing.assert_array_equal(chosen[:asked], np.arange(0, 2 * asked, 2))
    assert len(chosen) <= checks
    assert not np.any(chosen[asked:] % 2 == 0)
    good = np.ones(len(chosen), dtype=bool)
    good[: asked // 2] = False
    values = np.full((int(good.sum()), 1), -1.0)
    found = step.take(batch, chosen, values, good, np.random.default_rng(0))
    assert found.n_nan == (round(SIZE // 2 * (asked // 2) / asked) if asked else 0)


def test_a_closed_form_of_zero_is_compared_and_no_failed_waveform() -> None:
    batch = drawn(100)
    batch.log_likelihood[::10] = -np.inf
    found = compared(Parabola(), batch)
    assert found.largest == np.inf
    assert len(found.failing) > 2


def test_nothing_to_compare() -> None:
    batch = drawn(16)
    batch.log_prior_of_rest[:] = -np.inf
    assert checked(Parabola(), batch).compared == Comparison()


def test_rows_are_chosen_without_random_numbers() -> None:
    weights = np.random.default_rng(2).normal(size=500)
    np.testing.assert_array_equal(spot_check._pick(weights, 40), spot_check._pick(weights, 40))
    for odd in (np.full(500, -np.inf), np.full(500, np.nan)):
        assert len(spot_check._pick(odd, 40)) == 40


@pytest.mark.parametrize("from_prior", [False, True])
def test_a_batch_with_its_comparisons_keeps_to_the_budget(from_prior: bool) -> None:
    for evaluations in (0, 1, 16, 17, 50, 300, 1000, 5000, 10_000, 100_000):
        size = draws_within(evaluations, from_prior)
        assert size + (rows_to_compare(size, from_prior) if size else 0) <= max(evaluations, 0)
        # It is not smaller than it has to be.
        assert size >= 0.85 * evaluations - PRIOR_CHECKS


def test_rows_from_the_prior() -> None:
    assert rows_to_compare(3000, from_prior=True) == PRIOR_CHECKS
    assert rows_to_compare(3000) == 150
    assert rows_to_compare(20) == 16
