"""The training loop: a stream of simulations in, the best weights and a history out.

The loss is the paper's (equation 9), on batches that are never seen twice. The learning rate falls as a half cosine over
whichever budget runs out first, steps or seconds; an exponential moving average of the weights is what is validated and
kept.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from bilby.core.utils import logger
from tqdm.auto import tqdm

from .errors import ConfigurationError
from .networks import ConditionalNetwork
from .prefetch import Prefetcher, halved_threads

_WARM_UP = 0.02
_MINUTE = 60.0


@dataclass(frozen=True)
class Batch:
    """Training pairs.

    Attributes
    ----------
    x
        Coordinates, (N, n).
    context
        Features of the data, (N, C).
    paper_offset
        What turns ``-log q(x)`` of each row into the paper's units, (N,): parameters of zero mean and unit variance over
        the prior.
    """

    x: torch.Tensor
    context: torch.Tensor
    paper_offset: np.ndarray


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    max_steps, max_time
        Budget in steps and in seconds; whichever ends first. At least one is needed.
    batch_size
        Rows a step.
    learning_rate
        Highest learning rate.
    validation_size
        Held-out rows.
    validations
        How often they are scored over the whole training.
    patience
        Validations without improvement after which training stops.
    average
        Decay a step of the moving average of the weights.
    clip
        Largest norm of the gradient.
    device
        Any device torch knows.
    bf16
        Autocast to bfloat16; ``None`` measures whether it is faster.
    seed
        Of initial weights, simulations and noise.
    checkpoint_every
        Seconds between checkpoints.
    """

    max_steps: int | None = None
    max_time: float | None = 600.0
    batch_size: int = 1024
    learning_rate: float = 1.5e-3
    validation_size: int = 8192
    validations: int = 40
    patience: int = 12
    average: float = 0.998
    clip: float = 5.0
    device: str = "cpu"
    bf16: bool | None = None
    seed: int = 0
    checkpoint_every: float = 60.0

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_time is None:
            raise ConfigurationError("max_steps=None and max_time=None: give a number of steps or of seconds")
        for name in (
            "max_steps",
            "max_time",
            "batch_size",
            "learning_rate",
            "validation_size",
            "validations",
            "patience",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name}={value!r}: give a number above zero")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass
class History:
    """What happened in training, one entry a validation.

    Attributes
    ----------
    step, seconds, learning_rate
        Progress.
    train_loss, validation_loss
        In the network's own coordinates, in nats.
    validation_loss_paper
        In parameters of zero mean and unit variance over the prior.
    best
        Index of the weights kept.
    """

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_loss_paper: list[float] = field(default_factory=list)
    best: int = -1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def train(
    network: ConditionalNetwork,
    batches: Callable[[int], Batch],
    validation: Batch,
    config: TrainingConfig,
    rng_state: Callable[[], dict[str, Any]],
    set_rng_state: Callable[[dict[str, Any]], None],
    checkpoint: Path | None = None,
    progress: bool = True,
) -> History:
    """Train ``network`` in place; it is left with the best weights.

    Parameters
    ----------
    network
        What to train.
    batches
        Gives a fresh batch of the size asked for.
    validation
        Held-out rows.
    config
        The recipe.
    rng_state, set_rng_state
        State of the generators behind ``batches``, kept in the checkpoint.
    checkpoint
        File to write every few seconds and to resume from.
    progress
        Whether to show a progress bar.
    """
    return _Run(network, batches, validation, config, rng_state, set_rng_state, checkpoint)(progress)


class _Run:
    """State of one training."""

    def __init__(
        self,
        network: ConditionalNetwork,
        batches: Callable[[int], Batch],
        validation: Batch,
        config: TrainingConfig,
        rng_state: Callable[[], dict[str, Any]],
        set_rng_state: Callable[[dict[str, Any]], None],
        checkpoint: Path | None,
    ) -> None:
        self.config = config
        self.device = torch.device(config.device)
        self.network = network.to(self.device)
        self.batches, self.validation = batches, validation
        self.rng_state, self.set_rng_state = rng_state, set_rng_state
        self.checkpoint = checkpoint
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.best = {key: value.clone() for key, value in network.state_dict().items()}
        self.history = History()
        self.step, self.spent, self.losses = 0, 0.0, []
        self.state = rng_state()
        self.bf16 = _bf16_pays(self.device) if config.bf16 is None else config.bf16

    def __call__(self, progress: bool) -> History:
        self._resume()
        with halved_threads():
            stream = Prefetcher(self._make_batch)
            try:
                self._loop(stream, progress)
            finally:
                stream.close()
        self.network.load_state_dict(self.best)
        self.network.to("cpu").eval()
        return self.history

    def _make_batch(self) -> tuple[Batch, dict[str, Any]]:
        """A batch and the state of the generators after it: batches made ahead must not count as seen."""
        batch = self.batches(self.config.batch_size)
        return batch, self.rng_state()

    def _loop(self, stream: Prefetcher[tuple[Batch, dict[str, Any]]], progress: bool) -> None:
        began, saved = time.monotonic() - self.spent, time.monotonic()
        due = self._due()
        with tqdm(total=100, desc="Training", unit="%", disable=not progress, bar_format=_BAR) as bar:
            while (done := self._progress()) < 1.0:
                batch, self.state = stream.next()
                self._train_step(batch, done)
                self.spent = time.monotonic() - began
                done = self._progress()
                if done >= due or done >= 1.0:
                    self._validate(bar)
                    due = self._due()
                    if len(self.history.step) - 1 - self.history.best >= self.config.patience:
                        logger.info(f"No improvement over {self.config.patience} validations: training stops early")
                        break
                if self.checkpoint and time.monotonic() - saved > self.config.checkpoint_every:
                    self._save()
                    saved = time.monotonic()
                bar.update(min(100 * done, 100) - bar.n)

    def _due(self) -> float:
        """Progress at which the next validation is due; not a running sum, so that a resumed training has the same."""
        return (len(self.history.step) + 1) / self.config.validations

    def _progress(self) -> float:
        shares = [0.0]
        if self.config.max_steps is not None:
            shares.append(self.step / self.config.max_steps)
        if self.config.max_time is not None:
            shares.append(self.spent / self.config.max_time)
        return max(shares)

    def _learning_rate(self, done: float) -> float:
        warm = min(1.0, done / _WARM_UP + 0.05)
        return self.config.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))) + 1e-7

    def _train_step(self, batch: Batch, done: float) -> None:
        rate = self._learning_rate(done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self.network.loss(batch.x.to(self.device), batch.context.to(self.device)).mean()
        if torch.isfinite(loss):
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimizer.step()
            self.losses.append(float(loss.detach()))
        self.step += 1
        # A young average follows closely, or the random start would linger in it.
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def _validate(self, bar: tqdm) -> None:
        self.average.eval()
        pieces = [
            self.average.loss(x.to(self.device), context.to(self.device)).cpu()
            for x, context in zip(self.validation.x.split(2048), self.validation.context.split(2048), strict=True)
        ]
        rows = torch.cat(pieces).double().numpy()
        loss, paper = float(np.mean(rows)), float(np.mean(rows + self.validation.paper_offset))
        history = self.history
        history.step.append(self.step)
        history.seconds.append(round(self.spent, 2))
        history.learning_rate.append(self.optimizer.param_groups[0]["lr"])
        history.train_loss.append(float(np.mean(self.losses[-200:])) if self.losses else math.nan)
        history.validation_loss.append(loss)
        history.validation_loss_paper.append(paper)
        # A loss that is not a number is never the best, and any number is better than one.
        least = history.validation_loss[history.best] if history.best >= 0 else math.nan
        if history.best < 0 or loss < least or (math.isnan(least) and not math.isnan(loss)):
            history.best = len(history.step) - 1
            self.best = {key: value.clone() for key, value in self.average.state_dict().items()}
        bar.set_postfix_str(f"step {self.step}, train {history.train_loss[-1]:.3f}, validation {loss:.3f}")
        self.losses = self.losses[-200:]

    def _save(self) -> None:
        state = {
            "config": self.config.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "history": self.history.to_dict(),
            "step": self.step,
            "spent": self.spent,
            "losses": self.losses,
            "rng": self.state,
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)

    def _resume(self) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        try:
            state = torch.load(self.checkpoint, weights_only=True)
        except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
            logger.warning(f"{self.checkpoint} cannot be read ({error}): starting anew")
            return
        if state["config"] != self.config.to_dict():
            logger.info(f"{self.checkpoint} is of a training with another configuration: starting anew")
            return
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = History(**state["history"])
        self.step, self.spent, self.losses = state["step"], state["spent"], state["losses"]
        self.state = state["rng"]
        self.set_rng_state(self.state)
        logger.info(f"Training resumes at step {self.step}, after {self.spent / _MINUTE:.1f} minutes")


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def _bf16_pays(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are clearly faster than in float32 on this device."""
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(1024, 512, device=device).to(dtype), torch.randn(512, 512, device=device).to(dtype)
        for _ in range(3):
            a @ b
        began = time.perf_counter()
        for _ in range(10):
            a @ b
        seconds.append(time.perf_counter() - began)
    return seconds[1] < 0.8 * seconds[0]
