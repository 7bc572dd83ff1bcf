"""The training loop: from a stream of simulations to the best weights and a history.

The loss is the paper's (equation 9, with latent variables equation 14), on batches that are never used twice. Learning
rates and the weight of the KL term follow the recipe over the budget, steps or seconds, whichever ends first. An
exponential moving average of the weights is validated and kept.

A batch consists of shards, each with its own source, and the gradient is their average. Several processes share the
shards among them, so that the number of processes changes only the order of a sum.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from bilby.core.utils import logger
from tqdm.auto import tqdm

from ..errors import ConfigurationError
from ..networks.base import ConditionalNetwork
from ..networks.made import refreshed_statistics
from ..processes.team import Alone, Team
from ..storage.interruption import deferred
from .checkpoint import read_checkpoint, write_checkpoint
from .prefetch import Prefetcher, halved_threads
from .recipe import COLLAPSED, TrainingConfig, annealed

_MINUTE = 60.0  # Seconds in a minute, the unit of times in messages.
# difference between the seeds of the noise of two shards: a prime, so that the seeds of different trainings rarely
# coincide
_SHARD = 1_000_003
_VALIDATION_SEED = 1
"""Seed of the latent draws in validations; any number, so that validations differ by the weights alone."""


@dataclass(frozen=True)
class Batch:
    """A batch of training pairs.

    Attributes
    ----------
    x
        Coordinates, (N, n).
    context
        Features of the data, (N, C).
    paper_offset
        Term that converts ``-log q(x)`` of each row to the paper's units, (N,): parameters with zero mean and unit
        variance over the prior.
    """

    x: torch.Tensor
    context: torch.Tensor
    paper_offset: np.ndarray


class Source(Protocol):
    """A source of fresh batches of a given size, whose state can be saved in checkpoints."""

    def __call__(self, size: int) -> Batch: ...

    def state(self) -> dict[str, Any]: ...

    def set_state(self, state: dict[str, Any]) -> None: ...


@dataclass
class History:
    """Record of a training, with one entry for each validation.

    Attributes
    ----------
    step, seconds, learning_rate
        Steps made, seconds spent and learning rate.
    train_loss, validation_loss
        Losses in the network's own coordinates, in nats.
    validation_loss_paper
        Loss for parameters with zero mean and unit variance over the prior, in nats.
    train_reconstruction, train_kl, validation_reconstruction, validation_kl
        The two terms of the loss for families with latent variables; empty for others.
    best
        Index of the validation whose weights were kept.
    """

    step: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_loss_paper: list[float] = field(default_factory=list)
    train_reconstruction: list[float] = field(default_factory=list)
    train_kl: list[float] = field(default_factory=list)
    validation_reconstruction: list[float] = field(default_factory=list)
    validation_kl: list[float] = field(default_factory=list)
    best: int = -1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def train(
    network: ConditionalNetwork,
    sources: Sequence[Source],
    validation: Batch,
    config: TrainingConfig,
    checkpoint: Path | None = None,
    progress: bool = True,
    team: Team | None = None,
) -> History:
    """Train ``network`` in place and leave it with the best weights.

    Parameters
    ----------
    network
        The network.
    sources
        A source for each shard of a batch, the same in every process.
    validation
        Held-out rows.
    config
        The recipe.
    checkpoint
        File that is written from time to time, at the end, and when a signal arrives, and from which a training
        resumes.
    progress
        Whether to show a progress bar.
    team
        The processes that train together; only this process by default.

    Raises
    ------
    ConfigurationError
        If the shards cannot be shared evenly among the processes.
    """
    return _Run(network, sources, validation, config, checkpoint, team or Alone())(progress)


class _Run:
    """State of one training."""

    def __init__(
        self,
        network: ConditionalNetwork,
        sources: Sequence[Source],
        validation: Batch,
        config: TrainingConfig,
        checkpoint: Path | None,
        team: Team,
    ) -> None:
        if len(sources) % team.size or config.batch_size % len(sources):
            raise ConfigurationError(
                f"shards={len(sources)}: give a multiple of the {team.size} processes that divides batch_size="
                f"{config.batch_size}"
            )
        self.config, self.team = config, team
        self.device = team.device or torch.device(config.device)
        self.network = network.to(self.device)
        self.shards = range(team.rank, len(sources), team.size)
        self.sources, self.validation = {shard: sources[shard] for shard in self.shards}, validation
        self.rows = config.batch_size // len(sources)
        self.checkpoint = checkpoint
        groups = network.parameter_groups()
        self.groups = list(groups)
        weights = [{"params": group} for group in groups.values()]
        decay = config.weight_decay
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=decay)
            if decay
            else torch.optim.Adam(weights, lr=config.learning_rate)
        )
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.best = {key: value.clone() for key, value in network.state_dict().items()}
        self.history = History()
        self.step, self.spent = 0, 0.0
        self.losses: dict[str, list[float]] = {}
        self.noise = {shard: torch.Generator().manual_seed(config.seed + _SHARD * shard) for shard in self.shards}
        self.states = {shard: source.state() for shard, source in self.sources.items()}
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
        self._look_for_collapse()
        return self.history

    def _make_batch(self) -> Ahead:
        """Make the shards of a batch, and return them with the state of their sources after it.

        The state is kept with the batch, because batches made ahead must not count as used.
        """
        made = {shard: source(self.rows) for shard, source in self.sources.items()}
        return made, {shard: source.state() for shard, source in self.sources.items()}

    def _next(self, stream: Prefetcher[Ahead]) -> dict[int, Batch]:
        batch, self.states = stream.next()
        return batch

    def _loop(self, stream: Prefetcher[Ahead], progress: bool) -> None:
        began, saved = time.monotonic() - self.spent, time.monotonic()
        due = self._due()
        with tqdm(
            total=100, desc="Training", unit="%", disable=not progress or self.team.rank > 0, bar_format=_BAR
        ) as bar:
            while (done := self._progress()) < 1.0:
                with deferred() as asked_to_end:
                    self._train_step(self._next(stream), done)
                    # All processes use the clock of the first.
                    now = time.monotonic()
                    due_on_disk = asked_to_end() or now - saved > self.config.checkpoint_every
                    self.spent, due_on_disk = self.team.broadcast((now - began, due_on_disk))
                    done = self._progress()
                    if done >= due or done >= 1.0:
                        self._refresh(stream)
                        self._validate(bar)
                        due = self._due()
                    early = len(self.history.step) - 1 - self.history.best >= self.config.patience
                    if self.checkpoint and (due_on_disk or early or done >= 1.0):
                        self._save()
                        saved = time.monotonic()
                bar.update(min(100 * done, 100) - bar.n)
                if early:
                    logger.info(f"No improvement over {self.config.patience} validations: training stops early")
                    break

    def _due(self) -> float:
        """Return the progress at which the next validation is due.

        It is not a running sum, so that a resumed training has the same validations.
        """
        return (len(self.history.step) + 1) / self.config.validations

    def _progress(self) -> float:
        return self.config.progress(self.step, self.spent)

    def _train_step(self, batch: dict[int, Batch], done: float) -> None:
        for name, group in zip(self.groups, self.optimizer.param_groups, strict=True):
            group["lr"] = self.config.learning_rate_at(done, name)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        means: dict[str, float] = {}
        for shard, piece in batch.items():
            with self._autocast():
                terms = self.network.loss_terms(
                    piece.x.to(self.device), piece.context.to(self.device), self.noise[shard]
                )
                loss = annealed(terms, self.config.kl_multiplier(done), self.config.kl_floor)
            (loss / len(batch)).backward()
            for name, rows in terms.items():
                means[name] = means.get(name, 0.0) + float(rows.detach().mean()) / len(batch)
        self._average_gradients()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)):
            self.optimizer.step()
            for name, mean in means.items():
                self.losses.setdefault(name, []).append(mean)
        self.step += 1
        # At first, the average follows closely, or the random initial weights would stay in it for long.
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def _average_gradients(self) -> None:
        """Average the gradients over all processes, even if one left out a loss term and has no gradient of some weights."""
        if self.team.size == 1:
            return
        weights = list(self.network.parameters())
        moved = torch.tensor([float(weight.grad is not None) for weight in weights], device=self.device)
        self.team.average([moved])
        weights = [weight for weight, share in zip(weights, moved.tolist(), strict=True) if share > 0]
        gradients = []
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            gradients.append(weight.grad)
        self.team.average(gradients)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def _refresh(self, stream: Prefetcher[Ahead]) -> None:
        """Set the moments of batch normalisation by fresh data before the averaged weights are validated (section III B 2)."""
        with refreshed_statistics(self.average, self.team.average) as needed:
            for _ in range(self.config.norm_batches if needed else 0):
                for shard, piece in self._next(stream).items():
                    self.average.loss(piece.x.to(self.device), piece.context.to(self.device), self.noise[shard])

    @torch.no_grad()
    def _validate(self, bar: tqdm) -> None:
        self.average.eval()
        # The same draws of the latent variables every time, so that validations differ by the weights alone.
        noise = torch.Generator().manual_seed(_VALIDATION_SEED)
        pieces = [
            self.average.loss_terms(x.to(self.device), context.to(self.device), noise)
            for x, context in zip(self.validation.x.split(2048), self.validation.context.split(2048), strict=True)
        ]
        terms = {name: torch.cat([piece[name].cpu() for piece in pieces]).double().numpy() for name in pieces[0]}
        rows = sum(terms.values())
        scores = float(np.mean(rows)), float(np.mean(rows + self.validation.paper_offset))
        loss, paper = self.team.broadcast(scores)
        history = self.history
        history.step.append(self.step)
        history.seconds.append(round(self.spent, 2))
        history.learning_rate.append(max(group["lr"] for group in self.optimizer.param_groups))
        own = {name: float(np.mean(self.losses[name][-200:])) if self.losses else math.nan for name in terms}
        trained = {name: float(np.mean([one[name] for one in self.team.gather(own)])) for name in terms}
        history.train_loss.append(sum(trained.values()))
        for name in {"reconstruction", "kl"} & terms.keys():
            getattr(history, f"train_{name}").append(trained[name])
            getattr(history, f"validation_{name}").append(float(np.mean(terms[name])))
        history.validation_loss.append(loss)
        history.validation_loss_paper.append(paper)
        # A loss that is not a number is never the best, and any number is better than such a loss.
        least = history.validation_loss[history.best] if history.best >= 0 else math.nan
        if history.best < 0 or loss < least or (math.isnan(least) and not math.isnan(loss)):
            history.best = len(history.step) - 1
            self.best = {key: value.clone() for key, value in self.average.state_dict().items()}
        bar.set_postfix_str(f"step {self.step}, train {history.train_loss[-1]:.3f}, validation {loss:.3f}")
        self.losses = {name: values[-200:] for name, values in self.losses.items()}

    def _look_for_collapse(self) -> None:
        """Warn if the latent variables carry no information about x (section II D 1)."""
        history = self.history
        if history.validation_kl and history.validation_kl[history.best] < COLLAPSED:
            logger.warning(
                f"The latent space has collapsed: a KL term of {history.validation_kl[history.best]:.2f} nat over the "
                f"validation, below {COLLAPSED}. The network ignores its latent variables; train longer, with more "
                "kl_cycles, or use network='maf'"
            )

    def _save(self) -> None:
        """Write a checkpoint, in the first process for all."""
        losses = self.team.gather(self.losses)
        streams = [(self.states[shard], self.noise[shard].get_state()) for shard in self.shards]
        everywhere = self.team.gather(dict(zip(self.shards, streams, strict=True)))
        if self.team.rank > 0 or self.checkpoint is None:
            return
        shards = {shard: state for these in everywhere for shard, state in these.items()}
        state = {
            "config": self.config.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "history": self.history.to_dict(),
            "step": self.step,
            "spent": self.spent,
            "losses": _averaged(losses),
            "sources": {shard: source for shard, (source, _) in shards.items()},
            "noise": {shard: noise for shard, (_, noise) in shards.items()},
        }
        write_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        state = self.team.broadcast(read_checkpoint(self.checkpoint, self.config.to_dict()))
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = History(**state["history"])
        self.step, self.spent, self.losses = state["step"], state["spent"], state["losses"]
        for shard, source in self.sources.items():
            self.states[shard] = state["sources"][shard]
            source.set_state(self.states[shard])
            self.noise[shard].set_state(state["noise"][shard])
        logger.info(f"Training resumes at step {self.step}, after {self.spent / _MINUTE:.1f} minutes")


def _averaged(losses: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Average the recorded losses of several processes, step by step."""
    return {name: np.mean([one[name] for one in losses], axis=0).tolist() for name in losses[0]}


Ahead = tuple[dict[int, Batch], dict[int, dict[str, Any]]]
"""Shards of a batch, and the state of their sources after it."""

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def _bf16_pays(device: torch.device) -> bool:
    """Return whether matrix products in bfloat16 are clearly faster than in float32 on this device."""
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
