"""Representation of data without an arrival time: compression on the span of the noise-free data."""

from __future__ import annotations

import numpy as np
import torch

from ..simulator import Simulator
from .base import Representation, RepresentationConfig
from .compress import Compressor

_CHUNK = 2048


class LinearRepresentation(Representation):
    """Projection on the span of the model's predictions.

    Parameters
    ----------
    compressor
        The projection.
    """

    def __init__(self, compressor: Compressor) -> None:
        super().__init__(compressor.features)
        self.compressor = compressor

    @classmethod
    def fit(
        cls, simulator: Simulator, config: RepresentationConfig, rng: np.random.Generator, generator: torch.Generator
    ) -> LinearRepresentation:
        """Basis, location and scale on simulations."""
        signals = torch.cat([simulator.draw(_CHUNK, rng).data for _ in range(max(config.n_fit // _CHUNK, 2))])
        flat = signals.flatten(1)[:, None]
        compressor = Compressor.fit(
            flat[:-_CHUNK], flat[-_CHUNK:], config.tolerance, min(config.max_components, flat.shape[-1])
        )
        representation = cls(compressor)
        representation.standardise(simulator.add_noise(signals[:_CHUNK], generator))
        return representation

    @classmethod
    def empty(cls, grid: None, sizes: dict[str, int]) -> LinearRepresentation:
        """One to load trained buffers into."""
        return cls(Compressor(1, sizes["numbers"], sizes["components"]))

    def sizes(self) -> dict[str, int]:
        """Sizes for :meth:`empty`."""
        return {"numbers": self.compressor.basis.shape[1], "components": self.compressor.basis.shape[2]}

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Coefficients (N, K), and no pivot."""
        return self.compressor(data.flatten(1)[:, None]), None
