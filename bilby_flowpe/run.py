"""One run of the sampler: find or train a model, bind it to the data, sample the event, fill Bilby's result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import check_directory_exists_and_if_not_mkdir, logger, random
from bilby.gw.likelihood import GravitationalWaveTransient
from safetensors import SafetensorError

from .arguments import MODES, OF_THE_MODEL
from .bands import FILE, has_own_frequencies, save_bands, whitened_bands
from .bound import BoundPosterior
from .cache import cached_models, check_writable, nearest_refused, new_folder
from .conditional.base import Conditional, ConditionalConfig
from .conditional.drawn import Modes, conditional_config, single_response
from .conditional.modes import conditional_of
from .errors import ConfigurationError, ContractError, MemoryLimitError, PriorError, SimulationError
from .model import TrainedPosterior, find_model
from .networks import compact
from .plotting import plot_history
from .processes.parallel import Row
from .proposals.mixture import flow_alone
from .representation import RepresentationConfig
from .sampling.budget import Budget
from .sampling.closed_form import ClosedFormError, ClosedFormRecord
from .sampling.event import EventSampler, Wanted
from .sampling.outcome import Outcome, fill_raw, fill_weighted
from .sampling.weighing import Target
from .simulation import GravitationalWaveSimulator, SimulationConfig, can_simulate, nobody_simulates
from .storage.identity import identity_of
from .storage.ledger import Ledger, remembering
from .training.build import train_model
from .training.calibrate import MEASURING
from .training.recipe import TrainingConfig, has_learnt
from .training.settings import Settings
from .translation.contract import Contract, describe
from .translation.own_likelihood import gives_ratio
from .translation.problem import translated

_UNSEEN_SEED = 2**31 - 1
_LEAST_WAVEFORMS = 10_000  # a network that learns from fewer knows these by heart
_NO_MEMORY = ("not enough memory", "allocate memory", "out of memory")  # as torch says it
_RATIOS_TRIED = 16  # draws from the prior: one with a number is enough

Done = TypeVar("Done")


class Run:
    """One run, stage by stage.

    Parameters
    ----------
    sampler
        With likelihood, priors and checked arguments.
    calibrated
        Whether a model that is trained is measured on simulated events.
    """

    def __init__(self, sampler: Sampler, calibrated: bool = True) -> None:
        self.sampler, self.calibrated = sampler, calibrated
        self.kwargs = sampler.kwargs
        self.translation = translated(sampler.likelihood, sampler.priors)
        self.likelihood = self.translation.likelihood
        self.seconds: dict[str, float] = {}
        identity = identity_of(sampler.likelihood)
        self.ledger = Ledger(self._scratch / "evaluations", self.kwargs["resume"], identity, keeps=identity is not None)
        self.seed = self._choose_seed()
        self.transform = self.translation.transform
        self.npool = int(sampler.npool)
        self.progress = self.kwargs["progress"]

    def __call__(self) -> Result:
        result = remembering(self.ledger, self._result)
        self.ledger.finish()
        return result

    def _choose_seed(self) -> int:
        seed: int | None = self.kwargs["sampling_seed"]
        if seed is None:
            # That of the run that was interrupted; else it follows Bilby's generator, seeded or not.
            seed = int(random.rng.integers(_UNSEEN_SEED)) if self.ledger.seed is None else self.ledger.seed
        self.ledger.seed = seed
        return seed

    def _result(self) -> Result:
        began = time.monotonic()
        self.rng = np.random.default_rng(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.seconds = {}
        self._check_ratio()
        bound, source, conditional = self._choose()
        if bound is None and not self.kwargs["importance"]:
            raise ConfigurationError(
                f"importance=False: a {type(self.likelihood).__name__} has no network and no raw draws: leave it out"
            )
        drawn = conditional or conditional_of(ConditionalConfig(), self.transform)
        outcome, target = self._sample(bound, source, drawn)
        # A closed form that failed takes the network with it, which knows nothing of the parameters it left out.
        bound = None if target.closed_form.dropped else bound
        outcome.finish(bound, source if bound else "none", self.seed, self.seconds)
        fill = fill_weighted if self.kwargs["importance"] else fill_raw
        result = fill(self.sampler, outcome, target, began)
        try:
            self._keep_bands(target, outcome)
        except Exception as error:
            # A picture is not worth a result.
            logger.warning(f"Whitened data and waveforms were not kept for a report: {error}")
        return result

    def _sample(self, bound: BoundPosterior | None, source: str, conditional: Conditional) -> tuple[Outcome, Target]:
        """Sample the event; where a closed form fails, again without what is drawn by it, starting from the prior."""
        weighted = self.kwargs["importance"]
        wanted = Wanted(self.kwargs["n_effective"], self.kwargs["n_posterior"], self.kwargs["refine"], self.progress)
        budget = Budget(self.kwargs["max_likelihood_evaluations"], self.kwargs["max_time"])
        ratio, record = bool(self.sampler.use_ratio), ClosedFormRecord()
        n_likelihood = n_nan = 0
        failing: list[Row] = []
        while True:
            target = Target(
                self.likelihood, self.transform, ratio, conditional, self.npool, self.translation, n_likelihood, n_nan, record,
                raises=weighted,
            )  # fmt: skip
            proposal = None
            if bound is not None:
                proposal = bound.mixture() if weighted else flow_alone(bound)
            self._tell_what_draws(target, bound, source)
            of_data = (bound.log_likelihood_found, bound.surprise) if bound else ()
            event = EventSampler(target, bound, proposal, wanted, budget, self.generator, self.rng, *of_data)
            try:
                outcome = event() if weighted else event.raw()
            except ClosedFormError as error:
                failing += record.failing
                left = self._conditional_alone(str(error), failing) or conditional_of(
                    ConditionalConfig(), self.transform
                )
                if {*left.keys} >= {*conditional.keys}:
                    # The symmetries hold there, and the likelihood differs all the same: it alone can tell.
                    left = conditional_of(ConditionalConfig(), self.transform)
                dropped = tuple(key for key in conditional.keys if key not in left.keys)
                logger.warning(
                    f"{error}: the run goes on from the prior, without drawing {list(dropped)} conditionally, which takes more "
                    "likelihood evaluations"
                )
                record = ClosedFormRecord(dropped=(*record.dropped, *dropped))
                n_likelihood, n_nan = target.n_likelihood, target.n_nan
                conditional, bound = left, None
                continue
            finally:
                self.seconds |= event.seconds
            return outcome, target

    def _check_ratio(self) -> None:
        """Refuse ``use_ratio=True`` where the ratio to the likelihood of noise alone is no number anywhere."""
        translation = self.translation
        if not self.sampler.use_ratio:
            return
        draws = self.transform.sample(_RATIOS_TRIED, np.random.default_rng(20200218))
        rows = translation.rows(
            draws, {key: np.full(_RATIOS_TRIED, x) for key, x in translation.middle_of_extra.items()}
        )
        if not gives_ratio(translation.asked, rows):
            raise ConfigurationError(
                f"use_ratio=True: a {type(translation.asked).__name__} has no likelihood of noise alone, its log likelihood "
                f"ratio is not a number for {_RATIOS_TRIED} draws from the prior: leave it out"
            )

    def _keep_bands(self, target: Target, outcome: Outcome) -> None:
        """Beside the result, what a report draws: whitened data and waveforms, which a result file does not hold."""
        likelihood = self.likelihood
        # Not those of an earlier run under the same label.
        (self._scratch / FILE).unlink(missing_ok=True)
        rows = outcome.rows if self.kwargs["importance"] else np.flatnonzero(np.isfinite(outcome.weighted.log_weights))
        if self.translation.obstacle or not has_own_frequencies(likelihood) or not len(rows):
            return
        bands = whitened_bands(
            likelihood, target.rows({key: value[rows] for key, value in outcome.weighted.parameters.items()})
        )
        check_directory_exists_and_if_not_mkdir(str(self._scratch))
        save_bands(bands, self._scratch / FILE)

    @property
    def _scratch(self) -> Path:
        """Folder of what a run writes beside its result."""
        return Path(self.sampler.outdir) / f"{self.sampler.abbreviation}_{self.sampler.label}"

    def _changed(self, *keys: str) -> list[str]:
        """Arguments that are not what they are by default."""
        return [key for key in keys if self.kwargs[key] != self.sampler.default_kwargs[key]]

    def _timed(self, stage: str, work: Callable[[], Done]) -> Done:
        began = time.monotonic()
        done = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - began, 3)
        return done

    # The model, or none ------------------------------------------------------------------------------------------------

    def _choose(self) -> tuple[BoundPosterior | None, str, Conditional | None]:
        """A model bound to the data and its name, or none; and what is drawn from its conditional.

        A problem that no network can learn is sampled without one; one line in the log says why.
        """
        given = self.kwargs["model"] is not None
        if self.kwargs["network"] == "none" and not given:
            if ignored := self._changed(*(key for key in OF_THE_MODEL if key not in ("network", *MODES))):
                logger.warning(f"network='none' trains nothing: {ignored} have no effect")
            return None, "none", self._conditional_alone()
        why = self._obstacle()
        if why is None:
            try:
                bound, source = self._find_or_train()
                if bound is not None:
                    return bound, source, bound.conditional
                why = "the network that was trained tells no more than the prior"
            except (PriorError, SimulationError) as error:
                # What was asked for by name is not replaced by something else.
                if given or (isinstance(error, MemoryLimitError) and self._changed("n_waveforms")):
                    raise
                why = str(error)
        elif given and (self.translation.obstacle or self.translation.no_network):
            raise SimulationError(f"model={self.kwargs['model']!r} cannot be used: {why}")
        if ignored := self._changed("model", *(key for key in OF_THE_MODEL if key not in MODES)):
            logger.warning(f"Nothing is trained for a {type(self.likelihood).__name__}: {ignored} have no effect")
        return None, "none", self._conditional_alone(why)

    def _obstacle(self) -> str | None:
        """Why nothing can be trained, as far as the likelihood tells; ``None`` where training may be tried."""
        translation = self.translation
        if translation.no_network:
            return f"{translation.no_network}. Such parameters are sampled through their quantiles"
        if translation.obstacle is not None or can_simulate(self.likelihood):
            return translation.obstacle
        return nobody_simulates(self.likelihood)

    def _find_or_train(self) -> tuple[BoundPosterior | None, str]:
        """A model bound to the data, and its name; no model where a training ended before it had learnt anything."""
        if self.kwargs["model"] is not None:
            if ignored := self._changed(*OF_THE_MODEL):
                logger.warning(f"model={self.kwargs['model']!r} is used as it was trained: {ignored} have no effect")
            return self._bound(self._timed("model", lambda: find_model(self.kwargs["model"]))), str(
                self.kwargs["model"]
            )
        contract = describe(self.likelihood, self.transform)
        settings = self._settings()
        if found := self._timed("model", lambda: self._find(contract, settings)):
            logger.info(f"Using the model in {found[1]}")
            return found
        self._announce(contract, settings)
        folder = new_folder(contract, settings, self.kwargs["cache"])
        check_writable(folder.parent)
        scratch = self._scratch
        check_directory_exists_and_if_not_mkdir(str(scratch))
        # Named after problem and settings: an interrupted training of something else is not gone on with.
        checkpoint = scratch / f"training_{folder.name}.ckpt"
        if not self.kwargs["resume"]:
            checkpoint.unlink(missing_ok=True)
        model = self._timed("training", lambda: self._trained(settings, checkpoint))
        plot_history(model.history, scratch / "training.png")
        # In Bilby's test mode nobody expects it to have learnt anything.
        if self.calibrated and not has_learnt(model.history, model.information):
            checkpoint.unlink(missing_ok=True)
            logger.warning(
                f"The training made {model.history['step'][-1]} steps, and the network tells no more of the parameters than "
                "the prior does: it is not kept, and this event is refined from the prior. Give a longer "
                "training_time, or end other work of this machine"
            )
            return None, "none"
        try:
            model.save(folder)
        except (OSError, SafetensorError) as error:
            # The training was paid for: this event is analysed, and the checkpoint stays.
            logger.warning(
                f"The model cannot be kept as {folder} ({error}): it serves this run, and {checkpoint} the next one under this "
                "label"
            )
            return self._bound(model), "not kept"
        checkpoint.unlink(missing_ok=True)
        # Waveforms of the training: the model has learnt them.
        self.ledger.clear()
        logger.info(f"Model kept as {folder}")
        return self._bound(model), folder.name

    def _announce(self, contract: Contract, settings: Settings) -> None:
        """Say why a model is trained and how long all of it takes, before it begins."""
        if nearest := nearest_refused(contract, settings, self.kwargs["cache"]):
            name, refusals = nearest
            logger.info(f"The nearest model, {name}, was trained for another problem: " + "; ".join(refusals))
        training, count = settings.training, settings.simulation.n_waveforms
        stages = [f"simulating {count} waveforms"]
        # Bilby times the likelihood; a waveform takes most of it.
        each = getattr(self.sampler, "_log_likelihood_eval_time", np.nan)
        simulating = count * each / self.npool if isinstance(self.likelihood, GravitationalWaveTransient) else 0.0
        if np.isfinite(simulating) and simulating > 0:
            stages[0] += f" ({_in_words(simulating)})"
        steps = f"{training.max_steps} steps"
        if training.max_time is None:
            stages.append(f"training for {steps}")
        else:
            most = f" or {steps}" if training.max_steps else ""
            stages.append(f"training for {_in_words(training.max_time)}{most}")
            if settings.calibration_events:
                stages.append(f"measuring the model for about {_in_words(MEASURING * training.max_time)}")
        message = "No model was trained for this problem yet: " + ", ".join(stages)
        if training.max_time is not None and np.isfinite(simulating):
            measuring = MEASURING * training.max_time if settings.calibration_events else 0.0
            message += f"; in all about {_in_words(simulating + training.max_time + measuring)}"
        logger.info(f"{message}. The model is kept and reused for every later event of the kind")

    def _tell_what_draws(self, target: Target, bound: BoundPosterior | None, source: str) -> None:
        """Say what in truth draws the parameters: Bilby has printed the arguments, which a model that is given overrules."""
        by_closed_form = [key for key in target.transform.keys if key in target.conditional.keys]
        conditional = f"; {by_closed_form} are drawn from their conditional" if by_closed_form else ""
        if bound is None:
            logger.info(f"Proposal: refined from the prior for {list(target.keys)}{conditional}")
            return
        family = bound.model.settings["network"]["family"]
        logger.info(f"Proposal: model {source}, a {family} network for {list(target.keys)}{conditional}")

    def _conditional_alone(self, why: str | None = None, tried: Sequence[Row] = ()) -> Conditional | None:
        """What of a gravitational wave needs no network: the rest is refined from the prior for this event alone.

        Parameters
        ----------
        why
            Why there is no network, where one was asked for.
        tried
            Rows at which the symmetries of the waveform have to hold, beside draws from the prior.
        """
        conditional, obstacle = None, self.translation.obstacle
        if obstacle is None and isinstance(self.likelihood, GravitationalWaveTransient):
            try:
                conditional = self._in_closed_form(tried)
            except (ContractError, PriorError, SimulationError) as error:
                obstacle = str(error)
        reasons = dict.fromkeys(reason for reason in (why, obstacle) if reason)
        drawn = f"{list(conditional.keys)} are drawn from their conditional, the rest is" if conditional else "all is"
        logger.info(
            f"No network{''.join(f' ({reason})' for reason in reasons)}: {drawn} refined from the prior, for this event alone"
        )
        return conditional

    def _in_closed_form(self, tried: Sequence[Row]) -> Conditional:
        # On the whole grid: a smaller one would serve a network alone, and take some hundred waveforms to find.
        simulator = GravitationalWaveSimulator(
            self.likelihood, self.transform, SimulationConfig(reduce_grid=False), simulate=False, tried=tried
        )
        modes = Modes(**{key: self.kwargs[key] for key in MODES})
        return conditional_of(
            conditional_config(simulator, modes, single_response(simulator, any_angle=True)), self.transform
        )

    def _trained(self, settings: Settings, checkpoint: Path) -> TrainedPosterior:
        """A model, trained on fewer waveforms than by default where these do not fit into the memory."""

        def trained(settings: Settings) -> TrainedPosterior:
            priors = self.transform.priors
            return train_model(self.likelihood, priors, settings, self.npool, checkpoint, self.progress)

        try:
            return trained(settings)
        except MemoryLimitError as error:
            if error.most < _LEAST_WAVEFORMS or self._changed("n_waveforms"):
                raise
            logger.warning(f"{error}: training on {error.most} waveforms")
            simulation = replace(settings.simulation, n_waveforms=error.most)
            return trained(replace(settings, simulation=simulation))
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
                raise MemoryLimitError(f"the training ran out of memory ({str(error).strip()[:200]})") from error
            raise

    def _bound(self, model: TrainedPosterior) -> BoundPosterior:
        return self._timed("representation", lambda: model.bind(self.likelihood, self.transform))

    def _find(self, contract: Contract, settings: Settings) -> tuple[BoundPosterior, str] | None:
        """The best model that can be bound to the data; what a conditional draw does not allow shows only there."""
        for folder, model in cached_models(contract, settings, self.kwargs["cache"]):
            try:
                return model.bind(self.likelihood, self.transform), folder.name
            except ContractError as error:
                logger.info(f"Passing over {folder.name}: {error}")
        return None

    def _settings(self) -> Settings:
        kwargs = self.kwargs
        hidden = (kwargs["hidden_features"],) * 2
        more: dict[str, Any] = {key: kwargs[key] for key in MODES}
        if not self.calibrated:
            more["calibration_events"] = 0
        return Settings(
            simulation=SimulationConfig(n_waveforms=kwargs["n_waveforms"], psd=kwargs["psd"]),
            representation=RepresentationConfig(kind=kwargs["representation"]),
            network=replace(compact(kwargs["network"]), hidden_features=hidden, gaussian_features=hidden),
            training=TrainingConfig(
                max_time=kwargs["training_time"],
                max_steps=kwargs["training_steps"],
                device=kwargs["device"],
                learning_rate=kwargs["learning_rate"],
            ),
            fold_phase=kwargs["fold_phase"],
            **more,
        )


def _in_words(seconds: float) -> str:
    """A time for people: seconds below two minutes, minutes above."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
