"""The model of a run: the one that was named, an existing one that fits, a newly trained one, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import check_directory_exists_and_if_not_mkdir, logger
from safetensors import SafetensorError

from . import pytorch
from .arguments.table import AUTO, MODES, OF_THE_MODEL, settings_of
from .cache import cached_models, check_writable, nearest_refused, new_folder
from .conditional.base import Conditional, TakesCoarseWaves
from .conditional.choose import DrawnBy, closed_form_of
from .contract import Contract
from .errors import ContractError, DataError, MemoryLimitError, PriorError, SimulationError
from .family.choice import taken_by_itself
from .family.shipped import named
from .network_choice import words_before_training, words_of_cost, words_of_refinement, words_of_stages
from .networks import compact
from .pricing import Price, price_of_drawing, price_of_refinement, price_of_training, seconds_of_likelihood
from .problem import SimulationConfig
from .processes.parallel import Row
from .representation import RepresentationConfig
from .storage.ledger import Ledger
from .training.recipe import MEASURING, TrainingConfig, has_learnt
from .training.settings import Settings
from .translation.translated import Translated

if TYPE_CHECKING:
    from .bound import BoundPosterior
    from .model import TrainedPosterior

Chosen = tuple["BoundPosterior | None", str, Conditional | None]
"""A model bound to the data, or none; its name; and the conditional of parameters drawn in closed form."""

_LEAST_WAVEFORMS = 10_000  # a network that is trained on fewer memorises them
# Largest number of reasons against a model for which it is mentioned before another one is trained: a user may remove
# so few by a change of the problem.
_NEAR_MISS = 3
_NO_MEMORY = ("not enough memory", "allocate memory", "out of memory")  # words of torch's error

Done = TypeVar("Done")


class ModelChoice:
    """The model of a run: finds one, trains one, or decides that there is none.

    Parameters
    ----------
    sampler
        Sampler with likelihood, priors and checked arguments.
    translation
        Problem in the form that models know.
    ledger
        Ledger of evaluations; the waveforms of a training are removed from it.
    scratch
        Folder for files that a run writes beside its result.
    calibrated
        Measure a newly trained model on simulated events.

    Attributes
    ----------
    seconds : dict
        Seconds of each stage.
    """

    def __init__(
        self, sampler: Sampler, translation: Translated, ledger: Ledger, scratch: Path, calibrated: bool = True
    ) -> None:
        self.sampler, self.translation, self.ledger, self.calibrated = sampler, translation, ledger, calibrated
        self.kwargs = sampler.kwargs
        self.problem = translation.problem
        self.npool, self.progress = int(sampler.npool), self.kwargs["progress"]
        self._each = seconds_of_likelihood(sampler)
        self.seconds: dict[str, float] = {}
        self._scratch = scratch

    def _changed(self, *keys: str) -> list[str]:
        """Return the arguments that differ from their defaults."""
        return [key for key in keys if self.kwargs[key] != self.sampler.default_kwargs[key]]

    def timed(self, stage: str, work: Callable[[], Done]) -> Done:
        """Call a function, and count its seconds."""
        began = time.monotonic()
        done = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - began, 3)
        return done

    def choose(self) -> Chosen:
        """Return a model bound to the data and its name, or none; and the conditional of parameters drawn in closed form.

        A problem that no network can learn is sampled without one. One line of the log says what was chosen and why.
        """
        given = self.kwargs["model"] is not None
        if named(self.kwargs["model"]):
            # It is applied to the data when a search has found the signal.
            self._say_ignored(*(key for key in OF_THE_MODEL if key not in MODES))
            return None, "none", self.conditional_alone()
        if self.kwargs["network"] == "none" and not given:
            if ignored := self._changed(*(key for key in OF_THE_MODEL if key not in ("network", *MODES))):
                logger.warning(f"network='none' trains nothing: {ignored} have no effect")
            if not self.kwargs["refine"]:
                logger.warning("refine=False has no effect: without a network the proposal is made by refinement")
            conditional = self.conditional_alone()
            cost = words_of_cost(self._refining(conditional), self._search(conditional))
            logger.info(f"network='none': {cost}")
            return None, "none", conditional
        why = self._obstacle()
        if why is None:
            try:
                if (chosen := self._named() if given else self._found_or_made()) is not None:
                    return chosen
                why = "the network that was trained tells no more than the prior"
            except (PriorError, SimulationError) as error:
                # A model or number that the user gave is not replaced by another one.
                if given or (isinstance(error, MemoryLimitError) and self._changed("n_waveforms")):
                    raise
                why = str(error)
            except DataError as error:
                # Data that cannot be simulated, such as fractions for counts, may still have a likelihood; damaged strain is
                # always an error.
                if given or self.kwargs["network"] != AUTO or self.problem.has_noise_curves:
                    raise
                why = str(error)
        elif given and (self.translation.obstacle or self.translation.no_network):
            raise SimulationError(f"model={self.kwargs['model']!r} cannot be used: {why}")
        if ignored := self._changed("model", *(key for key in OF_THE_MODEL if key not in MODES)):
            logger.warning(
                f"Nothing is trained for a {type(self.problem.likelihood).__name__}, so that these arguments have no effect: "
                f"{', '.join(ignored)}"
            )
        if self.kwargs["network"] != AUTO:
            return None, "none", self.conditional_alone(why)
        conditional, reasons = self._without_network(why)
        price, search = self._refining(conditional), self._search(conditional)
        logger.info(words_of_refinement(price, None, reasons, search=search))
        return None, "none", conditional

    def _obstacle(self) -> str | None:
        """Return why no network can be trained, as far as the likelihood tells; ``None`` if training can be tried."""
        translation = self.translation
        if translation.no_network:
            return f"{translation.no_network}. Such parameters are sampled through their quantiles"
        return translation.obstacle or self.problem.obstacle("simulation")

    def _say_ignored(self, *keys: str) -> None:
        """Log which of some arguments were given, but have no effect on a named model."""
        if ignored := self._changed(*keys):
            logger.warning(f"model={self.kwargs['model']!r} is used as it was trained: {ignored} have no effect")

    def _named(self) -> Chosen:
        """Return the model that the user has named, applied to the data."""
        self._say_ignored(*OF_THE_MODEL)
        bound = self._bound(self.timed("model", lambda: _found(self.kwargs["model"])))
        return bound, str(self.kwargs["model"]), bound.conditional

    def _found_or_made(self) -> Chosen | None:
        """Return an existing model, else what is cheaper for this event; ``None`` if a training has learnt nothing."""
        contract, settings = self.problem.describe(), self._settings()
        if (found := self.timed("model", lambda: self._find(contract, settings))) is not None:
            price = price_of_drawing(*self._asked, self._each, self.npool)
            logger.info(
                f"Using the model {found[1]}: if it fits the event, {price.words}; network='none' would not use it"
            )
            return found
        if self.kwargs["network"] != AUTO:
            return self._newly_trained(contract, settings, "No model was trained for this problem yet")
        if by := self.sampler.announced:
            return self._newly_trained(contract, settings, words_before_training(by))
        conditional, reasons = self._without_network()
        refinement, training = self._refining(conditional), self._training(settings)
        if training.seconds < refinement.seconds:
            return self._newly_trained(contract, settings, words_before_training((), refinement))
        families = (
            self.problem.has_noise_curves and bool(self.kwargs["coarse"]) and taken_by_itself(self.problem.prior.keys)
        )
        logger.info(words_of_refinement(refinement, training, reasons, families, self._search(conditional)))
        return None, "none", conditional

    def _refining(self, conditional: Conditional | None) -> Price:
        """Return the expected cost of a refinement."""
        drawn = len(self.problem.prior.keys) - (len(conditional.keys) if conditional else 0)
        return price_of_refinement(drawn, *self._asked, self._each, self._takes_coarse(conditional), self.npool)

    def _search(self, conditional: Conditional | None) -> float | None:
        """Return the seconds for draws that look for missed modes; ``None`` if templates do this."""
        return None if self._takes_coarse(conditional) else float(self.kwargs["search_time"])

    def _takes_coarse(self, conditional: Conditional | None) -> bool:
        """Return whether coarse waveforms are likely to be used."""
        return bool(self.kwargs["coarse"]) and isinstance(conditional, TakesCoarseWaves)

    @property
    def _asked(self) -> tuple[int, int]:
        """Requested number of effective draws, and largest number of evaluations."""
        return self.kwargs["n_effective"], self.kwargs["max_likelihood_evaluations"]

    def _training(self, settings: Settings) -> Price:
        """Return the expected cost of a training, and of the draws with the network."""
        longest, measuring = settings.training.max_time, MEASURING if settings.calibration_events else 0.0
        count = settings.simulation.n_waveforms
        return price_of_training(count, *self._asked, self._each, longest, measuring, self.npool)

    def _newly_trained(self, contract: Contract, settings: Settings, beginning: str) -> Chosen | None:
        """Train a model; return ``None`` if the training ended before it had learnt anything."""
        self._announce(contract, settings, beginning)
        folder = new_folder(contract, settings, self.kwargs["cache"])
        check_writable(folder.parent)
        scratch = self._scratch
        check_directory_exists_and_if_not_mkdir(str(scratch))
        # The name depends on problem and settings, so that an interrupted training of something else is not continued.
        checkpoint = scratch / f"training_{folder.name}.ckpt"
        if not self.kwargs["resume"]:
            checkpoint.unlink(missing_ok=True)
        model = self.timed("training", lambda: self._trained(settings, checkpoint))
        # Imported here: pyplot and corner take seconds to load, and most runs train nothing.
        from .plotting import plot_history

        plot_history(model.history, scratch / "training.png")
        # In Bilby's test mode a network need not have learnt anything.
        if self.calibrated and not has_learnt(model.history, model.information):
            checkpoint.unlink(missing_ok=True)
            logger.warning(
                f"The training made {model.history['step'][-1]} steps, and the network tells no more about the parameters "
                "than the prior: it is not kept, and the proposal of this event is refined from the prior. Give a longer "
                "training_time, or end other work on this machine"
            )
            return None
        try:
            model.save(folder)
        except (OSError, SafetensorError) as error:
            # The training must not be lost: this event is analysed, and the checkpoint stays.
            logger.warning(
                f"The model cannot be kept as {folder} ({error}): this run uses it, and the next run with this label continues "
                f"from {checkpoint}"
            )
            return (bound := self._bound(model)), "not kept", bound.conditional
        checkpoint.unlink(missing_ok=True)
        # The waveforms of the training are no longer needed.
        self.ledger.clear()
        logger.info(f"Model kept as {folder}")
        return (bound := self._bound(model)), folder.name, bound.conditional

    def _announce(self, contract: Contract, settings: Settings, beginning: str) -> None:
        """Log why a model is trained and how long all stages take, before the training begins."""
        nearest = nearest_refused(contract, settings, self.kwargs["cache"])
        # A model that differs in many ways is no help, and its reasons fill a page.
        if nearest and len(nearest[1]) <= _NEAR_MISS:
            name, refusals = nearest
            logger.info(
                f"The model closest to this problem, {name}, was trained for another one: " + "; ".join(refusals)
            )
        # Data other than strain are simulated during the training.
        count = settings.simulation.n_waveforms
        stages = words_of_stages(
            count,
            count * self._each / self.npool if self.problem.has_noise_curves else 0.0,
            (settings.training.max_time, settings.training.max_steps),
            MEASURING if settings.calibration_events else 0.0,
        )
        logger.info(f"{beginning}: {stages}. The model is kept, and used again for later events of this kind")

    def conditional_alone(self, why: str | None = None, tried: Sequence[Row] = ()) -> Conditional | None:
        """Return the conditional of parameters that need no network; all others are refined from the prior for this event.

        Parameters
        ----------
        why
            Reason why there is no network although one was requested.
        tried
            Rows at which the symmetries of the waveform have to hold, in addition to draws from the prior.
        """
        conditional, reasons = self._without_network(why, tried)
        # Log it if a network was requested, before any draws are made.
        if reasons:
            logger.info(
                f"No network ({'; '.join(reasons)}): the proposal is refined from the prior, for this event alone"
            )
        return conditional

    def _without_network(
        self, why: str | None = None, tried: Sequence[Row] = ()
    ) -> tuple[Conditional | None, Sequence[str]]:
        """Return what is drawn in closed form, and the reasons why there is no network or no closed form."""
        conditional, obstacle = None, self.translation.obstacle
        if obstacle is None and self.problem.obstacle("closed form") is None:
            try:
                conditional = self._in_closed_form(tried)
            except (ContractError, PriorError, SimulationError) as error:
                obstacle = str(error)
        return conditional, list(dict.fromkeys(reason for reason in (why, obstacle) if reason))

    @property
    def drawn_by(self) -> DrawnBy:
        """Requested way to draw each parameter."""
        return DrawnBy(**{key: self.kwargs[key] for key in MODES})

    def _in_closed_form(self, tried: Sequence[Row]) -> Conditional:
        return closed_form_of(self.problem, self.drawn_by, tried)

    def _trained(self, settings: Settings, checkpoint: Path) -> TrainedPosterior:
        """Train a model, on fewer waveforms than by default if these do not fit into the memory."""
        pytorch.load()
        # Imported here, as in _found: a run without a network does not need torch.
        from .training.build import train_on

        def trained(settings: Settings) -> TrainedPosterior:
            return train_on(self.problem, settings, self.npool, checkpoint, self.progress)

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
                raise MemoryLimitError(
                    f"the training ran out of memory ({str(error).strip()[:200]}): lower n_waveforms"
                ) from error
            raise

    def _bound(self, model: TrainedPosterior) -> BoundPosterior:
        return self.timed("representation", lambda: model.bind_to(self.problem))

    def _find(self, contract: Contract, settings: Settings) -> Chosen | None:
        """Return the best model that can be applied to the data; some obstacles only show then."""
        free: tuple[str, ...] = ()
        if self.kwargs["network"] == AUTO:
            free = ("family",)
            # If no argument of a training was given, any model will do.
            if not any(key in OF_THE_MODEL for key in self.sampler.announced):
                free = ("family", "representation", "psd")
                settings = replace(settings, training=replace(settings.training, max_steps=1, max_time=None))
        for folder, model in cached_models(contract, settings, self.kwargs["cache"], free):
            try:
                bound = model.bind_to(self.problem)
                return bound, folder.name, bound.conditional
            except ContractError as error:
                logger.info(f"Ignoring the model {folder.name}: {error}")
        return None

    def _settings(self) -> Settings:
        """Return the settings of a training that the arguments give."""
        parts = settings_of(self.kwargs)
        width = (parts["network"]["hidden_features"],) * 2
        network = compact(parts["network"]["family"])
        more: dict[str, Any] = {} if self.calibrated else {"calibration_events": 0}
        return Settings(
            simulation=SimulationConfig(**parts["simulation"]),
            representation=RepresentationConfig(**parts["representation"]),
            network=replace(network, hidden_features=width, gaussian_features=width),
            training=TrainingConfig(**parts["training"]),
            **parts[""],
            **more,
        )


def _found(model: str) -> TrainedPosterior:
    pytorch.load()
    from .model import find_model

    return find_model(model)
