"""One run of the sampler, stage by stage: find or train a model, draw, weigh, refine where that is not enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import check_directory_exists_and_if_not_mkdir, logger, random

from .arguments import OF_THE_MODEL
from .build import Settings, train_model
from .cache import cached_model, new_folder
from .contract import describe
from .importance import WeightSummary, draws_needed, summarise
from .model import BoundPosterior, TrainedPosterior, find_model
from .networks import NetworkConfig
from .outcome import Outcome, fill_raw, fill_weighted
from .plotting import plot_history
from .priors import PriorTransform
from .proposals import Mixture, flow_alone
from .refine import Budget, Refinement
from .representation import RepresentationConfig
from .simulation import SimulationConfig, can_simulate
from .training import TrainingConfig
from .weighing import Target, WeightedDraws

_UNSEEN_SEED = 2**31 - 1
_HOPELESS = 5.0
_INEFFICIENT = 0.02
_PILOT = 500
_ATTEMPTS = 3

Done = TypeVar("Done")


class Run:
    """One run, stage by stage."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.kwargs = sampler.kwargs
        self.likelihood = sampler.likelihood
        self.seconds: dict[str, float] = {}
        seed = self.kwargs["sampling_seed"]
        # Without a seed of its own the run follows Bilby's generator, seeded or not.
        self.seed = int(random.rng.integers(_UNSEEN_SEED)) if seed is None else seed
        self.rng = np.random.default_rng(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.transform = PriorTransform(sampler.priors)
        self.npool = int(sampler.npool)
        self.progress = self.kwargs["progress"]

    def __call__(self) -> Result:
        began = time.monotonic()
        model, source, bound = None, "none", None
        if can_simulate(self.likelihood):
            model, source = self._find_or_train()
            bound = self._timed("representation", lambda: model.bind(self.likelihood, self.transform))
        else:
            logger.info(
                f"Nobody can simulate from a {type(self.likelihood).__name__}: a proposal is refined from the prior for this "
                "event alone, and nothing of it serves the next one"
            )
        self.target = Target(
            self.likelihood, self.transform, bool(self.sampler.use_ratio), bound and bound.conditional, self.npool
        )
        self.budget = Budget(self.kwargs["max_likelihood_evaluations"], self.kwargs["max_time"])
        if not self.kwargs["importance"]:
            outcome = self._raw(bound)
        elif bound is None:
            outcome = self._refined(None, [])
        else:
            outcome = self._weighed(bound)
        self.seconds["total"] = round(time.monotonic() - began, 3)
        outcome.finish(model, source, self.seed, self.seconds)
        fill = fill_weighted if self.kwargs["importance"] else fill_raw
        return fill(self.sampler, outcome, self.target, self.rng, began)

    def _timed(self, stage: str, work: Callable[[], Done]) -> Done:
        began = time.monotonic()
        done = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - began, 3)
        return done

    # The model ---------------------------------------------------------------------------------------------------------

    def _find_or_train(self) -> tuple[TrainedPosterior, str]:
        if self.kwargs["model"] is not None:
            ignored = [key for key in OF_THE_MODEL if self.kwargs[key] != self.sampler.default_kwargs[key]]
            if ignored:
                logger.warning(f"model={self.kwargs['model']!r} is used as it was trained: {ignored} have no effect")
            return self._timed("model", lambda: find_model(self.kwargs["model"])), str(self.kwargs["model"])
        contract = describe(self.likelihood, self.transform)
        settings = self._settings()
        if found := self._timed("model", lambda: cached_model(contract, settings, self.kwargs["cache"])):
            logger.info(f"Using the model in {found[0].name}")
            return found[1], found[0].name
        budget = settings.training
        logger.info(
            "No model was trained for this problem yet: simulating "
            f"{settings.simulation.n_waveforms} waveforms and training for "
            + (f"{budget.max_time / 60:.1f} minutes" if budget.max_time else f"{budget.max_steps} steps")
            + ". The model is kept and reused for every later event of the kind"
        )
        folder = new_folder(contract, settings, self.kwargs["cache"])
        scratch = Path(self.sampler.outdir) / f"{self.sampler.abbreviation}_{self.sampler.label}"
        check_directory_exists_and_if_not_mkdir(str(scratch))
        # Named after problem and settings: an interrupted training of something else is not gone on with.
        checkpoint = scratch / f"training_{folder.name}.ckpt"
        if not self.kwargs["resume"]:
            checkpoint.unlink(missing_ok=True)
        model = self._timed(
            "training",
            lambda: train_model(
                self.likelihood, self.transform.priors, settings, self.npool, checkpoint, self.progress
            ),
        )
        model.save(folder)
        plot_history(model.history, scratch / "training.png")
        checkpoint.unlink(missing_ok=True)
        logger.info(f"Model kept as {folder}")
        return model, folder.name

    def _settings(self) -> Settings:
        kwargs = self.kwargs
        return Settings(
            simulation=SimulationConfig(n_waveforms=kwargs["n_waveforms"]),
            representation=RepresentationConfig(kind=kwargs["representation"]),
            network=NetworkConfig(family=kwargs["network"], hidden_features=(kwargs["hidden_features"],) * 2),
            training=TrainingConfig(
                max_time=kwargs["training_time"],
                max_steps=kwargs["training_steps"],
                device=kwargs["device"],
                learning_rate=kwargs["learning_rate"],
            ),
            phase=kwargs["phase"],
            distance=kwargs["distance"],
            fold_phase=kwargs["fold_phase"],
        )

    # Drawing and weighing ----------------------------------------------------------------------------------------------

    def _draw(self, proposal: Mixture, size: int, stage: str) -> WeightedDraws:
        title = stage.capitalize() if self.progress else None
        return self._timed(
            stage,
            lambda: self.target.draw(proposal, size, self.generator, self.rng, title, self.budget.in_time),
        )

    def _raw(self, bound: BoundPosterior) -> Outcome:
        """The network's draws as they are."""
        stage = "conditionals" if bound.conditional.keys else "likelihoods"
        proposal = flow_alone(bound)
        return Outcome(self._draw(proposal, self.kwargs["n_posterior"], stage), proposal, bound)

    def _weighed(self, bound: BoundPosterior) -> Outcome:
        """The network's draws, weighed; refined on this event where they will not do."""
        proposal = bound.mixture()
        size = min(max(self.kwargs["n_effective"] // 5, _PILOT), self.kwargs["max_likelihood_evaluations"])
        pilot = self._draw(proposal, size, "pilot")
        summary = summarise(pilot.log_weights)
        known = [(pilot, proposal)]
        left = self.budget.evaluations_left(self.target)
        needed = draws_needed(summary, self.kwargs["n_effective"], maximum=max(left, 1) + 1)
        poor = summary.efficiency < _INEFFICIENT or summary.effective_sample_size < _HOPELESS
        if self.kwargs["refine"] and (poor or needed > left):
            logger.info(f"The network's efficiency on this event is about {summary.efficiency:.3g}: it is refined")
            return self._refined(bound, known)
        # The pilot only fixes the number: its own luck must not enter the evidence.
        weighted = self._draw(proposal, max(min(needed, left), 1), "weighing")
        outcome = self._outcome(weighted, proposal, bound, summary)
        if not self.kwargs["refine"] or outcome.verdict.grade == "reliable":
            return outcome
        logger.info(
            "The network's weights are not good enough (" + "; ".join(outcome.verdict.reasons) + "): it is refined"
        )
        return self._refined(bound, [*known, (weighted, proposal)], outcome)

    def _refined(
        self, bound: BoundPosterior | None, known: list[tuple[WeightedDraws, Mixture]], before: Outcome | None = None
    ) -> Outcome:
        """Rounds of refinement, then a fresh batch; again while that falls short and the budget lasts."""
        n_effective = self.kwargs["n_effective"]
        refinement = Refinement(self.target, bound, n_effective, self.budget, self.generator, self.rng)
        for weighted, proposal in known:
            refinement.add(weighted, proposal)
        outcome = before
        for _ in range(_ATTEMPTS):
            ready = self._timed("refinement", refinement.run)
            size = refinement.draws_for(n_effective)
            if size < 1 or not refinement.rounds:
                break
            proposal = refinement.proposal
            weighted = self._draw(proposal, size, "weighing")
            outcome = self._outcome(weighted, proposal, bound, None, refinement, ready)
            if not ready or outcome.verdict.grade == "reliable":
                break
            refinement.add(weighted, proposal)
        if outcome is None:
            proposal = refinement.proposal
            outcome = self._outcome(self._draw(proposal, 1, "weighing"), proposal, bound, None, refinement, False)
        return outcome

    def _outcome(
        self,
        weighted: WeightedDraws,
        proposal: Mixture,
        bound: BoundPosterior | None,
        pilot: WeightSummary | None,
        refinement: Refinement | None = None,
        ready: bool = True,
    ) -> Outcome:
        outcome = Outcome(weighted, proposal, bound, pilot, refinement)
        outcome.judge(self.target, self.budget, self.kwargs, ready, self.rng)
        return outcome
