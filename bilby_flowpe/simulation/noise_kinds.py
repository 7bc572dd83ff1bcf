"""Noise of Bilby's own likelihoods of plain data, one class for each.

On the network's scale, counts are replaced by their square roots and exponential data by their logarithms; others are
unchanged.
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
_LARGEST = 1e300  # bound of the data (in their own units): some orders below the largest double, for sums of squares
_MOST_COUNTS = 2.0**62  # largest rate of counts: NumPy draws no Poisson numbers of larger rates


class GaussianNoise(FunctionNoise):
    """Normal noise of unknown standard deviation; data with a known one are whitened in :mod:`.gaussian`."""

    kind, of, own = "gaussian", GaussianLikelihood, ("sigma",)

    def prediction(self, row: Row) -> np.ndarray | None:
        return super().prediction(row) if row["sigma"] else None

    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        # A negative sigma counts as its absolute value, as in Bilby.
        return predictions + parameters["sigma"][:, None] * rng.standard_normal(predictions.shape)


class PoissonNoise(FunctionNoise):
    """Poisson counts of events at a predicted rate.

    Bilby raises an error for a negative rate, and the likelihood of a rate of zero is zero.
    """

    kind, of = "poisson", PoissonLikelihood

    def prediction(self, row: Row) -> np.ndarray | None:
        rate = self.value(row)
        said = f"func={self.likelihood.func.__name__} returns"
        if not isinstance(rate, np.ndarray):
            raise SimulationError(f"{said} a {type(rate).__name__}: a PoissonLikelihood needs a numpy array of rates")
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
    """Exponentially distributed data of a predicted mean; the likelihood is zero if the mean is not positive."""

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
    """Student-t noise around the prediction, of the likelihood's own scale, which Bilby never reads from the parameters."""

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
                f"nu={nu!r}: a StudentTLikelihood needs positive degrees of freedom; narrow the prior of nu"
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
    """Numbers of events in several classes with a fixed total; the last probability follows from the others."""

    kind, of, attribute = "multinomial", Multinomial, "data"
    likelihood: Multinomial

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if np.any(self.observed < 0) or np.any(self.observed % 1) or self.shape != (self.likelihood.n,):
            raise DataError(
                f"data={self.likelihood.data} of the Multinomial are not {self.likelihood.n} whole numbers from zero on: "
                "give the count of every class"
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
        # The likelihood has stored the noise evidence of the data that it was made with.
        likelihood._nll = None

    def facts(self) -> dict[str, Any]:
        return {"base": self.likelihood.base, "total": self.total}


def known_sigma(problem: Problem) -> np.ndarray | None:
    """Return the known noise level of a GaussianLikelihood for each datum, or ``None`` if it is a parameter."""
    likelihood, prior = problem.likelihood, problem.prior
    # A fixed parameter of this name takes the place of the likelihood's own, as it does in the likelihood.
    sigma = prior.fixed.get("sigma", likelihood.sigma)
    if sigma is None or "sigma" in prior.keys:
        return None
    return sizes_of_noise(sigma, np.shape(likelihood.y), GaussianLikelihood)


def _finite(data: np.ndarray) -> np.ndarray:
    """Return the data clipped to double precision, which tails of few degrees of freedom exceed."""
    return np.clip(data, -_LARGEST, _LARGEST)


def _anscombe(counts: np.ndarray) -> np.ndarray:
    """Return twice the square root of counts plus 3/8, whose variance is about one unless counts are few."""
    return 2 * np.sqrt(counts + 0.375)


NOISES: tuple[type[Noise], ...] = (GaussianNoise, PoissonNoise, ExponentialNoise, StudentTNoise, MultinomialNoise)
"""Classes of all kinds of noise."""
