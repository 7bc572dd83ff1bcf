r"""CVAE+, section II D: the three Gaussians of the CVAE, each followed by autoregressive flows.

- Encoder :math:`q(z|x,y)`: an *inverse* autoregressive flow, from which training draws in a single pass. It is conditioned
  on x and an output h of the Gaussian encoder, but not on y (which, the paper suspects, would dominate over x).
- Prior :math:`p(z|y)`: a masked autoregressive flow conditioned on y.
- Decoder :math:`p(x|z,y)`: a masked autoregressive flow conditioned on y and z.
"""

from __future__ import annotations

import torch
from torch import nn

from .config import NetworkConfig
from .cvae import DiagonalGaussian
from .latent import LatentNetwork
from .made import AutoregressiveStack


class FlowAfterGaussian(nn.Module):
    """A density that is standardised by a flow and then by a diagonal Gaussian, with the same conditions.

    Parameters
    ----------
    gaussian
        The Gaussian, on the side of the base.
    flow
        The flow, whose single pass leads from the value to the Gaussian's coordinates.
    """

    def __init__(self, gaussian: DiagonalGaussian, flow: AutoregressiveStack) -> None:
        super().__init__()
        self.gaussian, self.flow = gaussian, flow

    def to_base(
        self, value: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return base coordinates and log Jacobian, in a single pass."""
        middle, of_flow = self.flow(value, rows, shared)
        base, of_gaussian = self.gaussian.to_base(middle, rows, shared)
        return base, of_flow + of_gaussian

    def from_base(self, base: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor) -> torch.Tensor:
        """Return the value at base coordinates, by inversion of the flow."""
        return self.flow.invert(self.gaussian.from_base(base, rows, shared), rows, shared)


class InverseFlowEncoder(nn.Module):
    """A Gaussian encoder with an additional output h, followed by an inverse autoregressive flow conditioned on x and h.

    Parameters
    ----------
    gaussian
        The Gaussian, conditioned on x and the data.
    flow
        The flow, whose single pass leads from the Gaussian's coordinates to z.
    sees_data
        Whether the flow is conditioned on the data, too.
    """

    def __init__(self, gaussian: DiagonalGaussian, flow: AutoregressiveStack, sees_data: bool) -> None:
        super().__init__()
        self.gaussian, self.flow, self.sees_data = gaussian, flow, sees_data

    def draw(self, base: torch.Tensor, rows: torch.Tensor, shared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the latent variables at base coordinates and ``log |dz / d base|``, in a single pass."""
        mean, log_scale, h = self.gaussian.moments(rows, shared)
        z, of_flow = self.flow(mean + log_scale.exp() * base, *self._conditions(rows, h, shared))
        return z, of_flow + log_scale.sum(dim=-1)

    def from_base(self, base: torch.Tensor, rows: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        """Return the latent variables at base coordinates."""
        return self.draw(base, rows, shared)[0]

    def to_base(
        self, value: torch.Tensor, rows: torch.Tensor, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return base coordinates and log Jacobian at any z, by inversion of the flow and therefore without gradients."""
        mean, log_scale, h = self.gaussian.moments(rows, shared)
        conditions = self._conditions(rows, h, shared)
        middle = self.flow.invert(value, *conditions)
        _, of_flow = self.flow(middle, *conditions)
        return (middle - mean) * (-log_scale).exp(), -of_flow - log_scale.sum(dim=-1)

    def _conditions(
        self, rows: torch.Tensor, h: torch.Tensor, shared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return torch.cat([rows, h], dim=-1), shared if self.sees_data else None


class CVAEPlus(LatentNetwork):
    """The CVAE+ network: three Gaussians, each with an autoregressive flow."""

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__(features, context, config)
        shared, hidden, latent = self.embedding.features, config.gaussian_features, config.latent
        sizes = (config.transforms, config.hidden_features, config.batch_norm)
        if config.encoder_flow:
            h = config.encoder_context
            of_data = shared if config.encoder_flow_sees_data else 0
            self.encoder = InverseFlowEncoder(
                DiagonalGaussian(latent, features, shared, hidden, extra=h),
                AutoregressiveStack(latent, features + h, of_data, *sizes, from_base=True),
                config.encoder_flow_sees_data,
            )
        else:
            self.encoder = DiagonalGaussian(latent, features, shared, hidden)
        self.prior = DiagonalGaussian(latent, 0, shared, hidden)
        if config.freeze_prior:
            self.prior.requires_grad_(False)
        if config.prior_flow:
            self.prior = FlowAfterGaussian(self.prior, AutoregressiveStack(latent, 0, shared, *sizes))
        self.decoder = FlowAfterGaussian(
            DiagonalGaussian(features, latent, shared, hidden),
            AutoregressiveStack(features, latent, shared, *sizes),
        )
