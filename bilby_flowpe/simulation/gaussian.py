"""Simulations for :class:`bilby.core.likelihood.GaussianLikelihood`: a model function and white Gaussian noise."""

from __future__ import annotations

import copy

import numpy as np
import torch
from bilby.core.likelihood import Likelihood

from ..errors import DataError, SimulationError
from ..problem import Problem, Signals
from ..processes.parallel import Row
from .noise import for_each
from .noise_kinds import known_sigma
from .plain import PlainSimulator
from .rows import possible_rows


class GaussianSimulator(PlainSimulator):
    """Training data for a Gaussian likelihood of known noise level.

    Parameters
    ----------
    problem
        A problem of such a likelihood.

    Raises
    ------
    SimulationError
        If the noise level is a parameter to infer, or zero.
    DataError
        If the data are not finite.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        sigma = known_sigma(problem)
        if sigma is None:
            raise SimulationError(
                "sigma of the GaussianLikelihood is not known: give it a value; data cannot be whitened by an unknown sigma"
            )
        if not np.all(np.isfinite(problem.likelihood.y)):
            raise DataError("the data y of the GaussianLikelihood are not finite: repair or leave out these data")
        self._sigma = sigma

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Draw new model predictions in units of the noise, (size, M) float32, with their parameters."""
        parameters, predictions = possible_rows(self.prior, size, rng, self._model)
        return Signals(parameters, torch.as_tensor(predictions / self._sigma, dtype=torch.float32))

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Add white noise of unit variance."""
        return data + torch.randn(data.shape, generator=generator)

    def observe(self) -> np.ndarray:
        """Return the data in units of the noise, (M,)."""
        return (np.asarray(self.likelihood.y) / self._sigma).astype(np.float32)

    def inject(self, rng: np.random.Generator) -> tuple[Likelihood, Row]:
        """Return a copy of the likelihood with new data, and their parameters."""
        signals = self.draw(1, rng)
        event = copy.copy(self.likelihood)
        event.y = (signals.data[0].double().numpy() + rng.standard_normal(signals.data[0].shape)) * self._sigma
        return event, self.problem.rows(signals.parameters)[0]

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return the noise-free data of one row, (M,), or ``None`` if there is no prediction."""
        return self._model(row)

    def _model(self, row: Row) -> np.ndarray | None:
        """Return the model's prediction, (M,), or ``None`` if it is not finite, so that the likelihood is zero or undefined."""
        likelihood = self.likelihood
        arguments = {key: row[key] for key in likelihood.function_keys if key in row}
        value = likelihood.func(likelihood.x, **arguments, **likelihood.kwargs)
        if not np.all(np.isfinite(value)):
            return None
        return for_each(value, self._sigma.shape, f"func={likelihood.func.__name__}")
