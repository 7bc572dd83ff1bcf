r"""Base class of the families with latent variables: the variational bound, and densities of the pair (x, z).

The posterior :math:`\int p(x|z,y)\,p(z|y)\,dz` (equation 10) is not tractable. Training minimises the bound of equation 14,

.. math:: E_{q(z|x,y)} [-\log p(x|z,y)] + E_{q(z|x,y)} [\log q(z|x,y) - \log p(z|y)],

the reconstruction and the KL term, both estimated with one draw of z from the encoder q. The joint density
:math:`p(z|y)\,p(x|z,y)` is tractable. In base coordinates of z under the prior and of x under the decoder it is a
standard normal.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch

from .base import ConditionalNetwork, log_normal
from .config import NetworkConfig

_ROWS = 1 << 14  # Pairs (x, z) that are evaluated at once in an estimate, which bounds the memory that it needs.
_FIXED_SEED = 20
"""Seed of the latent draws where none is given; any number, so that two evaluations use the same draws."""


class ConditionalDensity(Protocol):
    """A density of k columns that is standard normal in base coordinates."""

    def to_base(
        self, value: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return base (N, k) and ``log |d base / d value|`` (N,) for conditions ``rows`` (N, r) and ``shared`` (1 or N, C)."""

    def from_base(self, base: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor) -> torch.Tensor:
        """Return the value at base coordinates; the inverse of :meth:`to_base`."""


class Encoder(Protocol):
    """A density of z that can be sampled in training; its conditions ``rows`` are x."""

    def to_base(
        self, value: torch.Tensor, rows: torch.Tensor, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return base coordinates and log Jacobian, as specified in :class:`ConditionalDensity`."""

    def draw(self, base: torch.Tensor, rows: torch.Tensor, shared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the value (N, k) at base coordinates, with gradients, and ``log |d value / d base|`` (N,): equation 15."""


class LatentNetwork(ConditionalNetwork):
    """A network of encoder q(z | x, y), prior p(z | y) and decoder p(x | z, y), which a family sets as attributes."""

    encoder: Encoder
    prior: ConditionalDensity
    decoder: ConditionalDensity

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__(features, context, config)
        self.latent = config.latent

    def loss_terms(
        self, x: torch.Tensor, context: torch.Tensor, generator: torch.Generator | None = None
    ) -> dict[str, torch.Tensor]:
        """Return ``"reconstruction"`` and ``"kl"``, (N,) each, estimated with one draw of z for each row."""
        if generator is None and not self.training:
            # Two validations then differ only by the weights, and two calls with the same weights agree exactly.
            generator = torch.Generator().manual_seed(_FIXED_SEED)
        noise = torch.randn(len(x), self.latent, generator=generator, dtype=x.dtype).to(x.device)
        log_joint, log_encoder = self._terms(x, self.embedding(context), noise)
        of_prior, of_decoder = log_joint
        return {"reconstruction": -of_decoder, "kl": log_encoder - of_prior}

    def log_prob(
        self,
        x: torch.Tensor,
        context: torch.Tensor,
        samples: int = 1000,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Estimate ``log q(x | y)`` by importance sampling of z.

        The mean over draws ``z ~ q(z|x,y)`` of ``p(x|z,y) p(z|y) / q(z|x,y)`` is unbiased (equation 11); its logarithm
        is too low by half of its relative variance. With one sample it is, on average, minus the loss.

        Parameters
        ----------
        x
            Coordinates, (N, n).
        context
            Contexts, (N, C), or (1, C) of one event.
        samples
            Draws of z for each row.
        generator
            Generator of the draws; without one they are always the same.

        Returns
        -------
        torch.Tensor
            Estimates, (N,).
        """
        generator = generator or torch.Generator().manual_seed(_FIXED_SEED)
        shared = self.embedding(context).expand(len(x), -1)
        at_once = max(1, _ROWS // max(1, len(x)))
        total = x.new_full((len(x),), -math.inf)
        for begin in range(0, samples, at_once):
            repeats = min(at_once, samples - begin)
            noise = torch.randn(len(x) * repeats, self.latent, generator=generator, dtype=x.dtype).to(x.device)
            rows = x.repeat_interleave(repeats, dim=0)
            log_joint, log_encoder = self._terms(rows, shared.repeat_interleave(repeats, dim=0), noise)
            log_ratio = (sum(log_joint) - log_encoder).view(len(x), repeats)
            total = torch.logaddexp(total, log_ratio.logsumexp(dim=1))
        return total - math.log(samples)

    def _terms(
        self, x: torch.Tensor, shared: torch.Tensor, noise: torch.Tensor
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Return (``log p(z|y)``, ``log p(x|z,y)``) and ``log q(z|x,y)`` at the z of the encoder's base ``noise`` (N, d)."""
        z, log_jacobian = self.encoder.draw(noise, x, shared)
        return self._log_joint(x, z, shared), log_normal(noise) - log_jacobian

    def _log_joint(self, x: torch.Tensor, z: torch.Tensor, shared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        of_prior, of_decoder = self.prior.to_base(z, None, shared), self.decoder.to_base(x, z, shared)
        log_prior, log_decoder = (log_normal(base) + log_jacobian for base, log_jacobian in (of_prior, of_decoder))
        return log_prior, log_decoder

    def _to_base(self, s: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, z = s.split([self.features, self.latent], dim=-1)
        shared = self.embedding(context)
        of_z, log_jacobian_z = self.prior.to_base(z, None, shared)
        of_x, log_jacobian_x = self.decoder.to_base(x, z, shared)
        return torch.cat([of_x, of_z], dim=-1), log_jacobian_x + log_jacobian_z

    @torch.no_grad()
    def from_base(self, base: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return s at base coordinates: first z by the prior, then x by the decoder, as the paper does (section III B 1)."""
        of_x, of_z = base.split([self.features, self.latent], dim=-1)
        shared = self.embedding(context)
        z = self.prior.from_base(of_z, None, shared)
        return torch.cat([self.decoder.from_base(of_x, z, shared), z], dim=-1)

    @torch.no_grad()
    def encode(self, x: torch.Tensor, context: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw latent variables (N, d) from q(z | x, y)."""
        noise = torch.randn(len(x), self.latent, generator=generator, dtype=torch.float32).to(x)
        return self.encoder.draw(noise, x, self.embedding(context))[0]

    @torch.no_grad()
    def log_encoder(self, s: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return ``log q(z | x, y)`` (N,) for any rows s; an inverse autoregressive flow has to be inverted for it."""
        x, z = s.split([self.features, self.latent], dim=-1)
        base, log_jacobian = self.encoder.to_base(z, x, self.embedding(context))
        return log_normal(base) + log_jacobian
