"""Parameters that do not change simulated data are found, whatever makes the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood, PoissonLikelihood, StudentTLikelihood
from bilby.core.prior import Constraint, Gaussian, PriorDict, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.simulation.unchanging import unchanging

X = np.linspace(0.1, 1, 12)
PRIORS = {"a": Uniform(0.5, 2), "b": Gaussian(1, 2), "late": Uniform(0, 1)}


def line(x: np.ndarray, a: float, b: float, late: float) -> np.ndarray:
    return a * x


def mostly(x: np.ndarray, a: float, b: float, late: float) -> np.ndarray:
    """``late`` acts in half of its prior."""
    return a * x + (late if late > 0.5 else 0.0)


class Own(Likelihood):
    def __init__(self) -> None:
        super().__init__()
        self.observed_data = np.ones(12)

    def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
        return parameters["a"] * X + rng.normal(size=12) * (1 + parameters["late"])

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return 0.0


KINDS: dict[str, tuple[Callable[[], Likelihood], tuple[str, ...]]] = {
    "known noise": (lambda: GaussianLikelihood(X, X, line, sigma=0.1), ("b", "late")),
    "an effect in half of the prior": (lambda: GaussianLikelihood(X, X, mostly, sigma=0.1), ("b",)),
    "unknown noise": (lambda: GaussianLikelihood(X, X, line), ("b", "late")),
    "counts": (lambda: PoissonLikelihood(X, np.arange(12), line), ("b", "late")),
    "long tails": (lambda: StudentTLikelihood(X, X, line, nu=3.0, sigma=0.1), ("b", "late")),
    "its own simulate": (Own, ("b",)),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_data(name: str) -> None:
    make, expected = KINDS[name]
    priors = dict(PRIORS)
    if name == "unknown noise":
        priors["sigma"] = Uniform(0.1, 1)
    transform = PriorTransform(PriorDict(priors))
    simulator = problem_of(make(), transform).bank()
    assert unchanging(simulator, transform.keys) == expected


def test_tied_parameters_are_left_alone() -> None:
    """A parameter that is tied to another by a conversion cannot be changed alone."""

    def convert(parameters: dict[str, Any]) -> dict[str, Any]:
        return {**parameters, "total": parameters["b"] + parameters["late"]}

    priors = PriorDict({**PRIORS, "total": Constraint(-10, 10)}, conversion_function=convert)
    transform = PriorTransform(priors)
    simulator = problem_of(GaussianLikelihood(X, X, line, sigma=0.1), transform).bank()
    assert unchanging(simulator, transform.keys) == ()


def test_waves(problem_5d) -> None:
    likelihood, priors = problem_5d
    priors = priors.copy()
    priors["glitch"] = Uniform(0, 1)
    transform = PriorTransform(priors)
    assert isinstance(likelihood, GravitationalWaveTransient)
    simulator = problem_of(likelihood, transform).bank(
        SimulationConfig(n_waveforms=20, reduce_grid=False), progress=False
    )
    assert unchanging(simulator, transform.keys) == ("glitch",)
