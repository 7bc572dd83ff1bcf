r"""Autoregressive flows: the masked autoregressive flow of the paper, and neural spline flows.

With :math:`u = f^{-1}(x; y)`, the loss is the cross entropy of the paper's equation 21,
:math:`-\log N(u; 0, 1) - \log |\det \partial u / \partial x|`, whose expectation over simulations is least if
:math:`q(x|y)` is the posterior. All transforms see the data through one embedding network, if there is one.
"""

from __future__ import annotations

from typing import Any

import torch

from .base import ConditionalNetwork
from .config import NetworkConfig
from .made import AutoregressiveStack, spline

_FORMER = "flow.transform.transforms."


class AutoregressiveFlow(ConditionalNetwork):
    """A flow of affine or spline units from the data to a standard normal."""

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__(features, context, config)
        self.flow = AutoregressiveStack(
            features,
            0,
            self.embedding.features,
            config.transforms,
            config.hidden_features,
            config.batch_norm,
            **(spline(config.bins) if config.family == "nsf" else {}),
        )
        self.register_load_state_dict_pre_hook(_read_former_names)  # type: ignore[no-untyped-call]  # torch's, without hints

    def _to_base(self, s: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        base, log_jacobian = self.flow(s, None, self.embedding(context))
        return base, log_jacobian

    @torch.no_grad()
    def from_base(self, base: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return x at base coordinates, by inversion of the flow."""
        return self.flow.invert(base, None, self.embedding(context))


def _read_former_names(network: torch.nn.Module, state: dict[str, torch.Tensor], prefix: str, *_: Any) -> None:
    """Rename weights in files of older versions, in which the flow was a whole zuko flow with buffers of a base density."""
    former = f"{prefix}{_FORMER}"
    for key in [key for key in state if key.startswith(former)]:
        state[f"{prefix}flow.units.{key.removeprefix(former)}"] = state.pop(key)
    for name in ("loc", "scale"):
        state.pop(f"{prefix}flow.base.{name}", None)
