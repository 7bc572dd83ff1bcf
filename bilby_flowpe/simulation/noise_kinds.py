"""The noise of Bilby's own likelihoods of plain data, one class each.

On the network's scale counts stand by their square roots, exponential data by their logarithms, all others as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bilby.core.likelihood import (
    ExponentialLikelihood,
    GaussianLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
)

from ..errors import DataError, SimulationError
from ..priors import Parameters
from ..problem import Problem
from ..processes.parallel import Row
from .noise import FunctionNoise, Noise, sizes_of_noise

_TINY = float(np.finfo(np.float64).tiny)
_LARGEST = 1e300
_MOST_COUNTS = 2.0**62  # beyond it numpy draws none


class GaussianNoise(FunctionNoise):
    """Normal noise of unknown standard deviation; by one that is known data are whitened (:mod:`.gaussian`)."""

    kind, of, own = "gaussian", GaussianLikelihood, ("sigma",)

    def prediction(self, row: Row) -> np.ndarray | None:
        return super().prediction(row) if row["sigma"] else None

    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        # Bilby takes a negative one for its absolute value, and so does this.
        return predictions + parameters["sigma"][:, None] * rng.standard_normal(predictions.shape)


class PoissonNoise(FunctionNoise):
    """Counts of what happens at a rate. Bilby raises an error where one is negative, and gives no weight to one of zero."""

    kind, of = "poisson", PoissonLikelihood

    def prediction(self, row: Row) -> np.ndarray | None:
        rate = self.value(row)
        said = f"func={self.likelihood.func.__name__} gives"
        if not isinstance(rate, np.ndarray):
            raise SimulationError(f"{said} a {type(rate).__name__}: a PoissonLikelihood takes a numpy array of rates")
        if np.any(wrong := (rate < 0) | ((rate > _MOST_COUNTS) & np.isfinite(rate))):
            raise SimulationError(
                f"{said} a rate of {rate[wrong][0]:.3g} for {row}: narrow the priors to where rates are positive and below "
                f"{_MOST_COUNTS:.0e}"
            )
        return self.each(rate) if np.all(np.isfinite(rate) & (rate > 0)) else None

    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        return rng.poisson(predictions)

    def scaled(self, data: np.ndarray) -> np.ndarray:
        return _anscombe(data)

    def centre(self, predictions: np.ndarray) -> np.ndarray:
        return 2 * np.sqrt(predictions)


class ExponentialNoise(FunctionNoise):
    """Exponentially distributed data of a predicted mean; Bilby gives no weight to one that is not positive."""

    kind, of = "exponential", ExponentialLikelihood

    def prediction(self, row: Row) -> np.ndarray | None:
        mean = super().prediction(row)
        return mean if mean is not None and np.all(mean > 0) else None

    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        return predictions * rng.standard_exponential(predictions.shape)

    def scaled(self, data: np.ndarray) -> np.ndarray:
        # A datum may have been rounded to zero.
        return np.log(np.maximum(data, _TINY))


class StudentTNoise(FunctionNoise):
    """Student's t around the prediction. Its scale is the likelihood's: Bilby reads none from the parameters."""

    kind, of, own = "student-t", StudentTLikelihood, ("nu",)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._sigma = np.ravel(np.abs(sizes_of_noise(self.likelihood.sigma, self.shape, StudentTLikelihood)))

    def known(self) -> Row:
        nu = self.likelihood.nu
        return {} if nu is None else {"nu": float(nu)}

    def prediction(self, row: Row) -> np.ndarray | None:
        nu = {**self.known(), **row}["nu"]
        if not nu > 0:
            raise SimulationError(
                f"nu={nu!r}: a StudentTLikelihood takes positive degrees of freedom, narrow the prior"
            )
        return super().prediction(row)

    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        nu = np.broadcast_to(parameters["nu"][:, None], predictions.shape)
        with np.errstate(over="ignore"):
            return _finite(predictions + self._sigma * rng.standard_t(nu))

    def scaled(self, data: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return _finite(data / self._sigma)

    def facts(self) -> dict[str, Any]:
        return {} if "nu" in self.prior.keys else {"nu": {**self.known(), **self.prior.fixed}["nu"]}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"sigma": self._sigma}


class MultinomialNoise(Noise):
    """How often each of several things happened, of a fixed total; the last probability is what the others leave."""

    kind, of, attribute = "multinomial", Multinomial, "data"
    likelihood: Multinomial

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if np.any(self.observed < 0) or np.any(self.observed % 1) or self.shape != (self.likelihood.n,):
            raise DataError(
                f"data={self.likelihood.data} of the Multinomial are not {self.likelihood.n} whole numbers of things"
            )
        self.total = int(self.observed.sum())

    def needed(self) -> tuple[str, ...]:
        return tuple(f"{self.likelihood.base}{index}" for index in range(self.likelihood.n - 1))

    def prediction(self, row: Row) -> np.ndarray | None:
        shares = np.array([row[key] for key in self.needed()])
        shares = np.append(shares, 1 - shares.sum())
        return self.total * shares if np.all(shares >= 0) else None

    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        return rng.multinomial(self.total, predictions / predictions.sum(axis=-1, keepdims=True))

    def scaled(self, data: np.ndarray) -> np.ndarray:
        return _anscombe(data)

    def centre(self, predictions: np.ndarray) -> np.ndarray:
        return 2 * np.sqrt(predictions)

    def put(self, likelihood: Likelihood, data: np.ndarray) -> None:
        super().put(likelihood, data)
        # The likelihood remembers the noise evidence of the data that it was made with.
        likelihood._nll = None

    def facts(self) -> dict[str, Any]:
        return {"base": self.likelihood.base, "total": self.total}


def known_sigma(problem: Problem) -> np.ndarray | None:
    """Known noise of a GaussianLikelihood, one number for each datum; ``None`` where the priors have to tell."""
    likelihood, prior = problem.likelihood, problem.prior
    # A fixed parameter of this name takes the place of the likelihood's own, as it does in the likelihood.
    sigma = prior.fixed.get("sigma", likelihood.sigma)
    if sigma is None or "sigma" in prior.keys:
        return None
    return sizes_of_noise(sigma, np.shape(likelihood.y), GaussianLikelihood)


def _finite(data: np.ndarray) -> np.ndarray:
    """Within double precision: tails of few degrees of freedom go beyond it."""
    return np.clip(data, -_LARGEST, _LARGEST)


def _anscombe(counts: np.ndarray) -> np.ndarray:
    """Twice the square roots of counts and three eighths: their variance is about one where they are not few."""
    return 2 * np.sqrt(counts + 0.375)


NOISES: tuple[type[Noise], ...] = (GaussianNoise, PoissonNoise, ExponentialNoise, StudentTNoise, MultinomialNoise)
"""All of them."""
