"""How the networks that ship are made: sizes and recipes, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError
from ..networks import NetworkConfig
from ..training.recipe import TrainingConfig
from .bounds import FAMILIES

KINDS = ("maf", "nsf", "cvae+")
"""Kinds of networks that there are recipes for."""

_MINUTE = 60.0  # seconds


@dataclass(frozen=True)
class Recipe:
    """A network and its training.

    Attributes
    ----------
    network
        Sizes.
    training
        Rates, batches and budget.
    """

    network: NetworkConfig
    training: TrainingConfig


_HIDDEN, _EMBEDDING = (128, 128), 128  # widths: a draw has to cost less than a wave
_TRANSFORMS = {"maf": 6, "nsf": 6, "cvae+": 3}  # of CVAE+ in each of its three flows
_DECAY = 0.02  # of the weights: events are many, and seen more than once
_BATCH = 1024


def recipe(family: str, network: str, minutes: float, device: str = "cpu") -> Recipe:
    """Return the recipe of a network.

    Parameters
    ----------
    family
        Name of the family.
    network
        Kind of the network, one of :data:`KINDS`.
    minutes
        How long to train.
    device
        Any that torch knows.

    Raises
    ------
    ConfigurationError
        If there is no such family, no recipe of the kind, or no time.
    """
    if family not in FAMILIES:
        raise ConfigurationError(f"family={family!r}: choose one of {sorted(FAMILIES)}")
    if network not in KINDS:
        raise ConfigurationError(f"network={network!r}: choose one of {sorted(KINDS)}")
    if not minutes > 0:
        raise ConfigurationError(f"minutes={minutes!r}: give a number above zero")
    sizes = NetworkConfig(
        family=network,
        transforms=_TRANSFORMS[network],
        hidden_features=_HIDDEN,
        embedding_features=_EMBEDDING,
        gaussian_features=_HIDDEN,
    )
    return Recipe(
        sizes, TrainingConfig(max_time=_MINUTE * minutes, batch_size=_BATCH, weight_decay=_DECAY, device=device)
    )
