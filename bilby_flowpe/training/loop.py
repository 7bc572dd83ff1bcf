"""The training loop: a stream of simulations in, the best weights and a history out.

The loss is the paper's (equation 9, with latent variables equation 14), on batches that are never seen twice. Learning rates
and the weight of the KL term follow the recipe over whichever budget runs out first, steps or seconds; an exponential moving
average of the weights is what is validated and kept.

A batch is made of shards, each from a source of its own, and the gradient is their average. Several processes share the shards
among them, so that their number changes nothing but the order of a sum.
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

_MINUTE = 60.0
_SHARD = 1_000_003  # between the seeds of two shards' noise
_VALIDATION_SEED = 1


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


class Source(Protocol):
    """Gives fresh batches of the size asked for; its state goes into checkpoints."""

    def __call__(self, size: int) -> Batch: ...

    def state(self) -> dict[str, Any]: ...

    def set_state(self, state: dict[str, Any]) -> None: ...


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
    train_reconstruction, train_kl, validation_reconstruction, validation_kl
        The two terms of the loss of families with latent variables; empty for others.
    best
        Index of the weights kept.
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
        """Plain values, for JSON."""
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
    """Train ``network`` in place; it is left with the best weights.

    Parameters
    ----------
    network
        What to train.
    sources
        One for each shard of a batch, the same in every process.
    validation
        Held-out rows.
    config
        The recipe.
    checkpoint
        File to write from time to time, at the end, and when a signal comes; and to resume from.
    progress
        Whether to show a progress bar.
    team
        The processes that train together; this one alone when left out.

    Raises
    ------
    ConfigurationError
        If the shards cannot be shared evenly.
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
        """Shards of a batch and the state of their sources after it: batches made ahead must not count as seen."""
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
                    # One clock for all.
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
        """Progress at which the next validation is due; not a running sum, so that a resumed training has the same."""
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
        # A young average follows closely, or the random start would linger in it.
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def _average_gradients(self) -> None:
        """Over all processes; one that left out a term of the loss has no gradient of some weights."""
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
        """Batch normalisation takes the moments of fresh data before its weights are scored (section III B 2)."""
        with refreshed_statistics(self.average, self.team.average) as needed:
            for _ in range(self.config.norm_batches if needed else 0):
                for shard, piece in self._next(stream).items():
                    self.average.loss(piece.x.to(self.device), piece.context.to(self.device), self.noise[shard])

    @torch.no_grad()
    def _validate(self, bar: tqdm) -> None:
        self.average.eval()
        # The same draws of the latent variables every time: validations differ by the weights alone.
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
        # A loss that is not a number is never the best, and any number is better than one.
        least = history.validation_loss[history.best] if history.best >= 0 else math.nan
        if history.best < 0 or loss < least or (math.isnan(least) and not math.isnan(loss)):
            history.best = len(history.step) - 1
            self.best = {key: value.clone() for key, value in self.average.state_dict().items()}
        bar.set_postfix_str(f"step {self.step}, train {history.train_loss[-1]:.3f}, validation {loss:.3f}")
        self.losses = {name: values[-200:] for name, values in self.losses.items()}

    def _look_for_collapse(self) -> None:
        """Tell when the latent variables say nothing of x (section II D 1)."""
        history = self.history
        if history.validation_kl and history.validation_kl[history.best] < COLLAPSED:
            logger.warning(
                f"The latent space has collapsed: a KL term of {history.validation_kl[history.best]:.2f} nat over the "
                f"validation, below {COLLAPSED}. The network does without its latent variables; train longer, with more "
                "kl_cycles, or use network='maf'"
            )

    def _save(self) -> None:
        """The first process writes, for all."""
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
    """Those of several processes, step by step."""
    return {name: np.mean([one[name] for one in losses], axis=0).tolist() for name in losses[0]}


Ahead = tuple[dict[int, Batch], dict[int, dict[str, Any]]]
"""Shards of a batch, and the state of their sources after it."""

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
