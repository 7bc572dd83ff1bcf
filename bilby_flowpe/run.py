"""One run of the sampler, stage by stage: find or train a model, draw, weigh, fill Bilby's result."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import check_directory_exists_and_if_not_mkdir, logger, random
from pandas import DataFrame

from .arguments import OF_THE_MODEL
from .build import Settings, train_model
from .cache import cached_model, new_folder
from .contract import describe
from .importance import WeightSummary, draws_needed, normalised_weights, rejection_sample, summarise
from .model import BoundPosterior, TrainedPosterior, find_model
from .networks import NetworkConfig
from .plotting import plot_history
from .priors import PriorTransform
from .representation import RepresentationConfig
from .simulation import SimulationConfig
from .training import TrainingConfig
from .verdict import Verdict, judge
from .weighing import WeightedDraws, draw_and_weigh

_UNSEEN_SEED = 2**31 - 1
_HOPELESS, _LAST_TRY = 5.0, 10

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
        self.transform = PriorTransform(sampler.priors)
        self.npool = int(sampler.npool)
        self.progress = self.kwargs["progress"]

    def __call__(self) -> Result:
        began = time.monotonic()
        model, source = self._find_or_train()
        bound = self._timed("representation", lambda: model.bind(self.likelihood, self.transform))
        generator = torch.Generator().manual_seed(self.seed)
        if not self.kwargs["importance"]:
            return self._fill_raw(bound, generator, source, began)
        pilot = self._weigh(
            bound, generator, min(max(self.kwargs["n_effective"] // 5, 500), self.kwargs["max_draws"]), "pilot"
        )
        needed = self._number_of_draws(summarise(pilot.log_weights))
        # The pilot only fixes the number: its own luck must not enter the evidence.
        weighted = self._weigh(bound, generator, needed, "weighing")
        return self._fill(weighted, pilot, model, source, began)

    def _timed(self, stage: str, work: Callable[[], Done]) -> Done:
        began = time.monotonic()
        done = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - began, 3)
        return done

    def _find_or_train(self) -> tuple[TrainedPosterior, str]:
        if self.kwargs["model"] is not None:
            ignored = [key for key in OF_THE_MODEL if self.kwargs[key] != self.sampler.default_kwargs[key]]
            if ignored:
                logger.warning(f"model={self.kwargs['model']!r} is used as it was trained: {ignored} have no effect")
            return self._timed("model", lambda: find_model(self.kwargs["model"])), str(self.kwargs["model"])
        contract = describe(self.likelihood, self.transform)
        settings = self._settings()
        if found := self._timed("model", lambda: cached_model(contract, settings, self.kwargs["cache"])):
            logger.info(f"Using the model in {found[0].name}, trained for exactly this problem")
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
            fold_phase=kwargs["fold_phase"],
        )

    def _weigh(self, bound: BoundPosterior, generator: torch.Generator, size: int, stage: str) -> WeightedDraws:
        use_ratio, title = bool(self.sampler.use_ratio), stage.capitalize() if self.progress else None
        return self._timed(
            stage,
            lambda: draw_and_weigh(
                bound, size, self.likelihood, self.transform, use_ratio, generator, self.rng, self.npool, title
            ),
        )

    def _number_of_draws(self, pilot: WeightSummary) -> int:
        """Draws of the fresh batch; few, where the pilot says that no number would do."""
        if pilot.effective_sample_size < _HOPELESS:
            logger.warning(
                f"The pilot of {pilot.n_draws} draws has {pilot.effective_sample_size:.1f} effective samples: the network is "
                "far from this posterior, and more draws will hardly help"
            )
            return min(_LAST_TRY * pilot.n_draws, self.kwargs["max_draws"])
        return draws_needed(pilot, self.kwargs["n_effective"], maximum=self.kwargs["max_draws"])

    def _fill(
        self, weighted: WeightedDraws, pilot: WeightedDraws, model: TrainedPosterior, source: str, began: float
    ) -> Any:
        summary = summarise(weighted.log_weights)
        rows = rejection_sample(weighted.log_weights, self.rng)
        if len(rows) > self.kwargs["n_posterior"]:
            rows = np.sort(self.rng.choice(rows, size=self.kwargs["n_posterior"], replace=False))
        verdict = judge(summary, n_effective=self.kwargs["n_effective"], n_posterior=len(rows))
        if weighted.spot_check_failed:
            verdict = Verdict("failed", (_spot_reason(weighted), *verdict.reasons))
        samples = np.stack([weighted.parameters[key] for key in self.transform.keys], axis=-1)
        result = self.sampler.result
        result.samples = samples[rows]
        result.log_likelihood_evaluations = weighted.log_likelihood[rows]
        result.log_prior_evaluations = weighted.log_prior[rows]
        result.log_evidence = summary.log_evidence
        # Where constraints were counted by Monte Carlo, their share of the prior has an error of its own.
        result.log_evidence_err = float(np.hypot(summary.log_evidence_err, self.transform.log_normalisation_err))
        result.num_likelihood_evaluations = pilot.n_likelihood + weighted.n_likelihood
        result.nested_samples = self._weighted_table(weighted, samples, summary)
        self.seconds["total"] = round(time.monotonic() - began, 3)
        statistics = {
            **summary.to_dict(),
            "pilot_efficiency": summarise(pilot.log_weights).efficiency,
            "n_posterior": len(rows),
            "n_outside_prior": weighted.n_outside,
            "n_likelihood_evaluations": result.num_likelihood_evaluations,
            "spot_check_difference": weighted.spot_difference,
            "importance_weighted": True,
            "conditional": list(model.conditional.keys),
            "verdict": verdict.grade,
            "reasons": list(verdict.reasons),
        }
        return self._finish(result, statistics, model, source)

    def _weighted_table(self, weighted: WeightedDraws, samples: np.ndarray, summary: WeightSummary) -> DataFrame:
        table = DataFrame(samples, columns=list(self.transform.keys))
        table["log_likelihood"] = weighted.log_likelihood
        table["log_prior"] = weighted.log_prior
        alive = np.isfinite(weighted.log_weights)
        if summary.n_finite:
            table["weights"] = normalised_weights(weighted.log_weights)
        else:
            table["weights"] = 0.0
        return table[alive].reset_index(drop=True)

    def _fill_raw(self, bound: BoundPosterior, generator: torch.Generator, source: str, began: float) -> Result:
        """The network's draws as they are; a conditional phase cannot be had without the likelihood, and is said to be used."""
        size = self.kwargs["n_posterior"]
        weighted = self._weigh(bound, generator, size, "conditionals" if bound.conditional.keys else "likelihoods")
        alive = np.isfinite(weighted.log_weights)
        result = self.sampler.result
        result.samples = np.stack([weighted.parameters[key][alive] for key in self.transform.keys], axis=-1)
        result.log_likelihood_evaluations = weighted.log_likelihood[alive]
        result.log_prior_evaluations = weighted.log_prior[alive]
        result.log_evidence = result.log_evidence_err = np.nan
        result.num_likelihood_evaluations = weighted.n_likelihood
        self.seconds["total"] = round(time.monotonic() - began, 3)
        reasons = ["raw network draws: not weighted by the likelihood, no evidence"]
        if drawn := list(bound.conditional.keys):
            reasons.append(f"{drawn} were drawn from their exact conditional, which uses the likelihood")
        if weighted.spot_check_failed:
            reasons.insert(0, _spot_reason(weighted))
        if bound.model.flatten_snr:
            reasons.append(
                "the network was trained on a prior that is flatter in signal-to-noise ratio than the user's"
            )
        statistics = {
            "n_draws": size,
            "n_posterior": int(alive.sum()),
            "n_outside_prior": weighted.n_outside,
            "n_likelihood_evaluations": weighted.n_likelihood,
            "importance_weighted": False,
            "verdict": "failed" if weighted.spot_check_failed else "check",
            "reasons": reasons,
        }
        return self._finish(result, statistics, bound.model, source)

    def _finish(self, result: Result, statistics: dict[str, Any], model: TrainedPosterior, source: str) -> Result:
        if interferometers := getattr(self.likelihood, "interferometers", None):
            statistics["window_factor"] = {ifo.name: float(ifo.strain_data.window_factor) for ifo in interferometers}
        statistics |= {"model": source, "seed": self.seed, "seconds": self.seconds}
        statistics["training_seconds"] = model.information.get("seconds", {}).get("total")
        result.meta_data = {**(result.meta_data or {}), "run_statistics": statistics}
        grade, reasons = statistics["verdict"], statistics["reasons"]
        message = f"Verdict: {grade}" + "".join(f"; {reason}" for reason in reasons)
        (logger.info if grade == "reliable" else logger.warning)(message)
        return result


def _spot_reason(weighted: WeightedDraws) -> str:
    return f"the conditionals' closed form differs from the likelihood by {weighted.spot_difference:.3g}: use phase='network'"
