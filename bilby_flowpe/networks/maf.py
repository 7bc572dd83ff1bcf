r"""Autoregressive flows: the masked autoregressive flow of the paper, and neural spline flows.

With :math:`u = f^{-1}(x; y)` the loss is the cross entropy of the paper's equation 21,
:math:`-\log N(u; 0, 1) - \log |\det \partial u / \partial x|`, whose expectation over simulations is least where
:math:`q(x|y)` is the posterior. The transforms are zuko's; each sees the data through one embedding network.
"""

from __future__ import annotations

import torch
import zuko

from .base import ConditionalNetwork, NetworkConfig, Proposal
from .layers import Embedding, keep_precision


class AutoregressiveFlow(ConditionalNetwork):
    """zuko's MAF or NSF behind an embedding network."""

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__(features, context, config)
        self.embedding = Embedding(context, config.embedding_features, config.embedding_blocks)
        sizes = {"transforms": config.transforms, "hidden_features": config.hidden_features}
        if config.family == "nsf":
            self.flow = zuko.flows.NSF(features, config.embedding_features, bins=config.bins, **sizes)
        else:
            self.flow = zuko.flows.MAF(features, config.embedding_features, **sizes)
        for transform in self.flow.transform.transforms:
            keep_precision(transform.hyper)

    def loss(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """``-log q(x | context)``, (N,)."""
        return -self.log_prob(x, context)

    def log_prob(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Log density (N,) of rows x (N, n) given contexts (N, C)."""
        return self.flow(self.embedding(context)).log_prob(x)

    @torch.no_grad()
    def propose(self, context: torch.Tensor, size: int, generator: torch.Generator) -> Proposal:
        """Draws and their log density."""
        base = torch.randn(size, self.features, generator=generator, dtype=torch.float32)
        x = self.from_base(base.to(context.device), context)
        return Proposal(x, self.flow(self.embedding(context).expand(size, -1)).log_prob(x))

    @torch.no_grad()
    def to_base(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates of the flow's base and the log Jacobian; the embedding of one event is computed once."""
        transform = self.flow(self.embedding(context).expand(len(x), -1)).transform
        return transform.call_and_ladj(x)

    @torch.no_grad()
    def from_base(self, base: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """The flow's inverse."""
        return self.flow(self.embedding(context).expand(len(base), -1)).transform.inv(base)
