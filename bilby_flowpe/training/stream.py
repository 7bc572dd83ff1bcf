"""Endless training pairs: signals, noise, features and coordinates, from one pair of random generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..problem import Bank, Signals
from ..representation.base import Representation
from ..representation.coordinates import Coordinates
from .loop import Batch


class Stream:
    """A source of training batches.

    Parameters
    ----------
    bank, representation, coordinates
        Objects that make signals, features and coordinates.
    rng, generator
        Random generators of parameters, and of noise.
    paper_constant
        Term that converts a loss in the network's coordinates to the paper's units, the same for all rows.
    """

    def __init__(
        self,
        bank: Bank,
        representation: Representation,
        coordinates: Coordinates,
        rng: np.random.Generator,
        generator: torch.Generator,
        paper_constant: float = 0.0,
    ) -> None:
        self._bank, self._representation, self._coordinates = bank, representation, coordinates
        self._rng, self._generator, self.paper_constant = rng, generator, paper_constant

    def __call__(self, size: int, held_out: bool = False) -> Batch:
        """Make a batch of ``size`` rows."""
        signals, context, pivot = self.simulated(size, held_out)
        x, log_jacobian = self._coordinates.to_network(signals.parameters, pivot)
        return Batch(x, context, self.paper_constant - log_jacobian)

    def simulated(self, size: int, held_out: bool = False) -> tuple[Signals, torch.Tensor, Any]:
        """Return ``size`` signals, the features of their data, and the pivots."""
        signals = self._bank.draw(size, self._rng, held_out)
        context, pivot = self._representation(self._bank.add_noise(signals.data, self._generator))
        return signals, context, pivot

    def shards(self, count: int, seed: int) -> list[Stream]:
        """Return ``count`` streams: this one, and others with their own random generators."""
        others = [
            Stream(
                self._bank,
                self._representation,
                self._coordinates,
                np.random.default_rng((seed, shard)),
                torch.Generator().manual_seed(int(np.random.default_rng((seed, shard, 1)).integers(2**62))),
                self.paper_constant,
            )
            for shard in range(1, count)
        ]
        return [self, *others]

    def state(self) -> dict[str, Any]:
        """Return the state of the NumPy and torch random generators."""
        return {"numpy": self._rng.bit_generator.state, "torch": self._generator.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Set the state of both random generators, as returned by :meth:`state`."""
        self._rng.bit_generator.state = state["numpy"]
        self._generator.set_state(state["torch"])
