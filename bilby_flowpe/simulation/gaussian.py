"""Simulations for :class:`bilby.core.likelihood.GaussianLikelihood`: a model function and white Gaussian noise."""

from __future__ import annotations

import numpy as np
import torch
from bilby.core.likelihood import GaussianLikelihood

from ..errors import DataError, SimulationError
from ..parallel import Row
from ..priors import Parameters, PriorTransform
from ..simulator import Signals
from .rows import Rows


class GaussianSimulator:
    """Training data for a Gaussian likelihood of known noise.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    transform
        The prior.

    Raises
    ------
    SimulationError
        If the noise level is a parameter to infer.
    DataError
        If the data are not finite.
    """

    def __init__(self, likelihood: GaussianLikelihood, transform: PriorTransform) -> None:
        # A fixed parameter of this name takes the place of the likelihood's own, as it does in the likelihood.
        sigma = transform.fixed.get("sigma", likelihood.sigma)
        if sigma is None or "sigma" in transform.keys:
            raise SimulationError(
                "sigma=None: give the GaussianLikelihood a known sigma; an unknown one cannot be whitened"
            )
        if not np.all(np.isfinite(likelihood.y)):
            raise DataError("the data y of the GaussianLikelihood are not finite")
        self.likelihood = likelihood
        self.transform = transform
        self._sigma = np.broadcast_to(np.asarray(sigma, dtype=np.float64), np.shape(likelihood.y))

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """``size`` model predictions in units of the noise, (size, M) float32, with their parameters: new ones each time."""
        parameters = self.transform.sample(size, rng)
        data = np.stack([self._model(row) for row in Rows(self.transform, parameters)]) / self._sigma
        return Signals(parameters, torch.as_tensor(data, dtype=torch.float32))

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Unit white noise added."""
        return data + torch.randn(data.shape, generator=generator)

    def observe(self) -> torch.Tensor:
        """The data in units of the noise, (M,)."""
        return torch.as_tensor(np.asarray(self.likelihood.y) / self._sigma, dtype=torch.float32)

    def rows(self, parameters: Parameters) -> list[Row]:
        """One dictionary a draw, fixed parameters included."""
        return Rows(self.transform, parameters)[:]

    def _model(self, row: Row) -> np.ndarray:
        arguments = {key: row[key] for key in self.likelihood.function_keys if key in row}
        return np.asarray(self.likelihood.func(self.likelihood.x, **arguments, **self.likelihood.kwargs))
