r"""The baseline network: a normal density with mean and covariance computed from the data.

Section II A, equation 3, with :math:`\Sigma(y) = A(y) A(y)^\top` and A lower triangular with a positive diagonal. The base
coordinates are :math:`u = A^{-1} (x - \mu)`.
"""

from __future__ import annotations

import torch

from .base import ConditionalNetwork
from .config import NetworkConfig
from .layers import FeedForward, soft_log_scale


class GaussianNetwork(ConditionalNetwork):
    """A multivariate normal density given the data."""

    below: torch.Tensor

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__(features, context, config)
        outputs = features + features * (features + 1) // 2
        self.moments = FeedForward(0, self.embedding.features, config.gaussian_features, outputs)
        self.register_buffer("below", torch.tril_indices(features, features, -1), persistent=False)

    def _mean_and_factor(self, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return mean (N, n), Cholesky factor A (N, n, n) and the logarithm of its diagonal (N, n)."""
        n = self.features
        mean, log_diagonal, lower = self.moments(None, self.embedding(context)).split([n, n, n * (n - 1) // 2], dim=-1)
        log_diagonal = soft_log_scale(log_diagonal)
        factor = torch.diag_embed(log_diagonal.exp())
        factor[:, self.below[0], self.below[1]] = lower
        return mean, factor, log_diagonal

    def _to_base(self, s: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, factor, log_diagonal = self._mean_and_factor(context)
        base = torch.linalg.solve_triangular(factor, (s - mean)[..., None], upper=False)[..., 0]
        return base, -log_diagonal.sum(dim=-1).expand(len(s))

    @torch.no_grad()
    def from_base(self, base: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return ``x = mu + A u`` at base coordinates u."""
        mean, factor, _ = self._mean_and_factor(context)
        return mean + (factor * base[:, None, :]).sum(dim=-1)
