"""Parameters sampled through their quantiles: values, log priors and constraints are those of Bilby itself."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import (
    Categorical,
    ConditionalInterped,
    ConditionalPriorDict,
    ConditionalUniform,
    Constraint,
    DeltaFunction,
    PriorDict,
    Uniform,
)
from bilby.core.prior.analytical import WeightedDiscreteValues
from bilby.core.prior.slabspike import SlabSpikePrior
from scipy.special import ndtr

from bilby_flowpe.likelihoods import LogLikelihood
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.covers import AnyPrior
from bilby_flowpe.translation.quantiles import OfQuantiles, quantiles_of
from bilby_flowpe.translation.steps import asked_likelihood
from bilby_flowpe.translation.translate import translated


def above(reference_params, k, offset):
    return {"minimum": k + offset, "maximum": k + offset + 2.0}


def with_total(parameters: dict) -> dict:
    return {**parameters, "total": parameters["x"] + parameters["k"]}


def priors() -> ConditionalPriorDict:
    """A condition on a discrete parameter and a fixed one, in an order that is not that of the dictionary."""
    return ConditionalPriorDict(
        {
            "y": ConditionalUniform(above, name="y", minimum=0, maximum=1),
            "x": Uniform(0, 3),
            "k": WeightedDiscreteValues([1.0, 2.5, 7.0], weights=[0.2, 0.5, 0.3]),
            "s": SlabSpikePrior(Uniform(0, 2), spike_location=0.5, spike_height=0.25),
            "offset": DeltaFunction(10.0),
        }
    )


class Sum(Likelihood):
    def log_likelihood(self, parameters: dict) -> float:
        return -parameters["x"] - parameters["y"] - parameters["k"] - parameters["s"] - parameters["offset"]


class Holding(Likelihood):
    """Holds its parameters, as likelihoods of older versions of Bilby do."""

    def log_likelihood(self) -> float:
        return self.parameters["x"] + self.parameters["k"]

    def noise_log_likelihood(self) -> float:
        return 0.0


def test_plain_priors_have_none() -> None:
    assert quantiles_of(PriorDict({"x": Uniform(0, 1)})) is None


def test_some_are_left_alone_with_what_is_conditional_on_them() -> None:
    assert {*quantiles_of(priors(), without=["k"]).names} == {"s"}


def test_what_is_conditional_on_them_is_one_of_them() -> None:
    quantiles = quantiles_of(priors())
    assert {*quantiles.names} == {"k", "s", "y"}
    assert "condition" in quantiles.reasons["y"]


def test_values_and_log_prior_are_those_of_bilby() -> None:
    problem = translated(Sum(), priors())
    v = np.random.default_rng(1).standard_normal((200, 4))
    columns = problem.problem.prior.from_unconstrained(v)
    reported = problem.reported(columns)
    assert tuple(reported) == problem.keys == ("y", "x", "k", "s")
    u = dict(zip(problem.problem.prior.keys, ndtr(v).T, strict=True))
    own = priors()
    expected = np.zeros(200)
    for i in range(200):
        shares = [float(u["x"][i]), *(float(u[f"quantile of {key}"][i]) for key in ("k", "s", "y"))]
        row = dict(zip(("x", "k", "s", "y"), own.rescale(["x", "k", "s", "y"], shares), strict=True))
        assert all(abs(reported[key][i] - row[key]) < 1e-12 for key in row)
        # At the value of a fixed parameter Bilby's density is the largest number.
        expected[i] = own.ln_prob({**row, "offset": 10.0}, normalized=False) - np.log(np.finfo(float).max)
    found = problem.log_prior(columns, problem.problem.prior.log_prob(columns))
    spike = reported["s"] == 0.5
    assert 20 < spike.sum() < 80
    np.testing.assert_allclose(found[~spike], expected[~spike], atol=1e-12)
    # Bilby's density at a spike.
    assert np.isposinf(found[spike]).all()


def test_likelihood_is_that_of_the_values() -> None:
    problem = translated(Sum(), priors())
    columns = problem.problem.prior.from_unconstrained(np.random.default_rng(2).standard_normal((5, 4)))
    rows = problem.rows(columns)
    inside = [{key: float(value[i]) for key, value in columns.items()} for i in range(5)]
    assert isinstance(problem.problem.likelihood, OfQuantiles)
    for row, of_quantiles in zip(rows, inside, strict=True):
        assert asked_likelihood(problem, False).task(row)[0] == Sum().log_likelihood(row)
        assert problem.problem.likelihood.log_likelihood({**of_quantiles, "offset": 10.0}) == Sum().log_likelihood(row)
    assert "k: it has values of finite probability" in problem.no_network


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("use_ratio", [False, True])
def test_a_likelihood_that_holds_its_parameters_is_given_the_values(use_ratio: bool) -> None:
    problem = translated(Holding(), PriorDict({"x": Uniform(0, 3), "k": Categorical(4)}))
    given = LogLikelihood(problem.problem.likelihood, use_ratio)
    assert [given({"x": 1.0, "quantile of k": quantile})[0] for quantile in (0.1, 0.9)] == [1.0, 4.0]


def test_constraints_are_on_the_values() -> None:
    dictionary = {"x": Uniform(0, 3), "k": Categorical(4), "total": Constraint(0, 2.5)}
    problem = translated(Sum(), PriorDict(dictionary, conversion_function=with_total))
    columns = problem.problem.prior.sample(2000, np.random.default_rng(3))
    reported = problem.reported(columns)
    assert np.all(reported["x"] + reported["k"] < 2.5)
    # Of k = 0, 1, 2 there are left 2.5, 1.5 and 0.5 of 3, and a quarter each: 0.375 in all, counted with 4e5 draws.
    assert abs(problem.problem.prior.log_normalisation + np.log(0.375)) < 5 * np.sqrt(0.625 / 0.375 / 4e5)


def test_density_of_the_draws_where_bilbys_is_another() -> None:
    """A conditional table of four points: even between them, by its draws."""

    def shifted(reference_params, x):
        return {"minimum": 0.0 if x < 0.5 else 1.0}

    table = ConditionalInterped(shifted, name="y", xx=np.linspace(0, 3, 4), yy=np.array([0.0, 1.0, 2.0, 6.0]))
    problem = translated(Sum(), ConditionalPriorDict({"x": Uniform(0, 1), "y": table}))
    columns = {"x": np.array([0.2, 0.2, 0.2]), "quantile of y": np.array([0.05, 0.2, 0.8])}
    found = problem.log_prior(columns, problem.problem.prior.log_prob(columns))
    # Of the densities 0, 1, 2, 6 the trapezoids are 0.5, 1.5 and 4, of 6 in all.
    np.testing.assert_allclose(np.exp(found), np.array([0.5, 1.5, 4.0]) / 6, rtol=1e-6)


def test_survives_copies_and_pickles() -> None:
    quantiles = quantiles_of(PriorDict({"x": Uniform(0, 1), "k": Categorical(3)}))
    columns = {"x": np.array([0.5]), "quantile of k": np.array([0.9])}
    for other in (copy.deepcopy(quantiles), pickle.loads(pickle.dumps(quantiles))):
        assert other.back(columns)["k"][0] == 2
    plain = quantiles.replaced(PriorDict({"x": Uniform(0, 1), "k": Categorical(3)}))
    assert PriorTransform(plain).keys == ("x", "quantile of k")


def test_any_prior_names_what_has_no_density() -> None:
    prior = AnyPrior(PriorDict({"x": Uniform(0, 1), "k": Categorical(3)}))
    assert prior.keys == ("x", "k")
