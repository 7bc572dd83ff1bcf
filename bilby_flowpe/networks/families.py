"""Network families by name, and the network that a configuration describes."""

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
