"""The simulator of Bilby's own likelihoods of plain data, as the rest of the package uses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from bilby.core.likelihood import (
    ExponentialLikelihood,
    GaussianLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bilby.core.prior import DeltaFunction, DirichletPriorDict, PriorDict, Uniform

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.simulation.analytical import AnalyticalSimulator

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.linspace(0.0, 2.0, 8)


def line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset + slope * x


def simulator(likelihood: Likelihood, **more: Any) -> AnalyticalSimulator:
    priors = PriorDict({"slope": Uniform(0.1, 2), "offset": DeltaFunction(0.5), **more})
    return problem_of(likelihood, priors).bank()


def simulators() -> dict[str, AnalyticalSimulator]:
    return {
        "gaussian": simulator(GaussianLikelihood(X, X, line), sigma=Uniform(0.1, 1)),
        "poisson": simulator(PoissonLikelihood(X, np.arange(8), line)),
        "exponential": simulator(ExponentialLikelihood(X, X, line)),
        "student-t": simulator(StudentTLikelihood(X, X, line, sigma=0.3), nu=Uniform(1, 9)),
        "multinomial": problem_of(Multinomial([1, 2, 3], 3), DirichletPriorDict(n_dim=3, label="parameter_")).bank(),
    }


@pytest.fixture(params=simulators())
def made(request: pytest.FixtureRequest) -> AnalyticalSimulator:
    return simulators()[request.param]


def test_noise_comes_with_the_data_and_from_the_generator_given(made: AnalyticalSimulator) -> None:
    one, two, other = (made.draw(50, np.random.default_rng(seed)) for seed in (6, 6, 7))
    assert torch.equal(one.data, two.data)
    assert not torch.equal(one.data, other.data)
    assert torch.equal(made.add_noise(one.data, torch.Generator()), one.data)
    assert one.data.shape == (50, len(made.observe()))
    assert set(one.parameters) == set(made.prior.keys)


def test_data_lie_around_what_is_predicted_for_their_parameters(made: AnalyticalSimulator) -> None:
    signals = made.draw(3000, np.random.default_rng(1))
    rows = made.problem.rows(signals.parameters)
    for row in rows[:3]:
        assert set(row) == {*made.prior.keys, *made.prior.fixed}
    predicted = made.noise.centre(np.stack([made.noise.prediction(row) for row in rows]))
    left = signals.data.numpy() - predicted
    # On the network's scale the noise has one size, whatever is predicted: of order one, or of the parameters that say so.
    away = np.abs(np.median(left, axis=0))
    assert away.max() < 0.6
    # What is predicted explains the data: their correlation would be none if rows were mixed up.
    mixed = signals.data.numpy() - np.roll(predicted, 1, axis=0)
    assert np.mean(np.abs(left)) < 0.95 * np.mean(np.abs(mixed))


def test_what_is_observed_is_the_likelihoods_data_on_the_same_scale(made: AnalyticalSimulator) -> None:
    event, truth = made.inject(np.random.default_rng(2))
    of_event = problem_of(event, made.prior).view()
    np.testing.assert_array_equal(of_event.observe(), made.noise.scaled(of_event.noise.observed))
    # A simulation and an event of one seed are the same.
    signals = made.draw(1, np.random.default_rng(2))
    np.testing.assert_array_equal(of_event.observe(), signals.data[0])
    assert made.problem.rows(signals.parameters)[0] == truth


def test_an_event_is_a_likelihood_of_its_own(made: AnalyticalSimulator) -> None:
    before = made.noise.observed.copy()
    event, truth = made.inject(np.random.default_rng(3))
    assert type(event) is type(made.likelihood)
    np.testing.assert_array_equal(made.noise.observed, before)
    assert np.isfinite(event.log_likelihood(truth))
    assert event.log_likelihood(truth) != made.likelihood.log_likelihood(truth)


def test_predictions_without_noise_and_parameters_of_the_noise() -> None:
    every = simulators()
    for name, own in (("gaussian", "sigma"), ("student-t", "nu"), ("poisson", None)):
        predictions, noise = every[name].noise_free(200, np.random.default_rng(4))
        assert predictions.shape == (200, 8)
        assert list(noise) == ([own] if own else [])
        # On the scale a straight line has one direction at most beside the middle, a root of it hardly two.
        values = np.linalg.svd((predictions - predictions.mean(dim=0)).numpy(), compute_uv=False)
        assert values[2] < 1e-2 * values[0]
    known = simulator(StudentTLikelihood(X, X, line, nu=4.0))
    _, noise = known.noise_free(3, np.random.default_rng(4))
    np.testing.assert_array_equal(noise["nu"], [4.0] * 3)


def test_far_from_zero_nothing_is_lost() -> None:
    """Times since long ago, to a hundredth: single precision would not tell them apart."""
    epoch = 1.2e9
    likelihood = GaussianLikelihood(X, epoch + X, lambda x, slope, offset: epoch + offset + slope * x)
    made = simulator(likelihood, sigma=Uniform(0.01, 0.02))
    np.testing.assert_allclose(made.observe() - epoch, X, atol=1e-6)
    data = made.draw(500, np.random.default_rng(5)).data.numpy() - epoch
    assert np.abs(data).max() < 5
    # Steps of 2.4e-7 make a few of four thousand numbers equal by chance; single precision has two values in all of them.
    assert len(np.unique(data)) > 0.99 * data.size


def rising(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    """Negative for the smaller slopes."""
    return offset + (slope - 1) * x


def test_where_the_likelihood_is_zero_nothing_is_simulated() -> None:
    made = simulator(ExponentialLikelihood(X, X, rising))
    signals = made.draw(1000, np.random.default_rng(6))
    assert signals.data.shape == (1000, 8)
    # offset + 2 (slope - 1) > 0 for offset = 0.5: the prior, uniform, above 0.75.
    slopes = signals.parameters["slope"]
    assert slopes.min() > 0.75
    assert slopes.min() < 0.75 + 10 * 1.25 / 1000
    # The mean of n uniform numbers of that width scatters by 1.25 / sqrt(12 n).
    assert abs(slopes.mean() - 1.375) < 4.5 * 1.25 / 12000**0.5


def test_a_likelihood_of_zero_all_over_the_prior_is_said() -> None:
    made = simulator(ExponentialLikelihood(X, X, lambda x, slope, offset: -slope * np.ones(8)))
    with pytest.raises(SimulationError, match=r"zero or not a number for 1.* draws from the prior: narrow the priors"):
        made.draw(10, np.random.default_rng(7))
