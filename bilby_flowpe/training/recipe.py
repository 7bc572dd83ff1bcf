"""Recipe of a training: budget, learning rates and the weight of the KL term as functions of progress.

Progress is the share of the budget that is spent. The stream of simulations has no epochs: an epoch is one of
``epochs`` equal shares of the budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ConfigurationError

if TYPE_CHECKING:
    import torch

COLLAPSED = 0.5
"""KL term of the validation, in nats, below which the latent space counts as unused.

Training does not push the KL term below ``kl_floor``, 0.2, so that a collapsed network ends near that value; the
paper's networks end at 4 to 11 (table III)."""

MEASURING = 0.5
"""Time for measuring a model over the training time, if that is limited in seconds; half of it is for the surprise."""

_WARM_UP = 0.02
"""Share of the training over which the learning rate rises at the start: a large first step could ruin the weights."""

_LEARNT = 0.05  # nats by which a network that has learnt anything is better than the prior; a single step may gain less
_OVERTIME = 3.0  # factor on max_time at which a training ends, whether it has made its least number of steps or not
_PAIRS, _BATCH = 900_000, 512  # Training pairs of an epoch and pairs of a batch in the paper (section III B).


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training: budget, batches, learning rates and precision.

    Attributes
    ----------
    max_steps, max_time
        Budget in steps and in seconds; the training ends with the first of the two. At least one has to be given.
    least_steps
        Steps that a training limited in seconds makes in any case, up to three times as long: on a busy machine few
        steps may fit into the given time.
    batch_size
        Rows in each step.
    learning_rate
        Highest learning rate.
    gaussian_learning_rate
        Learning rate of the networks that return the moments of a Gaussian; ``None`` takes ``learning_rate``.
    schedule
        ``"cosine"``: the learning rate rises briefly and then falls as half a cosine; ``"halving"``: it is halved every
        ``halve_every`` epochs.
    epochs
        Number of equal parts of the budget.
    halve_every
        Epochs after which the learning rate is halved.
    kl_cycle, kl_cycles
        Multipliers of the KL term, one for each epoch of a cycle, and the number of cycles before the term counts in
        full.
    kl_floor
        The KL term is left out if its mean over the batch is below this value, in nats.
    norm_batches
        Fresh batches before each validation from which batch normalisation takes its moments.
    validation_size
        Number of held-out rows.
    validations
        Number of validations over the whole training.
    patience
        Validations without improvement after which training stops.
    average
        Decay of the moving average of the weights in one step; 0 for no average.
    clip
        Largest norm of the gradient.
    weight_decay
        Share of each weight that a step at a learning rate of one would take away (AdamW); 0 for none.
    device
        Any device that torch knows.
    bf16
        Whether to use autocast to bfloat16; ``None`` measures whether it is faster.
    seed
        Seed of initial weights, simulations and noise.
    checkpoint_every
        Seconds between checkpoints.
    shards
        Equal parts of a batch, each from its own stream, that several processes share among them: a multiple of their
        number. The same number of shards gives the same training, in one process or several, up to rounding.
    """

    max_steps: int | None = None
    max_time: float | None = 600.0
    least_steps: int = 100
    batch_size: int = 1024
    learning_rate: float = 1.5e-3
    gaussian_learning_rate: float | None = None
    schedule: Literal["cosine", "halving"] = "cosine"
    epochs: int = 250
    halve_every: int = 80
    kl_cycle: tuple[float, ...] = (1e-5, 1 / 3, 2 / 3, 1.0, 1.0, 1.0)
    kl_cycles: int = 4
    kl_floor: float = 0.2
    norm_batches: int = 16
    validation_size: int = 8192
    validations: int = 40
    patience: int = 12
    average: float = 0.998
    clip: float = 5.0
    weight_decay: float = 0.0
    device: str = "cpu"
    bf16: bool | None = None
    seed: int = 0
    checkpoint_every: float = 60.0
    shards: int = 1

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_time is None:
            raise ConfigurationError("max_steps=None and max_time=None: give a number of steps or of seconds")
        for name in (
            "max_steps",
            "max_time",
            "least_steps",
            "batch_size",
            "learning_rate",
            "gaussian_learning_rate",
            "epochs",
            "halve_every",
            "norm_batches",
            "validation_size",
            "validations",
            "patience",
            "shards",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name}={value!r}: give a number above zero")
        if self.schedule not in ("cosine", "halving"):
            raise ConfigurationError(f"schedule={self.schedule!r}: choose 'cosine' or 'halving'")
        for name, values in (
            ("kl_cycle", self.kl_cycle),
            ("kl_cycles", [self.kl_cycles]),
            ("kl_floor", [self.kl_floor]),
        ):
            if not all(value >= 0 for value in values):
                raise ConfigurationError(f"{name}={getattr(self, name)!r}: give no value below zero")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def progress(self, step: int, seconds: float) -> float:
        """Return the share of the budget that is spent; it is 1 or more at the end.

        Parameters
        ----------
        step, seconds
            Steps made and seconds spent so far.
        """
        shares = [0.0]
        if self.max_steps is not None:
            shares.append(step / self.max_steps)
        if self.max_time is not None:
            share = seconds / self.max_time
            shares.append(min(share, max(step / self.least_steps, share / _OVERTIME)))
        return max(shares)

    def learning_rate_at(self, done: float, group: str = "flow") -> float:
        """Return the learning rate of a group of parameters at a progress from 0 to 1.

        Parameters
        ----------
        done
            Progress, the share of the budget that is spent.
        group
            ``"flow"`` or ``"gaussian"``.
        """
        rate = self.learning_rate
        if group == "gaussian" and self.gaussian_learning_rate is not None:
            rate = self.gaussian_learning_rate
        if self.schedule == "halving":
            return rate * 0.5 ** (self._epoch(done) // self.halve_every)
        warm = min(1.0, done / _WARM_UP + 0.05)
        return rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))) + 1e-7

    def kl_multiplier(self, done: float) -> float:
        """Return the multiplier of the KL term at a progress from 0 to 1."""
        epoch = self._epoch(done)
        if epoch >= self.kl_cycles * len(self.kl_cycle):
            return 1.0
        return self.kl_cycle[epoch % len(self.kl_cycle)]

    def _epoch(self, done: float) -> int:
        # The last moment belongs to the last epoch, and rounding must not delay the next one.
        return min(int(done * self.epochs + 1e-9), self.epochs - 1)


def has_learnt(history: Mapping[str, Any], information: Mapping[str, Any]) -> bool:
    """Return whether a network predicts held-out parameters better than a normal density that ignores the data.

    Parameters
    ----------
    history
        History of a training, as plain values.
    information
        Information about the model; without ``"loss_of_prior"`` the network counts as trained.
    """
    losses, of_prior = history.get("validation_loss"), information.get("loss_of_prior")
    return not losses or of_prior is None or bool(losses[history["best"]] < of_prior - _LEARNT)


def annealed(terms: Mapping[str, torch.Tensor], multiplier: float, floor: float) -> torch.Tensor:
    """Combine the terms of the loss: their means are added, with the KL term multiplied, or left out below its floor.

    Parameters
    ----------
    terms
        Terms of the loss, (N,) each.
    multiplier
        Multiplier of the term ``"kl"``.
    floor
        Mean of the KL term below which it is ignored: it would only push the latent space into disuse.
    """
    means = {name: rows.mean() for name, rows in terms.items()}
    kl = means.pop("kl", None)
    first, *others = means.values()
    rest = sum(others, start=first)
    return rest if kl is None or bool(kl < floor) else rest + multiplier * kl


def green2020_training(family: str, **changes: Any) -> TrainingConfig:
    """Return the paper's training (section III B): 250 epochs of 0.9e6 pairs in batches of 512, without averaged weights.

    Parameters
    ----------
    family
        Family of the network; only ``"cvae+"`` has both kinds of parameters, with learning rates 1e-4 (Gaussians) and
        4e-4 (flows).
    changes
        Fields with other values than in the paper.
    """
    paper = {
        "max_steps": 250 * math.ceil(_PAIRS / _BATCH),
        "max_time": None,
        "batch_size": _BATCH,
        "learning_rate": 1e-4 if family in ("gaussian", "cvae") else 4e-4,
        "gaussian_learning_rate": 1e-4,
        "schedule": "halving",
        "validations": 250,
        "patience": 250,
        "average": 0.0,
    }
    return TrainingConfig(**{**paper, **changes})
