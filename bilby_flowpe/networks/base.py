"""The contract of every network: a conditional density that is trained by ``loss`` and draws by ``propose``.

A network knows nothing of gravitational waves or Bilby: ``x`` are coordinates (features, in zuko's word), ``context`` is what
the representation made of the data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from ..errors import ConfigurationError


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a network.

    Attributes
    ----------
    family
        ``"maf"`` or ``"nsf"``.
    transforms
        Number of autoregressive transforms.
    hidden_features
        Widths of the hidden layers of each transform.
    embedding_features
        Width of the embedding network's residual stream, also of the context handed to the transforms.
    embedding_blocks
        Number of its residual blocks.
    bins
        Bins of the splines (``nsf`` alone).
    """

    family: str = "maf"
    transforms: int = 6
    hidden_features: tuple[int, ...] = (256, 256)
    embedding_features: int = 256
    embedding_blocks: int = 2
    bins: int = 8

    def __post_init__(self) -> None:
        sizes = {
            "transforms": self.transforms,
            "embedding_features": self.embedding_features,
            "bins": self.bins,
            **{f"hidden_features[{i}]": width for i, width in enumerate(self.hidden_features)},
        }
        for name, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r}: give a whole number of at least 1")
        if not self.hidden_features:
            raise ConfigurationError("hidden_features=(): give at least one hidden layer")
        if self.embedding_blocks < 0:
            raise ConfigurationError(f"embedding_blocks={self.embedding_blocks!r}: give 0 or more")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "hidden_features": list(self.hidden_features)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**values, "hidden_features": tuple(values["hidden_features"])})


@dataclass(frozen=True)
class Proposal:
    """Draws with the logarithm of the density they were drawn from.

    Attributes
    ----------
    x
        Draws, (N, n).
    log_q
        Log density, (N,).
    """

    x: torch.Tensor
    log_q: torch.Tensor


class ConditionalNetwork(nn.Module, ABC):
    """A conditional density q(x | context).

    Parameters
    ----------
    features
        Dimension n of x.
    context
        Dimension C of the context.
    config
        Sizes.
    """

    def __init__(self, features: int, context: int, config: NetworkConfig) -> None:
        super().__init__()
        self.features = features
        self.context = context
        self.config = config

    @abstractmethod
    def loss(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Training loss of each row, (N,) in nats: ``-log q(x | context)`` or an upper bound of it."""

    @abstractmethod
    def log_prob(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Log density of each row, (N,)."""

    @abstractmethod
    def propose(self, context: torch.Tensor, size: int, generator: torch.Generator) -> Proposal:
        """``size`` draws for the context (1, C) of one event."""

    @abstractmethod
    def to_base(self, x: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates (N, n) in which the density is a standard normal, and ``log |d base / dx|`` (N,)."""

    @abstractmethod
    def from_base(self, base: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`to_base`, for the context (1, C) of one event."""

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
