"""Conditional densities, one family a file."""

from __future__ import annotations

from ..errors import ConfigurationError
from .base import ConditionalNetwork, Proposal, log_normal
from .config import NetworkConfig, compact, green2020
from .cvae import CVAE
from .cvae_plus import CVAEPlus
from .gaussian import GaussianNetwork
from .made import normalising_layers, refreshed_statistics
from .maf import AutoregressiveFlow

FAMILIES: dict[str, type[ConditionalNetwork]] = {
    "gaussian": GaussianNetwork,
    "maf": AutoregressiveFlow,
    "nsf": AutoregressiveFlow,
    "cvae": CVAE,
    "cvae+": CVAEPlus,
}
"""Network families by name."""


def build_network(features: int, context: int, config: NetworkConfig) -> ConditionalNetwork:
    """The network that ``config`` describes.

    Raises
    ------
    ConfigurationError
        If no family has that name.
    """
    if config.family not in FAMILIES:
        raise ConfigurationError(f"network={config.family!r}: choose one of {sorted(FAMILIES)}")
    return FAMILIES[config.family](features, context, config)


__all__ = [
    "FAMILIES",
    "ConditionalNetwork",
    "NetworkConfig",
    "Proposal",
    "build_network",
    "compact",
    "green2020",
    "log_normal",
    "normalising_layers",
    "refreshed_statistics",
]
