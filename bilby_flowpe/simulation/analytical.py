"""Simulations for Bilby's own likelihoods of plain data: predictions, with the noise that the likelihood assumes."""

from __future__ import annotations

import copy

import numpy as np
import torch
from bilby.core.likelihood import Likelihood

from ..priors import Parameters
from ..problem import Signals
from ..processes.parallel import Row
from .noise import Noise
from .plain import PlainSimulator
from .rows import possible_rows


class AnalyticalSimulator(PlainSimulator):
    """Training data for a likelihood with a known kind of noise.

    The noise depends on the parameters and is part of every simulation: :meth:`add_noise` adds nothing.

    Parameters
    ----------
    noise
        Noise model of the likelihood, with its problem.

    Attributes
    ----------
    kind : str
        Name of the noise.
    """

    def __init__(self, noise: Noise) -> None:
        super().__init__(noise.problem)
        self.noise, self.kind = noise, noise.kind
        self.known_noise = self

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Draw new simulations with noise, (size, M) float64 on the network's scale.

        Single precision would not be enough for data that may be far from zero.
        """
        parameters, predictions = self._predicted(size, rng)
        data = self.noise.draw(predictions, parameters, rng)
        return Signals(self._searched(parameters), torch.as_tensor(self.noise.scaled(data)))

    def noise_free(self, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, Parameters]:
        """Draw the values around which data scatter on the network's scale, (size, M), and noise parameters, (size,) each."""
        parameters, predictions = self._predicted(size, rng)
        noise = {key: value for key, value in parameters.items() if key in self.noise.own}
        return torch.as_tensor(self.noise.centre(predictions)), noise

    def observe(self) -> np.ndarray:
        """Return the data on the network's scale, (M,) float64."""
        return np.asarray(self.noise.scaled(self.noise.observed), dtype=np.float64)

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return the data of one row, (M,), with the noise of a seed, or ``None`` if there is no prediction."""
        if (prediction := self.noise.prediction(row)) is None:
            return None
        parameters = {key: np.array([value]) for key, value in {**self.noise.known(), **row}.items()}
        return self.noise.draw(prediction[None], parameters, np.random.default_rng(seed))[0]

    def inject(self, rng: np.random.Generator) -> tuple[Likelihood, Row]:
        """Return a copy of the likelihood with new data, and their parameters."""
        parameters, predictions = self._predicted(1, rng)
        event = copy.copy(self.likelihood)
        self.noise.put(event, self.noise.draw(predictions, parameters, rng)[0])
        return event, self.problem.rows(self._searched(parameters))[0]

    def _predicted(self, size: int, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Draw all parameters, (size,) each, and predictions, (size, M), where the likelihood is not zero."""
        searched, predictions = possible_rows(self.prior, size, rng, self.noise.prediction)
        known = {**self.noise.known(), **self.prior.fixed}
        return {**{key: np.full(size, value) for key, value in known.items()}, **searched}, predictions

    def _searched(self, parameters: Parameters) -> Parameters:
        return {key: parameters[key] for key in self.prior.keys}
