"""Recipes of the shipped networks: their sizes and the settings of their training."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError
from ..networks import NetworkConfig
from ..training.recipe import TrainingConfig
from .bounds import FAMILIES

KINDS = ("maf", "nsf", "cvae+")
"""Kinds of networks for which there is a recipe."""

_MINUTE = 60.0  # Seconds in a minute: training times are given in minutes.


@dataclass(frozen=True)
class Recipe:
    """A network and its training.

    Attributes
    ----------
    network
        Sizes of the network.
    training
        Learning rates, batches and budget.
    """

    network: NetworkConfig
    training: TrainingConfig


_EMBEDDING = 96
"""Width of the embedding network in units: a wider one learns more, but trains slower and makes larger files."""

# Widths of the flows: a draw has to be cheaper than a wave.
_HIDDEN = {"maf": (96, 96), "nsf": (96, 96), "cvae+": (64, 64)}
_GAUSSIAN = (96, 96)  # widths of the layers of networks that return the moments of a Gaussian
_TRANSFORMS = {"bbh-aligned": 6, "bbh-precessing": 5}
"""Transforms of a flow: each costs time in every draw, above all with the nine parameters of precessing binaries."""

_OF_CVAE_PLUS = 3
"""Transforms in each of the three flows of CVAE+: few, because every draw passes two of these flows."""

_LATENT = 4  # Number of latent variables of CVAE+, as many as the parameters of aligned spins.
_DECAY = 1.0  # weight decay; with a hundredth of it, some 1e4 events, each used many times, are overfitted
_RATE, _BATCH, _VALIDATIONS = 2e-3, 512, 30  # Learning rate, events in a batch, and validations in a training.
_FREE = 2.0  # nats of the KL term that cost nothing; with 0.2, the decoder's flow ignores the latent variables


def recipe(family: str, network: str, minutes: float, device: str = "cpu") -> Recipe:
    """Return the recipe of a network.

    Parameters
    ----------
    family
        Name of the family.
    network
        Kind of the network, one of :data:`KINDS`.
    minutes
        Duration of the training in minutes.
    device
        Any device that torch knows.

    Raises
    ------
    ConfigurationError
        If there is no such family, no recipe for this kind, or no time.
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
