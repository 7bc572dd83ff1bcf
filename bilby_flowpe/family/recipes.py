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


_EMBEDDING = 96  # width of the embedding network
# Widths of the flows: a draw has to cost less than a wave.
_HIDDEN = {"maf": (96, 96), "nsf": (96, 96), "cvae+": (64, 64)}
_GAUSSIAN = (96, 96)  # widths of the networks that put out a Gaussian
_TRANSFORMS = {"bbh-aligned": 6, "bbh-precessing": 5}
_OF_CVAE_PLUS = 3  # transforms in each of its three flows
_LATENT = 4  # latent variables
_DECAY = 1.0  # of the weights: with a hundredth of it some 1e4 events, each seen many times, are learnt by heart
_RATE, _BATCH, _VALIDATIONS = 2e-3, 512, 30
_FREE = 2.0  # nats of the KL term that cost nothing: with 0.2 the decoder's flow does without latent variables


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
    latent = network == "cvae+"
    sizes = NetworkConfig(
        family=network,
        transforms=_OF_CVAE_PLUS if latent else _TRANSFORMS[family],
        hidden_features=_HIDDEN[network],
        embedding_features=_EMBEDDING,
        gaussian_features=_GAUSSIAN,
        latent=_LATENT,
        encoder_context=_LATENT,
    )
    training = TrainingConfig(
        max_time=_MINUTE * minutes,
        batch_size=_BATCH,
        learning_rate=_RATE,
        weight_decay=_DECAY,
        validations=_VALIDATIONS,
        patience=_VALIDATIONS,
        kl_cycles=2,
        kl_floor=_FREE,
        device=device,
    )
    return Recipe(sizes, training)
