"""Noise models of Bilby's likelihoods: how each assumes its data were generated, around a prediction of each datum.

A :class:`Noise` defines what the likelihood predicts, how data scatter around the prediction, and a scale on which the noise
has about the same size whatever is predicted. The scale is a fixed function of the data alone; the network is shown data on
this scale, the likelihood is not. :mod:`.noise_kinds` has one class for each of Bilby's likelihoods.

To add one, write a subclass of :class:`Noise` (or :class:`FunctionNoise`, for a function of the parameters) in
:mod:`.noise_kinds`, and add it to :data:`.noise_kinds.NOISES`.
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
    """A likelihood of Bilby as a source of simulated data.

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
        Bilby's class of the likelihood.
    own
        Names of the parameters of the noise.
    attribute
        Attribute in which the likelihood keeps its data, M numbers of any shape.

    Raises
    ------
    SimulationError
        If the priors lack a parameter that the likelihood needs.
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
            raise SimulationError(
                f"the priors lack {missing}, which the {name} needs: give each a prior or a fixed value"
            )
        data = self.observed
        if data.dtype.kind not in _REAL or not np.all(np.isfinite(data)):
            raise DataError(
                f"the data {self.attribute} of the {name} are not finite real numbers: repair or leave out these data"
            )

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
        """Return the names of the parameters that the priors must have."""

    @abstractmethod
    def prediction(self, row: Row) -> np.ndarray | None:
        """Return the prediction of each datum, (M,), or ``None`` if the likelihood is zero or undefined for any data.

        Raises
        ------
        SimulationError
            If Bilby's likelihood would raise an error.
        """

    @abstractmethod
    def draw(self, predictions: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw data (N, M) around ``predictions`` (N, M), with the noise for ``parameters``, (N,) each."""

    def scaled(self, data: np.ndarray) -> np.ndarray:
        """Return data (..., M) on the network's scale."""
        return data

    def centre(self, predictions: np.ndarray) -> np.ndarray:
        """Return predictions (..., M) on the network's scale."""
        return self.scaled(predictions)

    def put(self, likelihood: Likelihood, data: np.ndarray) -> None:
        """Put new data (M,) into another likelihood of the same kind."""
        setattr(likelihood, self.attribute, data.reshape(self.shape))

    def known(self) -> Row:
        """Return the noise parameters that the likelihood knows; values in the priors take precedence."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Return the description of the noise for a contract."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the description of the noise for each datum, (M,) each, for a contract."""
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
        """Return the value of the user's function, called as the likelihood does."""
        likelihood = self.likelihood
        return likelihood.func(likelihood.x, **likelihood.model_parameters(parameters=row), **likelihood.kwargs)

    def each(self, value: Any) -> np.ndarray:
        """Return ``value`` of the function for each datum, (M,)."""
        return np.ravel(for_each(value, self.shape, f"func={self.likelihood.func.__name__}"))


def for_each(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return ``value`` as one number for each datum, in the shape of the data.

    Raises
    ------
    SimulationError
        If the value is not a number or its shape does not fit.
    """
    try:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), shape)
    except (TypeError, ValueError) as error:
        raise SimulationError(
            f"{name} has values of shape {np.shape(value)}, but the data have the shape {shape}: give one real number for "
            "each datum"
        ) from error


def sizes_of_noise(sigma: Any, shape: tuple[int, ...], of: type[Likelihood]) -> np.ndarray:
    """Return a likelihood's known ``sigma`` as one number for each datum, in the shape of the data.

    Raises
    ------
    SimulationError
        If ``sigma`` is unknown, zero, not finite or of another shape.
    """
    sizes = np.full(shape, np.nan) if sigma is None else for_each(sigma, shape, "sigma")
    if not np.all(np.isfinite(sizes) & (sizes != 0)):
        raise SimulationError(
            f"sigma={sigma!r} of the {of.__name__} is not allowed: give finite numbers other than zero"
        )
    return sizes
