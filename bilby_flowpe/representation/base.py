"""Base class of representations, which turn whitened data into a network's context."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..errors import NotFittedError
from .pivot import Pivot


class Representation(nn.Module):
    """Base class of all representations, which standardises the features that subclasses compute.

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
        """Number of features that the network is given."""
        return len(self.location)

    def sizes(self) -> dict[str, int]:
        """Return the sizes that, with the grid, are needed to make an empty representation of the same shape."""
        raise NotImplementedError(f"{type(self).__name__} does not define sizes(): override it in the subclass")

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, Pivot | None]:
        """Return raw features (N, C) of whitened data, and the pivot if the representation has one."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute(): override it in the subclass")

    def standardise(self, data: torch.Tensor) -> None:
        """Choose location and scale from the features of noisy training ``data``."""
        features, _ = self.compute(data)
        self.location.copy_(features.mean(dim=0))
        self.scale.copy_(features.std(dim=0).clamp_min(1e-6))
        self.standardised.fill_(True)

    def log_likelihood_found(self, data: torch.Tensor) -> np.ndarray | None:
        """Return log likelihood ratios (N,) of the best signals found in data (N, ...), or ``None`` without a search."""
        return None

    @torch.no_grad()
    def forward(self, data: torch.Tensor) -> tuple[torch.Tensor, Pivot | None]:
        """Return standardised features (N, C) float32 and the pivot of whitened data (N, ...)."""
        if not self.standardised:
            raise NotFittedError("the representation has not been fitted: train a model, or load a trained one")
        features, pivot = self.compute(data)
        return (features - self.location) / self.scale, pivot
