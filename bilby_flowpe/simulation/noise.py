"""How a likelihood takes its data to come about: a prediction of each datum, and noise of a known kind around it.

A :class:`Noise` says what the likelihood predicts, how data scatter around that, and on which scale noise has a size of its
own, whatever is predicted. The scale is a fixed function of the data alone, on which the network sees them; the likelihood
never does. Bilby's likelihoods have theirs in :mod:`.noise_kinds`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from bilby.core.likelihood import Analytical1DLikelihood, Likelihood

from ..errors import DataError, SimulationError
from ..priors import Parameters
from ..problem import Problem
from ..processes.parallel import Row

_REAL = "biuf"


class Noise(ABC):
    """One of Bilby's likelihoods as a source of data.

    Parameters
    ----------
    problem
        A problem of such a likelihood.

    Attributes
    ----------
    problem, likelihood, prior
        The problem, and what it consists of.
    kind
        Name of the noise.
    of
        Bilby's class.
    own
        Parameters that are the noise's own.
    attribute
        Where the likelihood keeps its data, M numbers of any shape.

    Raises
    ------
    SimulationError
        If the priors lack a parameter that the likelihood asks for.
    DataError
        If the data are not finite real numbers.
    """

    kind: ClassVar[str]
    of: ClassVar[type[Likelihood]]
    own: ClassVar[tuple[str, ...]] = ()
    attribute: ClassVar[str] = "y"

    def __init__(self, problem: Problem) -> None:
        self.problem, self.likelihood, self.prior = problem, problem.likelihood, problem.prior
        name = self.of.__name__
        if missing := [key for key in self.needed() if key not in {*self.prior.keys, *self.prior.fixed}]:
            raise SimulationError(f"priors lack {missing}, which the {name} asks for: give each a prior or a value")
        data = self.observed
        if data.dtype.kind not in _REAL or not np.all(np.isfinite(data)):
            raise DataError(f"the data {self.attribute} of the {name} are not finite real numbers: repair them")

    @property
    def observed(self) -> np.ndarray:
        """The likelihood's own data, (M,)."""
        return np.ravel(getattr(self.likelihood, self.attribute))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the likelihood's data."""
        return np.shape(getattr(self.likelihood, self.attribute))

    @abstractmethod
    def needed(self) -> tuple[str, ...]:
        """Parameters that the priors must have."""

    @abstractmethod
    def prediction(self, row: Row) -> np.ndarray | None:
        """What is predicted of each datum, (M,); ``None`` where the likelihood is zero, or no number, whatever the data.

        Raises
        ------
        SimulationError
            Where Bilby's likelihood raises an error.
        """

    @abstractmethod
    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Data (N, M) around ``predictions`` (N, M), with the noise that all ``parameters``, (N,) each, say."""

    def scaled(self, data: np.ndarray) -> np.ndarray:
        """Data (..., M) on the network's scale."""
        return data

    def centre(self, predictions: np.ndarray) -> np.ndarray:
        """Predictions (..., M) on that scale."""
        return self.scaled(predictions)

    def put(self, likelihood: Likelihood, data: np.ndarray) -> None:
        """Give another likelihood of the kind new data (M,)."""
        setattr(likelihood, self.attribute, data.reshape(self.shape))

    def known(self) -> Row:
        """The noise's own parameters that the likelihood knows; those of the priors go before them."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What a contract says of the noise."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """What a contract says of the noise datum by datum, (M,) each."""
        return {}


class FunctionNoise(Noise):
    """Noise around the values of a function of the parameters."""

    likelihood: Analytical1DLikelihood

    def needed(self) -> tuple[str, ...]:
        known = self.known()
        return (*self.likelihood.function_keys, *(key for key in self.own if key not in known))

    def prediction(self, row: Row) -> np.ndarray | None:
        return self.each(value) if np.all(np.isfinite(value := self.value(row))) else None

    def value(self, row: Row) -> Any:
        """That of the user's function, called as the likelihood does."""
        likelihood = self.likelihood
        return likelihood.func(likelihood.x, **likelihood.model_parameters(parameters=row), **likelihood.kwargs)

    def each(self, value: Any) -> np.ndarray:
        """``value`` of the function datum by datum, (M,)."""
        return np.ravel(for_each(value, self.shape, f"func={self.likelihood.func.__name__}"))


def for_each(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """``value`` as one number for each datum, of their ``shape``.

    Raises
    ------
    SimulationError
        If it is none, or ``shape`` has no room for it.
    """
    try:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), shape)
    except (TypeError, ValueError) as error:
        raise SimulationError(
            f"{name} gives values of shape {np.shape(value)}, the data have {shape}: give one real number for each datum"
        ) from error


def sizes_of_noise(sigma: Any, shape: tuple[int, ...], of: type[Likelihood]) -> np.ndarray:
    """A likelihood's known ``sigma`` as one number for each datum, of their ``shape``.

    Raises
    ------
    SimulationError
        If it is unknown, zero, not finite or of another shape.
    """
    sizes = np.full(shape, np.nan) if sigma is None else for_each(sigma, shape, "sigma")
    if not np.all(np.isfinite(sizes) & (sizes != 0)):
        raise SimulationError(f"sigma={sigma!r}: the {of.__name__} takes finite numbers other than zero here")
    return sizes
