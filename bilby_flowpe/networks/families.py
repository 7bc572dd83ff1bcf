"""Classes of networks by the name of their family, and the network for a configuration."""

from __future__ import annotations

from ..errors import ConfigurationError
from .base import ConditionalNetwork
from .config import NetworkConfig
from .cvae import CVAE
from .cvae_plus import CVAEPlus
from .gaussian import GaussianNetwork
from .maf import AutoregressiveFlow

FAMILIES: dict[str, type[ConditionalNetwork]] = {
    "gaussian": GaussianNetwork,
    "maf": AutoregressiveFlow,
    "nsf": AutoregressiveFlow,
    "cvae": CVAE,
    "cvae+": CVAEPlus,
}
"""Classes of networks by the name of their family."""


def build_network(features: int, context: int, config: NetworkConfig) -> ConditionalNetwork:
    """Build the network that a configuration describes.

    Raises
    ------
    ConfigurationError
        If there is no family of that name.
    """
    if config.family not in FAMILIES:
        raise ConfigurationError(f"network={config.family!r}: choose one of {sorted(FAMILIES)}")
    return FAMILIES[config.family](features, context, config)
