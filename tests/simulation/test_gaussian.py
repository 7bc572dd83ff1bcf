"""Simulations for Bilby's Gaussian likelihood, against that likelihood itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bilby.core.likelihood import GaussianLikelihood
from bilby.core.prior import DeltaFunction, PriorDict, Uniform

from bilby_flowpe.errors import DataError, PriorError, SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.gaussian import GaussianSimulator

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.linspace(0, 1, 30)
SIGMA = 0.1 + X  # Another one for each datum.


def line(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return offset + slope * x


def parabola(x: np.ndarray, slope: float, offset: float, bend: float) -> np.ndarray:
    return offset + slope * x + bend * x**2


def problem(
    sigma: np.ndarray | float | None = SIGMA, more: dict | None = None
) -> tuple[GaussianLikelihood, PriorTransform]:
    data = line(X, 1.3, -0.2) + SIGMA * np.random.default_rng(1).standard_normal(len(X))
    priors = PriorDict({"slope": Uniform(-2, 2), "offset": DeltaFunction(-0.2), **(more or {})})
    return GaussianLikelihood(X, data, line, sigma=sigma), PriorTransform(priors)


@pytest.mark.parametrize(
    ("sigma", "more"),
    [(SIGMA, {}), (0.3, {}), (0.3, {"sigma": DeltaFunction(0.5)}), (None, {"sigma": DeltaFunction(0.5)})],
    ids=["an array", "a number", "fixed otherwise", "fixed"],
)
def test_gives_the_users_log_likelihood(sigma, more):
    likelihood, transform = problem(sigma, more)
    sigma = 0.5 if more else sigma
    simulator = GaussianSimulator(problem_of(likelihood, transform))
    data = simulator.observe().astype(float)
    signals = simulator.draw(20, np.random.default_rng(2))
    assert signals.data.dtype == torch.float32
    assert len(signals) == 20
    normalisation = np.sum(-0.5 * np.log(2 * np.pi * np.broadcast_to(sigma, X.shape) ** 2))
    for row, signal in zip(simulator.problem.rows(signals.parameters), signals.data.double().numpy(), strict=True):
        ours = -0.5 * np.sum((data - signal) ** 2) + normalisation
        # float32 data: rounding of 6e-8 against values of up to a hundred sigma.
        assert ours == pytest.approx(likelihood.log_likelihood(row), rel=1e-5)


def test_rows_hold_the_fixed_parameters():
    simulator = GaussianSimulator(problem_of(*problem()))
    assert simulator.problem.rows({"slope": np.array([0.5, 1.0])}) == [
        {"offset": -0.2, "slope": 0.5},
        {"offset": -0.2, "slope": 1.0},
    ]


def test_parameters_are_the_priors_and_reproducible():
    simulator = GaussianSimulator(problem_of(*problem()))
    one, two = (simulator.draw(50, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.data, two.data)
    assert np.all(np.abs(one.parameters["slope"]) < 2)


def test_keyword_arguments_of_the_likelihood_reach_the_model():
    likelihood = GaussianLikelihood(X, parabola(X, 1, 0, 5.0), parabola, sigma=1.0, bend=5.0)
    priors = PriorDict({"slope": Uniform(0, 2), "offset": Uniform(-1, 1)})
    signals = GaussianSimulator(problem_of(likelihood, PriorTransform(priors))).draw(3, np.random.default_rng(4))
    for i in range(3):
        expected = parabola(X, signals.parameters["slope"][i], signals.parameters["offset"][i], bend=5.0)
        np.testing.assert_allclose(signals.data[i], expected, rtol=1e-6, atol=1e-6)


def test_noise_is_white_and_of_unit_variance():
    simulator = GaussianSimulator(problem_of(*problem()))
    noise = simulator.add_noise(torch.zeros(4000, 30), torch.Generator().manual_seed(5)).double()
    assert abs(float(noise.mean())) < 5 / noise.numel() ** 0.5
    assert abs(float(noise.var()) - 1) < 5 * (2 / noise.numel()) ** 0.5
    assert abs(float((noise[:, 1:] * noise[:, :-1]).mean())) < 5 / noise.numel() ** 0.5


def test_one_value_stands_for_all_data_as_in_bilby():
    likelihood = GaussianLikelihood(X, X, lambda x, offset: offset, sigma=SIGMA)
    simulator = GaussianSimulator(problem_of(likelihood, PriorTransform(PriorDict({"offset": Uniform(1, 2)}))))
    # As many draws as data: a table of both must not be turned round.
    signals = simulator.draw(30, np.random.default_rng(6))
    np.testing.assert_allclose(signals.data, signals.parameters["offset"][:, None] / SIGMA, rtol=1e-6)


def test_values_of_another_shape_are_refused():
    likelihood = GaussianLikelihood(X, X, lambda x, offset: np.ones(7), sigma=SIGMA)
    simulator = GaussianSimulator(problem_of(likelihood, PriorTransform(PriorDict({"offset": Uniform(1, 2)}))))
    with pytest.raises(SimulationError, match=r"shape \(7,\), but the data have the shape \(30,\)"):
        simulator.draw(3, np.random.default_rng(7))


def test_what_is_no_number_is_not_simulated():
    likelihood = GaussianLikelihood(X, X, lambda x, offset: offset + 0 * x if offset < 1.5 else x * np.nan, sigma=SIGMA)
    simulator = GaussianSimulator(problem_of(likelihood, PriorTransform(PriorDict({"offset": Uniform(1, 2)}))))
    signals = simulator.draw(200, np.random.default_rng(8))
    assert torch.isfinite(signals.data).all()
    assert signals.data.shape == (200, 30)
    assert 1.49 - 0.05 < signals.parameters["offset"].max() < 1.5


def test_events_are_those_of_the_likelihood():
    likelihood, transform = problem()
    event, _ = GaussianSimulator(problem_of(likelihood, transform)).inject(np.random.default_rng(9))
    assert event is not likelihood
    assert not np.array_equal(event.y, likelihood.y)
    left = [
        (event.y - line(X, **truth)) / SIGMA
        for event, truth in (
            GaussianSimulator(problem_of(likelihood, transform)).inject(np.random.default_rng(i)) for i in range(200)
        )
    ]
    assert abs(np.var(left) - 1) < 5 * (2 / np.size(left)) ** 0.5


def test_unknown_noise_is_refused():
    for sigma, more in ((None, {"sigma": Uniform(0.1, 1)}), (None, {})):
        with pytest.raises(SimulationError, match="known sigma"):
            GaussianSimulator(problem_of(*problem(sigma, more)))


def test_parameters_of_the_function_without_a_prior_are_named():
    likelihood, _ = problem()
    priors = PriorDict({"slope": Uniform(-2, 2), "ofset": Uniform(-1, 1)})
    with pytest.raises(
        PriorError, match=r"takes \['offset'\], which the priors of \['slope', 'ofset'\] do not have: add"
    ):
        GaussianSimulator(problem_of(likelihood, PriorTransform(priors)))


def test_data_that_are_not_finite_are_refused():
    likelihood, transform = problem()
    likelihood = GaussianLikelihood(X, np.where(X > 0.5, np.nan, likelihood.y), line, sigma=SIGMA)
    with pytest.raises(DataError, match="not finite"):
        GaussianSimulator(problem_of(likelihood, transform))
