"""Rows while they are weighed: what steps see of them, and how their changes add up."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.chain.batch import Batch
from bilby_flowpe.chain.comparison import Comparison
from bilby_flowpe.chain.increment import Increment, filled
from bilby_flowpe.errors import ContractError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.mixture import Draws

X = np.array([0.5, 1.5, 2.5, 9.0])
LOG_Q = np.array([-1.0, -2.0, -3.0, -4.0])


@pytest.fixture(scope="module")
def transform() -> PriorTransform:
    return PriorTransform(PriorDict({"x": Uniform(0, 3), "y": Uniform(0, 2)}))


@pytest.fixture
def batch(transform: PriorTransform) -> Batch:
    """Four rows, the last of them outside the prior, with a latent variable whose encoder has a density of e each."""
    inside = np.array([True, True, True, False])
    log_q = np.where(inside, LOG_Q, np.inf)
    draws = Draws({"x": X, "z 1": X}, log_q, inside, log_q[:, None], np.zeros(4, dtype=int), np.ones(4))
    return Batch.of(draws, transform, {"y": 1.0, "error": 0.25}, checks=3)


def test_beginning(batch: Batch) -> None:
    assert {*batch.columns} == {"x", "y", "error"}
    assert {*batch.parameters} == {"x", "y"}
    np.testing.assert_array_equal(batch.columns["error"], 0.25)
    np.testing.assert_allclose(batch.log_prior_of_rest[:3], -np.log(3))
    np.testing.assert_array_equal(batch.alive, [0, 1, 2])
    assert np.isneginf(batch.log_likelihood[3])


def test_what_a_step_draws_leaves_the_proposal_as_it_is(batch: Batch) -> None:
    batch.add(np.array([0, 2]), Increment(np.zeros(2), {"y": np.array([0.1, 0.2]), "error": np.array([7.0, 8.0])}))
    np.testing.assert_array_equal(batch.columns["error"], [7.0, 0.25, 8.0, 0.25])
    np.testing.assert_array_equal(batch.columns["y"], [0.1, 1.0, 0.2, 1.0])
    with pytest.raises(ContractError, match=r"\['x'\], which its reference does not name"):
        batch.add(np.array([0]), Increment(np.zeros(1), {"x": np.array([7.0])}))
    np.testing.assert_array_equal(batch.columns["x"], X)


def test_rows_without_a_value(batch: Batch) -> None:
    batch.add(np.array([0, 1, 2]), Increment(np.zeros(3), without_value=np.array([False, True, False])))
    batch.add(np.array([0, 1]), Increment(np.zeros(2)))
    np.testing.assert_array_equal(batch.with_value, [0, 2])


def test_changes_add_up(batch: Batch) -> None:
    """The log weight is prior and encoder over proposal, and every step's change."""
    batch.add(batch.alive, Increment(np.array([1.0, -np.inf, 3.0]), log_likelihood=np.array([10.0, -np.inf, 30.0])))
    np.testing.assert_array_equal(batch.alive, [0, 2])
    batch.add(batch.alive, Increment(np.array([0.5, 0.25]), log_prior=0.125, n_nan=2, compared=Comparison(4, 0.5)))
    expected = np.array([1.5, -np.inf, 3.25, -np.inf]) - np.log(3) + 1.0 - LOG_Q
    np.testing.assert_allclose(batch.log_weights(np.arange(4)), expected)
    np.testing.assert_allclose(batch.log_weights(np.array([2]), 1.0), expected[2] + 1.0)
    np.testing.assert_array_equal(batch.log_likelihood, [10.0, -np.inf, 30.0, -np.inf])
    # The log prior is of all parameters, those of the steps at their values so far.
    np.testing.assert_allclose(batch.log_prior(), -np.log(6) + np.array([0.125, 0.0, 0.125, -np.inf]))
    assert (batch.n_nan, batch.compared) == (2, Comparison(4, 0.5))


def test_the_least_number_is_no_weight(batch: Batch) -> None:
    """Bilby returns about -1.8e308 where a waveform failed; with other logarithms added that is no number any more."""
    batch.add(batch.alive, Increment(np.array([np.nan_to_num(-np.inf), np.nan, 0.0])))
    np.testing.assert_array_equal(batch.alive, [2])
    np.testing.assert_array_equal(np.isfinite(batch.log_weights(np.arange(4))), [False, False, True, False])


def test_values_of_some_rows_among_all() -> None:
    good = np.array([True, False, True])
    np.testing.assert_array_equal(filled(np.array([1.0, 2.0]), good), [1.0, -np.inf, 2.0])
    np.testing.assert_array_equal(filled(np.array([1.0, 2.0]), good, np.array([7.0, 8.0, 9.0])), [1.0, 8.0, 2.0])
    np.testing.assert_array_equal(filled(np.empty(0), np.zeros(2, dtype=bool), 0.0), [0.0, 0.0])
