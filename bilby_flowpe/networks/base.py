r"""Base class of all networks: a conditional density that is trained by ``loss`` and sampled by ``propose``.

A network knows nothing of gravitational waves or Bilby: ``x`` are coordinates (zuko calls them features), and
``context`` is the representation of the data, called y in the paper.

A family with latent variables z knows only the density of the pair (x, z), :math:`p(z|y)\,p(x|z,y)`, from which it
draws, and that of its encoder, :math:`q(z|x,y)`. The extended vector :math:`s = (x, z)` has n + d columns. If the
density of x is tractable, d is 0 and s is x.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import nn
from zuko.nn import MaskedLinear

from ..errors import ConfigurationError
from .config import NetworkConfig
from .layers import BLOCK, Embedding
from .made import AutoregressiveStack

_LOG_TWO_PI = math.log(2 * math.pi)  # Natural logarithm of 2 pi, which normalises a normal density in each dimension.


def log_normal(u: torch.Tensor) -> torch.Tensor:
    """Return the log density (N,) of the standard normal at rows u (N, k)."""
    return -0.5 * (u.square().sum(dim=-1) + u.shape[-1] * _LOG_TWO_PI)


@dataclass(frozen=True)
class Proposal:
    """Draws with the logarithm of the density they were drawn from.

    Attributes
    ----------
    x
        Draws, (N, n).
    z
        Latent variables from which they were drawn, (N, d).
    log_extended
        ``log p(z|y) + log p(x|z,y)``, (N,): the log density of the pair, which is that of x only if there are no latent
        variables.
    """

    x: torch.Tensor
    z: torch.Tensor
    log_extended: torch.Tensor

    @property
    def log_q(self) -> torch.Tensor:
        """Log density of x, (N,), for draws without latent variables.

        Raises
        ------
        ConfigurationError
            If the draws have latent variables.
        """
        if self.z.shape[-1]:
            raise ConfigurationError(
                f"log_q is not known for draws with {self.z.shape[-1]} latent variables: use log_extended, the log density "
                "of the pairs (x, z), or the estimate by log_prob of the network"
            )
        return self.log_extended


class ConditionalNetwork(nn.Module, ABC):
    """A conditional density q(x | context).

    This base class has no latent variables (d = 0); ``LatentNetwork`` adds them.

    Parameters
    ----------
    features
        Dimension n of x.
    context
        Dimension C of the context.
    config
        Sizes and choices.
    """

    latent: int = 0
    """Number d of latent variables."""

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__()
        self.features = features
        self.context = context
        self.config = config
        self.embedding = Embedding(context, config.embedding_features, config.embedding_blocks)

    @abstractmethod
    def _to_base(self, s: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute :meth:`to_base` with gradients, and also for contexts (N, C)."""

    @abstractmethod
    def from_base(self, base: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return s (N, n + d) at base coordinates (N, n + d) for the context (1, C) of one event."""

    @torch.no_grad()
    def to_base(self, s: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute coordinates in which the proposal's density of s is a standard normal.

        Parameters
        ----------
        s
            Rows, (N, n + d), with the columns of x before those of z.
        context
            Context of one event, (1, C).

        Returns
        -------
        tuple
            Base coordinates (N, n + d) and ``log |d base / ds|`` (N,).
        """
        pieces = [self._to_base(piece, context) for piece in s.split(BLOCK)]
        base, log_jacobian = (torch.cat(parts) for parts in zip(*pieces, strict=True))
        return base, log_jacobian

    def loss_terms(
        self, x: torch.Tensor, context: torch.Tensor, generator: torch.Generator | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the terms of the training loss, (N,) each, in nats.

        Parameters
        ----------
        x
            Coordinates, (N, n).
        context
            Contexts, (N, C).
        generator
            Generator of the latent draws. Without one, evaluation always uses the same draws, and training uses torch's
            own generator.

        Returns
        -------
        dict
            ``"density"``: ``-log q(x | context)``; with latent variables ``"reconstruction"`` and ``"kl"``.
        """
        return {"density": -self.log_prob(x, context)}

    def loss(self, x: torch.Tensor, context: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return the training loss of each row, (N,), in nats.

        It is ``-log q(x | context)`` or, with latent variables, an upper bound of it on average.
        """
        first, *others = self.loss_terms(x, context, generator).values()
        return sum(others, start=first)

    def log_prob(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the log density (N,) of rows x (N, n) given contexts (N, C) or (1, C)."""
        base, log_jacobian = self._to_base(x, context)
        return log_normal(base) + log_jacobian

    @torch.no_grad()
    def encode(self, x: torch.Tensor, context: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw latent variables (N, d) from q(z | x, y) for rows x (N, n) of one event with context (1, C)."""
        return x.new_empty(len(x), 0)

    @torch.no_grad()
    def log_encoder(self, s: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return ``log q(z | x, y)`` (N,) for rows s = (x, z), (N, n + d), and the context (1, C) of one event."""
        return s.new_zeros(len(s))

    @torch.no_grad()
    def propose(self, context: torch.Tensor, size: int, generator: torch.Generator) -> Proposal:
        """Draw ``size`` samples for the context (1, C) of one event."""
        base = torch.randn(size, self.features + self.latent, generator=generator, dtype=torch.float32)
        s = self.from_base(base.to(context), context)
        # The density is evaluated at the draws after rounding, in the same way as for any other point.
        again, log_jacobian = self.to_base(s, context)
        x, z = s.split([self.features, self.latent], dim=-1)
        return Proposal(x, z, log_normal(again) + log_jacobian)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return trainable parameters as ``"gaussian"`` and ``"flow"``: the paper has two learning rates (section III B).

        The embedding network, which the paper does not have, belongs to the flows if there are any.
        """
        fast: list[nn.Module] = [module for module in self.modules() if isinstance(module, AutoregressiveStack)]
        if fast:
            fast.append(self.embedding)
        of_flows = {id(parameter) for module in fast for parameter in module.parameters()}
        groups: dict[str, list[nn.Parameter]] = {"gaussian": [], "flow": []}
        for parameter in self.parameters():
            if parameter.requires_grad:
                groups["flow" if id(parameter) in of_flows else "gaussian"].append(parameter)
        return {name: group for name, group in groups.items() if group}

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    @property
    def n_weights(self) -> int:
        """Number of trainable weights that are not masked, without biases, as counted in the paper (table II)."""
        masks = {id(m.weight): int(m.mask.sum()) for m in self.modules() if isinstance(m, MaskedLinear)}
        matrices = [p for p in self.parameters() if p.requires_grad and p.ndim == 2]
        return sum(masks.get(id(matrix), matrix.numel()) for matrix in matrices)
