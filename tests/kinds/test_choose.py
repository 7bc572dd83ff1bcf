"""The kind of a problem is chosen once, and each kind answers the same questions."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood, PoissonLikelihood
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import choose, inject, problem_of
from bilby_flowpe.kinds.black_box import BlackBox
from bilby_flowpe.kinds.gravitational_wave import GravitationalWave
from bilby_flowpe.kinds.noise_model import NoiseModel
from bilby_flowpe.kinds.own_simulate import OwnSimulate
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problem import Problem
from bilby_flowpe.simulation import DetectorView
from bilby_flowpe.simulation.amortised import AmortisedView

X = np.linspace(0, 1, 9)


def level(x: np.ndarray, mu: float) -> np.ndarray:
    return np.full(x.shape, mu)


class Own(Likelihood):
    observed_data = X

    def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
        return parameters["mu"] + rng.standard_normal(len(X))

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return float(-0.5 * np.sum((self.observed_data - parameters["mu"]) ** 2))


class Tempered(GaussianLikelihood):
    def log_likelihood(self, parameters: dict | None = None) -> float:
        return 0.5 * super().log_likelihood(parameters)


MAKE = {
    "own simulate": Own,
    "noise model": lambda: GaussianLikelihood(X, X, level, 0.5),
    "black box": lambda: Tempered(X, X, level, 0.5),
}


def plain(name: str) -> Problem:
    return problem_of(MAKE[name](), PriorDict({"mu": Uniform(1, 5)}))


@pytest.fixture(params=["gravitational wave", *MAKE])
def problem(request: pytest.FixtureRequest) -> Problem:
    if request.param == "gravitational wave":
        return problem_of(*request.getfixturevalue("problem_5d"))
    return plain(request.param)


@pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")
def test_the_kind_follows_the_likelihood(problem_5d: tuple) -> None:
    assert choose(problem_5d[0]) is GravitationalWave
    assert choose(Own()) is OwnSimulate
    assert choose(GaussianLikelihood(X, X, level)) is NoiseModel
    assert choose(PoissonLikelihood(X, np.arange(9), level)) is NoiseModel
    assert choose(Likelihood()) is BlackBox


def test_a_subclass_with_values_of_its_own_is_no_gaussian_any_more() -> None:
    assert choose(Tempered(X, X, level, 0.5)) is BlackBox
    changed = GaussianLikelihood(X, X, level, 0.5)
    changed.log_likelihood = lambda parameters=None: 0.0
    assert choose(changed) is BlackBox


def test_a_simulate_of_its_own_goes_before_the_noise_but_not_before_waves(problem_5d: tuple) -> None:
    class Wider(Tempered):
        def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
            return parameters["mu"] + rng.standard_t(3, len(X))

    assert choose(Wider(X, X, level, 0.5)) is OwnSimulate
    wave = copy.copy(problem_5d[0])
    wave.simulate = lambda parameters, rng: np.zeros(3)
    assert choose(wave) is GravitationalWave


def test_a_problem_is_frozen_and_travels(problem: Problem) -> None:
    with pytest.raises(FrozenInstanceError):
        problem.likelihood = None  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(problem))
    assert type(again) is type(problem)
    assert again.prior.keys == problem.prior.keys


def test_the_prior_is_transformed_once(problem_5d: tuple, transform_5d: PriorTransform) -> None:
    assert problem_of(problem_5d[0], transform_5d).prior is transform_5d
    assert problem_of(*problem_5d).prior.keys == transform_5d.keys


def test_each_kind_describes_itself(problem: Problem) -> None:
    if isinstance(problem, BlackBox):
        with pytest.raises(SimulationError, match="is a GaussianLikelihood with another log_likelihood"):
            problem.describe()
        return
    contract = problem.describe()
    assert set(contract.facts["priors"]) == {*problem.prior.keys}
    assert contract.differences(problem.describe()) == []


def test_each_kind_shows_its_data_as_its_bank_simulates_them(problem: Problem) -> None:
    if isinstance(problem, BlackBox):
        for refused in (problem.view, problem.bank, lambda: problem.inject(np.random.default_rng(0))):
            with pytest.raises(SimulationError, match=r"give it a method simulate\(parameters, rng\)"):
                refused()
        return
    if problem.has_noise_curves:
        view: Any = problem.view()
        assert type(view) is DetectorView and type(problem.view(psd="amortised")) is AmortisedView
        assert view.observe().shape == (1, len(view.grid))
        return
    bank = problem.bank()
    drawn = bank.draw(4, np.random.default_rng(1))
    assert drawn.data.shape == (4, len(X))
    assert problem.view().observe().shape == drawn.data[0].shape
    assert (bank.signals, bank.view.grid, bank.view.arrival, bank.flatten_snr) == (None, None, None, False)


def test_an_event_shares_the_prior_and_no_value_of_the_old_data(problem: Problem) -> None:
    if isinstance(problem, BlackBox):
        return
    noise = problem.likelihood.noise_log_likelihood()
    event, truth = problem.inject(np.random.default_rng(3))
    assert type(event) is type(problem)
    assert event.prior is problem.prior
    assert set(truth) == {*problem.prior.keys, *problem.prior.fixed}
    # Bilby keeps the likelihood of noise alone, once it was asked for.
    np.testing.assert_equal(problem.likelihood.noise_log_likelihood(), noise)
    if np.isfinite(noise):
        assert event.likelihood.noise_log_likelihood() != noise
    assert np.isfinite(event.likelihood.log_likelihood(truth))


def test_events_are_those_of_their_seeds() -> None:
    problem = plain("noise model")
    first, second = problem.events(2, 7, 1)
    again = problem.event((7, 1, 1))
    np.testing.assert_array_equal(second.problem.likelihood.y, again.problem.likelihood.y)
    assert second.truth == again.truth != first.truth
    likelihood, truth = inject(problem.likelihood, problem.prior, rng := np.random.default_rng((7, 1, 1)))
    np.testing.assert_array_equal(likelihood.y, again.problem.likelihood.y)
    assert truth == again.truth
    # The generator goes on from where the event was made.
    assert again.rng.random() == rng.random()


def test_obstacles(problem: Problem) -> None:
    waves = isinstance(problem, GravitationalWave)
    for wanted in ("closed form", "own frequencies"):
        assert (problem.obstacle(wanted) is None) == waves
    assert (problem.obstacle("simulation") is None) == (not isinstance(problem, BlackBox))


def test_a_likelihood_of_few_frequencies_says_so(problem_5d: tuple) -> None:
    class Short(type(problem_5d[0])):
        def calculate_snrs(self, *args: Any, **kwargs: Any) -> Any:
            return super().calculate_snrs(*args, **kwargs)

    likelihood = copy.copy(problem_5d[0])
    likelihood.__class__ = Short
    problem = problem_of(likelihood, problem_5d[1])
    assert "not at the frequencies of the data" in problem.obstacle("own frequencies")
    assert problem.obstacle("closed form") is None


def test_residuals_are_of_waves_alone(problem: Problem) -> None:
    waves = isinstance(problem, GravitationalWave)
    assert (problem.residual(0.0) is None) == (not waves)
    assert problem.residual(-np.inf) is None
    truth = getattr(problem.likelihood, "injection_parameters", {"mu": 2.0})
    assert (problem.farthest_off(truth) is None) == (not waves)
