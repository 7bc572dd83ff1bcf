"""The training loop: a stream of simulations in, the best weights and a history out.

The loss is the paper's (equation 9, with latent variables equation 14), on batches that are never seen twice. Learning rates
and the weight of the KL term follow the recipe over whichever budget runs out first, steps or seconds; an exponential moving
average of the weights is what is validated and kept.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
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

from .interruption import deferred
from .networks import ConditionalNetwork, refreshed_statistics
from .prefetch import Prefetcher, halved_threads
from .recipe import COLLAPSED, TrainingConfig, annealed

_MINUTE = 60.0
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
        File to write from time to time, at the end, and when a signal comes; and to resume from.
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
        groups = network.parameter_groups()
        self.groups = list(groups)
        self.optimizer = torch.optim.Adam([{"params": group} for group in groups.values()], lr=config.learning_rate)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.best = {key: value.clone() for key, value in network.state_dict().items()}
        self.history = History()
        self.step, self.spent = 0, 0.0
        self.losses: dict[str, list[float]] = {}
        self.noise = torch.Generator().manual_seed(config.seed)
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
        self._look_for_collapse()
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
                with deferred() as asked_to_end:
                    batch, self.state = stream.next()
                    self._train_step(batch, done)
                    self.spent = time.monotonic() - began
                    done = self._progress()
                    if done >= due or done >= 1.0:
                        self._refresh(stream)
                        self._validate(bar)
                        due = self._due()
                    early = len(self.history.step) - 1 - self.history.best >= self.config.patience
                    late = time.monotonic() - saved > self.config.checkpoint_every
                    if self.checkpoint and (late or asked_to_end() or early or done >= 1.0):
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
        shares = [0.0]
        if self.config.max_steps is not None:
            shares.append(self.step / self.config.max_steps)
        if self.config.max_time is not None:
            shares.append(self.spent / self.config.max_time)
        return max(shares)

    def _train_step(self, batch: Batch, done: float) -> None:
        for name, group in zip(self.groups, self.optimizer.param_groups, strict=True):
            group["lr"] = self.config.learning_rate_at(done, name)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            terms = self.network.loss_terms(batch.x.to(self.device), batch.context.to(self.device), self.noise)
            loss = annealed(terms, self.config.kl_multiplier(done), self.config.kl_floor)
        if torch.isfinite(loss):
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimizer.step()
            for name, rows in terms.items():
                self.losses.setdefault(name, []).append(float(rows.detach().mean()))
        self.step += 1
        # A young average follows closely, or the random start would linger in it.
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def _refresh(self, stream: Prefetcher[tuple[Batch, dict[str, Any]]]) -> None:
        """Batch normalisation takes the moments of fresh data before its weights are scored (section III B 2)."""
        with refreshed_statistics(self.average) as needed:
            for _ in range(self.config.norm_batches if needed else 0):
                batch, self.state = stream.next()
                self.average.loss(batch.x.to(self.device), batch.context.to(self.device), self.noise)

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
        loss, paper = float(np.mean(rows)), float(np.mean(rows + self.validation.paper_offset))
        history = self.history
        history.step.append(self.step)
        history.seconds.append(round(self.spent, 2))
        history.learning_rate.append(max(group["lr"] for group in self.optimizer.param_groups))
        trained = {name: float(np.mean(self.losses[name][-200:])) if self.losses else math.nan for name in terms}
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
            "noise": self.noise.get_state(),
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        try:
            buffer = io.BytesIO()
            torch.save(state, buffer)
            temporary.write_bytes(_digested(buffer.getvalue()))
            temporary.replace(self.checkpoint)
        except (OSError, RuntimeError) as error:
            # A disk that is full ends as an error of torch's own; what was trained so far is worth more than its copy.
            temporary.unlink(missing_ok=True)
            logger.warning(
                f"{self.checkpoint} cannot be written ({str(error).splitlines()[0]}): the training goes on, and an "
                "interruption would cost what was trained since the last one"
            )

    def _resume(self) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        try:
            raw = self.checkpoint.read_bytes()
            if raw != _digested(raw[_DIGEST:]):
                raise OSError("its contents are not those of its digest")
            state = torch.load(io.BytesIO(raw[_DIGEST:]), weights_only=True)
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
        self.noise.set_state(state["noise"])
        self.set_rng_state(self.state)
        logger.info(f"Training resumes at step {self.step}, after {self.spent / _MINUTE:.1f} minutes")


_DIGEST = 32


def _digested(payload: bytes) -> bytes:
    """Contents of a checkpoint, their SHA-256 before them: a damaged one must not be gone on with."""
    return hashlib.sha256(payload).digest() + payload


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
