"""From whitened data to the network's context: what every representation gives."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..errors import NotFittedError
from .pivot import Pivot


class Representation(nn.Module):
    """Base of all representations: standardises the features that subclasses compute.

    Parameters
    ----------
    features
        Number of features, C.
    """

    location: torch.Tensor
    scale: torch.Tensor
    standardised: torch.Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("standardised", torch.tensor(False))

    @property
    def features(self) -> int:
        """Number of features given to the network."""
        return len(self.location)

    def sizes(self) -> dict[str, int]:
        """What it takes, beside the grid, to build an empty one of the same shape."""
        raise NotImplementedError(f"{type(self).__name__} has no sizes")

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, Pivot | None]:
        """Raw features (N, C) and pivot, if the representation has one, of whitened data."""
        raise NotImplementedError(f"{type(self).__name__} defines no features")

    def standardise(self, data: torch.Tensor) -> None:
        """Take location and scale from the features of noisy training ``data``."""
        features, _ = self.compute(data)
        self.location.copy_(features.mean(dim=0))
        self.scale.copy_(features.std(dim=0).clamp_min(1e-6))
        self.standardised.fill_(True)

    def log_likelihood_found(self, data: torch.Tensor) -> np.ndarray | None:
        """Log likelihood ratios (N,) of the best signals that a search of data (N, ...) finds; ``None`` without one."""
        return None

    @torch.no_grad()
    def forward(self, data: torch.Tensor) -> tuple[torch.Tensor, Pivot | None]:
        """Standardised features (N, C) float32 and pivot of whitened data (N, ...)."""
        if not self.standardised:
            raise NotFittedError("the representation was not fitted: train a model, or load one")
        features, pivot = self.compute(data)
        return (features - self.location) / self.scale, pivot
