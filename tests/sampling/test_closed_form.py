"""Comparisons of a closed form with the likelihood: which rows, how many, and what counts as a failure."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood

from bilby_flowpe.conditional.base import ConditionalDraws
from bilby_flowpe.sampling import closed_form
from bilby_flowpe.sampling.closed_form import (
    PRIOR_CHECKS,
    ClosedFormError,
    ClosedFormRecord,
    Comparison,
    compare,
    draws_within,
    joined,
    rows_to_compare,
    spread_where_likely,
)

SIZE = 1000


class Parabola(Likelihood):
    """Its ratio is the closed form, but where ``x`` is above a limit."""

    def __init__(self, limit: float = np.inf, value: float = 0.5) -> None:
        super().__init__()
        self.limit, self.value = limit, value

    def log_likelihood_ratio(self, parameters: dict) -> float:
        ratio = -0.5 * (parameters["x"] ** 2 + parameters["phase"] ** 2)
        return ratio + self.value if parameters["x"] > self.limit else ratio


def drawn(log_ratio: float = 0.0) -> tuple[list[dict], ConditionalDraws, np.ndarray]:
    x = np.linspace(-3, 3, SIZE)
    phase = np.random.default_rng(1).uniform(0, 1, SIZE)
    rows = [{"x": float(value), "phase": 0.0} for value in x]
    ratio = -0.5 * (x**2 + phase**2)
    return rows, ConditionalDraws({"phase": phase}, ratio, np.full(SIZE, log_ratio)), ratio


def test_agreement() -> None:
    rows, draws, weights = drawn()
    found = compare(Parabola(), rows, draws, weights, 100)
    assert 50 <= found.n_rows <= 100
    assert found.largest < 1e-12
    assert found.failing == ()


@pytest.mark.parametrize("value", [0.01, -5.0, np.nan, -np.inf])
def test_a_part_where_they_differ(value: float) -> None:
    """A tenth of the draws, in the tail: those evenly spaced find it, and the rows are those that fail."""
    rows, draws, weights = drawn()
    found = compare(Parabola(2.4, value), rows, draws, weights, 100)
    assert not closed_form.agrees(found.largest)
    assert found.failing
    assert all(row["x"] > 2.4 and row["phase"] > 0 for row in found.failing)


def test_the_heaviest_draws_are_compared() -> None:
    """A part of a thousandth of the draws with all of the weight."""
    rows, draws, _ = drawn()
    weights = np.full(SIZE, -50.0)
    weights[537] = 0.0
    assert 537 in closed_form._pick(weights, 32)
    x = rows[537]["x"]
    assert not closed_form.agrees(
        compare(Parabola(x - 1e-9), rows[:538], draws_of(draws, 538), weights[:538], 32).largest
    )


def draws_of(draws: ConditionalDraws, size: int) -> ConditionalDraws:
    columns = {key: column[:size] for key, column in draws.parameters.items()}
    return ConditionalDraws(columns, draws.log_likelihood_ratio[:size], draws.log_ratio[:size])


def test_a_weight_that_is_no_number_fails() -> None:
    rows, draws, weights = drawn(np.nan)
    assert compare(Parabola(), rows, draws, weights, 10).largest == np.inf


def test_rows_are_chosen_without_random_numbers() -> None:
    weights = np.random.default_rng(2).normal(size=500)
    np.testing.assert_array_equal(closed_form._pick(weights, 40), closed_form._pick(weights, 40))
    for odd in (np.full(500, -np.inf), np.full(500, np.nan)):
        assert len(closed_form._pick(odd, 40)) == 40


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


def test_a_failure_is_not_forgotten() -> None:
    record = ClosedFormRecord()
    record.add(Comparison(10, 1e-9), from_prior=True)
    record.require(["phase"])
    record.add(Comparison(10, 2.0, ({"x": 1.0},)))
    record.add(Comparison(10, 1e-9))
    assert record.failed
    assert (record.n_rows, record.n_prior_rows) == (30, 10)
    with pytest.raises(ClosedFormError, match=r"'phase'.*differs from the likelihood by 2 at"):
        record.require(["phase"])


def test_blocks_are_joined() -> None:
    one = joined([Comparison(3, 0.1, ({"x": 1.0},), 0.5), Comparison(4, np.inf), Comparison(5, 0.2, (), 0.7)])
    assert one == Comparison(12, np.inf, ({"x": 1.0},), 0.7)


def test_scatter_of_another_likelihood() -> None:
    """Of a tempered Gaussian in two dimensions the log correction scatters by 0.9 times ten, as a sum of two squares."""
    rng = np.random.default_rng(3)
    squares = np.sum(rng.uniform(-20, 20, (20_000, 2)) ** 2, axis=1)
    tempered, plain = -0.05 * squares, -0.5 * squares
    assert spread_where_likely(tempered - plain, tempered) == pytest.approx(9.0, rel=0.1)
    assert spread_where_likely(np.zeros(20_000), tempered) == 0.0
    # A cut leaves no scatter, and of a few draws nothing is said.
    cut = np.where(squares > 100, -np.inf, 0.0)
    assert spread_where_likely(cut, tempered + cut) == 0.0
    assert spread_where_likely(np.array([0.0, 100.0]), np.array([0.0, -1.0])) == 0.0
