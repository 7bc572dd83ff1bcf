"""The conditional variational autoencoder of section II B; encoder, prior and decoder are diagonal Gaussians."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .config import NetworkConfig
from .latent import LatentNetwork
from .layers import FeedForward, soft_log_scale


class DiagonalGaussian(nn.Module):
    """A diagonal Gaussian of k columns, whose moments a network computes from conditions.

    Parameters
    ----------
    columns
        Number k of columns.
    rows, shared
        Numbers of conditions: those that differ from row to row, and those of the whole event.
    hidden
        Widths of the hidden layers.
    extra
        Number of further outputs of the network.
    """

    def __init__(self, columns: int, rows: int, shared: int, hidden: Sequence[int], extra: int = 0) -> None:
        super().__init__()
        self.sizes = [columns, columns, extra]
        self.network = FeedForward(rows, shared, hidden, sum(self.sizes))

    def moments(
        self, rows: torch.Tensor | None, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return mean and logarithm of the standard deviation, (N, k) each, and the further outputs."""
        mean, log_scale, extra = self.network(rows, shared).split(self.sizes, dim=-1)
        return mean, soft_log_scale(log_scale), extra

    def to_base(
        self, value: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the standardised value and the log Jacobian."""
        mean, log_scale, _ = self.moments(rows, shared)
        return (value - mean) * (-log_scale).exp(), -log_scale.sum(dim=-1).expand(len(value))

    def from_base(self, base: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor) -> torch.Tensor:
        """Return the value at base coordinates; the inverse of :meth:`to_base`."""
        mean, log_scale, _ = self.moments(rows, shared)
        return mean + log_scale.exp() * base

    def draw(
        self, base: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the value at base coordinates and ``log |d value / d base|``."""
        mean, log_scale, _ = self.moments(rows, shared)
        return mean + log_scale.exp() * base, log_scale.sum(dim=-1).expand(len(base))


class CVAE(LatentNetwork):
    """The conditional variational autoencoder, made of three diagonal Gaussians."""

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__(features, context, config)
        shared, hidden = self.embedding.features, config.gaussian_features
        self.encoder = DiagonalGaussian(config.latent, features, shared, hidden)
        self.prior = DiagonalGaussian(config.latent, 0, shared, hidden)
        self.decoder = DiagonalGaussian(features, config.latent, shared, hidden)
