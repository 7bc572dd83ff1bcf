"""A posterior of two parameters, of which the second is drawn by a likelihood that is spoilt on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.conditional.base import ConditionalDraws
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.processes.parallel import Row
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands

HALF, WIDTH, NOISE = 5.0, 0.1, 7.0
TRANSFORM = PriorTransform(PriorDict({"a": Uniform(-HALF, HALF), "b": Uniform(-HALF, HALF)}))
LOG_Z = np.log(2 * np.pi * WIDTH**2 / (2 * HALF) ** 2)
"""Of the likelihood ratio."""

Spoilt = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What is added to the log likelihood of rows of both parameters."""


class Ridge(Likelihood):
    """A normal density, not normalised, of a around one and of b around half of a; not a number for small a."""

    def __init__(self, limit: float = -np.inf) -> None:
        super().__init__()
        self.limit, self.calls = limit, 0

    def log_likelihood_ratio(self, parameters: dict) -> float:
        self.calls += 1
        a, b = parameters["a"], parameters["b"]
        return float("nan") if a < self.limit else float(log_ridge(a, b))

    def log_likelihood(self, parameters: dict) -> float:
        return self.log_likelihood_ratio(parameters) + NOISE

    def noise_log_likelihood(self) -> float:
        return NOISE


def log_ridge(a: Any, b: Any) -> Any:
    return -0.5 * ((a - 1.0) ** 2 + (b - 0.5 * a) ** 2) / WIDTH**2


def nothing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.zeros(len(a))


class Coarse:
    """Draws b given a from the coarse likelihood's own conditional, spoilt after that; it fails at large a."""

    keys = ("b",)
    reference = {"b": 0.0}
    exact = False

    def __init__(self, spoilt: Spoilt = nothing, fails: float = np.inf, scale: float = 1.3) -> None:
        self.spoilt, self.fails, self.scale = spoilt, fails, scale

    def defended(self, share: float) -> Coarse:
        return self

    def describe(self) -> dict[str, Any]:
        return {"source": "toy"}

    def task(self, likelihood: Likelihood) -> Any:
        return lambda row: None if row["a"] > self.fails else np.array([row["a"]])

    def task_rows(self, rows: list[Row], rng: np.random.Generator) -> list[Row]:
        return rows

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        a, scale = products[:, 0], self.scale * WIDTH
        z = rng.standard_normal(len(a))
        b = 0.5 * a + scale * z
        log_density = -0.5 * z**2 - np.log(scale * np.sqrt(2 * np.pi))
        log_likelihood = log_ridge(a, b) + self.spoilt(a, b)
        inside = np.where(np.abs(b) <= HALF, -np.log(2 * HALF), -np.inf)
        return ConditionalDraws({"b": b}, log_likelihood, log_likelihood + inside - log_density)

    def log_average(self, likelihood: Likelihood, row: Row) -> float:
        raise NotImplementedError


def target(coarse: Coarse | None = None, likelihood: Likelihood | None = None, use_ratio: bool = True) -> Target:
    problem = problem_of(likelihood or Ridge(), TRANSFORM)
    return Target(as_it_stands(problem), use_ratio, coarse or Coarse())
