"""A run of the sampler: find or train a model, apply it to the data, sample the event, fill Bilby's result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import check_directory_exists_and_if_not_mkdir, logger, random

from .arguments.table import AUTO
from .bands import FILE, save_bands, whitened_bands
from .chain.meter import Meter
from .coarse_choice import CoarseChoice
from .conditional.base import Conditional
from .errors import ConfigurationError, ContractError
from .family.choice import FamilyChoice
from .family.shipped import named
from .likelihoods import gives_ratio
from .model_choice import ModelChoice
from .pricing import seconds_of_likelihood
from .processes.parallel import Row
from .proposals.charts import Chart
from .proposals.mixture import flow_alone
from .results import statistics_of
from .sampling.budget import Budget
from .sampling.closed_form import ClosedFormError, ClosedFormRecord
from .sampling.coarse import CoarseLikelihoodError, Recentred
from .sampling.event import EventSampler, Wanted
from .sampling.filling import Origin, fill_raw, fill_weighted
from .sampling.outcome import FreshBatch, KnownOfData, Outcome
from .sampling.refine import NETWORK
from .sampling.weighing import Target
from .skymap.candidates import FILE as PLACES
from .skymap.candidates import save_candidates
from .skymap.of_run import candidates_of_run
from .storage.identity import identity_of
from .storage.ledger import Ledger, remembering
from .translation.translate import translated

if TYPE_CHECKING:
    from .bound import BoundPosterior
    from .family.chart import FamilyChart

# Number of different seeds of a run without a given seed: they fit every random generator.
_UNSEEN_SEED = 2**31 - 1
_SKY_SEED = 31  # number that distinguishes the generator of a sky map's positions from others with the run's seed
_RATIOS_TRIED = 16  # number of draws from the prior at which a ratio is looked for; one is enough


class Run:
    """A run of the sampler, in stages.

    Parameters
    ----------
    sampler
        Sampler with likelihood, priors and checked arguments.
    calibrated
        Measure a newly trained model on simulated events.
    """

    def __init__(self, sampler: Sampler, calibrated: bool = True) -> None:
        self.sampler = sampler
        self.kwargs = sampler.kwargs
        self.translation = translated(sampler.likelihood, sampler.priors)
        self.problem = self.translation.problem
        self.seconds: dict[str, float] = {}
        self._named = self.kwargs["model"] if named(self.kwargs["model"]) else None
        self._families = FamilyChoice(self.problem, self._named)
        self.family: str | None = None
        identity = identity_of(sampler.likelihood)
        self.ledger = Ledger(self._scratch / "evaluations", self.kwargs["resume"], identity, keeps=identity is not None)
        self.seed = self._choose_seed()
        self.npool = int(sampler.npool)
        self.progress = self.kwargs["progress"]
        self.choice = ModelChoice(sampler, self.translation, self.ledger, self._scratch, calibrated)
        near = self.translation.plain_near if self.translation.steers else None
        self.coarse = CoarseChoice(self.problem, self.kwargs["coarse"], self.choice.drawn_by, near)

    def run(self) -> Result:
        """Run the sampler, and keep all evaluations so that an interrupted run can continue."""
        result = remembering(self.ledger, self._result)
        self.ledger.finish()
        return result

    def _choose_seed(self) -> int:
        seed: int | None = self.kwargs["sampling_seed"]
        if seed is None:
            # The seed of the interrupted run; otherwise one from Bilby's generator, seeded or not.
            seed = int(random.rng.integers(_UNSEEN_SEED)) if self.ledger.seed is None else self.ledger.seed
        self.ledger.seed = seed
        return seed

    def _result(self) -> Result:
        began = time.monotonic()
        self.seconds = {}
        self.choice.seconds.clear()
        self._check_ratio()
        bound, source, conditional = self.choice.choose()
        if self._named is not None and not self.kwargs["importance"]:
            raise ConfigurationError(
                f"importance=False: model={self._named!r} is adapted to the event by its likelihood, and has no raw draws: "
                "leave importance out"
            )
        if bound is None and not self.kwargs["importance"]:
            raise ConfigurationError(
                f"importance=False: a {type(self.problem.likelihood).__name__} has no network and no raw draws: leave "
                "importance out"
            )
        self._check_family(conditional)
        done, target = self._sample(bound, source, conditional)
        # If the closed form failed, the network cannot be used either: it does not know the parameters that are left.
        bound = None if target.closed_form.dropped else bound
        self.seconds = self.choice.seconds | self.coarse.seconds | self.seconds
        refined = done.refinement if isinstance(done, Outcome) else None
        if refined is not None and refined.started_from != NETWORK:
            # The network was left: the draws come from the event's own proposal.
            self.family = None
        origin = Origin(source if bound else self.family or "none", bound, self.seed, self.seconds, began)
        if isinstance(done, Outcome):
            result = fill_weighted(self.sampler, done, target, origin)
        else:
            result = fill_raw(self.sampler, done, target, origin)
        try:
            self._keep_bands(target, done)
        except Exception as error:
            # An error of a plot must not lose the result.
            logger.warning(f"Whitened data and waveforms were not kept for a report: {error}")
        try:
            self._keep_sky(target, done, result)
        except Exception as error:
            # A map can be made from the posterior's rows, too.
            logger.warning(f"Sky positions were not kept for a sky map: {error}")
        return result

    def _sample(
        self, bound: BoundPosterior | None, source: str, conditional: Conditional | None
    ) -> tuple[Outcome | FreshBatch, Target]:
        """Sample the event; if a closed form fails, sample again from the prior, without the parameters drawn by it.

        Returns
        -------
        outcome or batch, target
            Outcome, not weighted with ``importance=False``; and the target that was sampled.
        """
        # Made here, so that a repeated run of this function has the same draws.
        rng = np.random.default_rng(self.seed)
        weighted = self.kwargs["importance"]
        asked = (self.kwargs["n_effective"], self.kwargs["n_posterior"], self.kwargs["refine"])
        wanted = Wanted(*asked, self.progress, self.kwargs["search_time"])
        budget = Budget(self.kwargs["max_likelihood_evaluations"], self.kwargs["max_time"])
        ratio, record, meter = bool(self.sampler.use_ratio), ClosedFormRecord(), Meter()
        if np.isfinite(each := seconds_of_likelihood(self.sampler)):
            meter.seconds_asked = each / self.npool
        failing: list[Row] = []
        # Raw draws have no weights, which would correct the errors of a coarse likelihood.
        coarse = weighted and bool(self.kwargs["coarse"])
        while True:
            recentred = self._recentred(conditional, bound is not None) if coarse else None
            drawing = (recentred and recentred(None)) or conditional
            target = Target(self.translation, ratio, drawing, self.npool, meter, record, raises=weighted)
            proposal = None
            chart: Chart | None = bound
            if bound is not None:
                proposal = bound.mixture() if weighted else flow_alone(bound)
            of_family = self._of_family(drawing) if bound is None and coarse and not record.dropped else None
            self.family = None
            if of_family is not None:
                chart, self.family = of_family
            self._tell_what_draws(target, bound, source)
            known = replace(KnownOfData.by(bound), searched=self.coarse.searched if coarse else None)
            if of_family is not None:
                known = replace(known, surprise=of_family[0].surprise)
            meter.n_coarse = max(meter.n_coarse, self.coarse.evaluations)
            event = EventSampler(target, chart, proposal, wanted, budget, rng, known, recentred)
            try:
                done = event.run() if weighted else event.raw()
            except CoarseLikelihoodError as error:
                logger.warning(f"{error}: the run continues without the coarse likelihood, as with coarse=False")
                coarse, meter.seconds_each = False, 0.0
                continue
            except ClosedFormError as error:
                failing += record.failing
                conditional = self.choice.conditional_alone(str(error), failing)
                left = conditional.keys if conditional else ()
                if {*left} >= {*target.conditional_keys}:
                    # The symmetries hold there, but the likelihood still differs: only the likelihood can be used.
                    conditional, left = None, ()
                dropped = tuple(key for key in target.conditional_keys if key not in left)
                logger.warning(
                    f"{error}: the run continues from the prior, without drawing {list(dropped)} conditionally, which takes "
                    "more likelihood evaluations"
                )
                record = ClosedFormRecord(dropped=(*record.dropped, *dropped))
                # Draws may now take a different time.
                bound, meter.seconds_each = None, 0.0
                continue
            finally:
                self.seconds |= event.seconds
            return done, event.target

    def _check_family(self, conditional: Conditional | None) -> None:
        """Raise an error if a named network of a family cannot be used, before a search for the signal."""
        model, coarse = self._named, self.kwargs["coarse"]
        if model is None:
            return
        if not coarse:
            raise ContractError(f"model={model!r} needs coarse waveforms: leave coarse={coarse!r} out, or model")
        if not self.problem.has_noise_curves:
            kind = type(self.problem.likelihood).__name__
            raise ContractError(f"model={model!r} is for gravitational waves, and not for a {kind}: leave model out")
        # The parameters that a named approximant draws conditionally are not known yet.
        if conditional is not None and not isinstance(coarse, str):
            self._families.check(conditional)

    def _of_family(self, drawing: Conditional | None) -> tuple[FamilyChart, str] | None:
        """Return a shipped network of a family that serves the problem, applied to the data, and its name; or ``None``."""
        model, found = self._named, self.coarse.reference
        if model is None and (self.kwargs["network"] != AUTO or self.kwargs["model"] is not None):
            return None
        if drawing is None or drawing.exact or found is None:
            if model is not None:
                raise ContractError(
                    f"model={model!r} needs coarse waveforms, which this run does not have: leave model out"
                )
            return None
        return self.choice.timed("view", lambda: self._families.of(drawing, found))

    def _recentred(self, conditional: Conditional | None, network: bool) -> Recentred | None:
        """Return a function that makes the coarse likelihood's conditional, with its reference at a row if one is given."""
        if conditional is None:
            return None
        return lambda row: self.coarse.of(conditional, row, network)

    def _check_ratio(self) -> None:
        """Raise an error for ``use_ratio=True`` if the ratio to the likelihood of noise alone is nowhere a number."""
        translation = self.translation
        if not self.sampler.use_ratio:
            return
        draws = self.problem.prior.sample(_RATIOS_TRIED, np.random.default_rng(20200218))
        medians = {key: np.full(_RATIOS_TRIED, x) for key, x in translation.calibration.reference.items()}
        rows = translation.rows({**draws, **medians})
        if not gives_ratio(translation.asked, rows):
            raise ConfigurationError(
                f"use_ratio=True: a {type(translation.asked).__name__} has no likelihood of noise alone; its log likelihood "
                f"ratio is not a number for {_RATIOS_TRIED} draws from the prior: leave use_ratio out"
            )

    def _keep_bands(self, target: Target, done: Outcome | FreshBatch) -> None:
        """Write whitened data and waveforms beside the result, for a report; a result file does not contain them."""
        likelihood = self.problem.likelihood
        # Remove those of an earlier run with the same label.
        (self._scratch / FILE).unlink(missing_ok=True)
        rows = done.rows
        obstacle = self.translation.obstacle or self.choice.problem.obstacle("own frequencies")
        if obstacle or not len(rows):
            return
        bands = whitened_bands(
            likelihood, target.problem.rows({key: value[rows] for key, value in done.weighted.parameters.items()})
        )
        check_directory_exists_and_if_not_mkdir(str(self._scratch))
        save_bands(bands, self._scratch / FILE)

    def _keep_sky(self, target: Target, done: Outcome | FreshBatch, result: Result) -> None:
        """Write the data for a sky map beside the result: many weighted positions for each of some rows of the posterior."""
        (self._scratch / PLACES).unlink(missing_ok=True)
        if not isinstance(done, Outcome):
            return
        rows = {key: value[done.rows] for key, value in done.weighted.parameters.items()}
        # A separate generator, so that all other draws do not change.
        rng = np.random.default_rng((self.seed, _SKY_SEED))
        found = candidates_of_run(target.conditional, target.translated, rows, rng)
        if found is None:
            return
        check_directory_exists_and_if_not_mkdir(str(self._scratch))
        log_evidence = float(statistics_of(result)["log_evidence"])
        save_candidates(replace(found, log_evidence=log_evidence), self._scratch / PLACES)

    @property
    def _scratch(self) -> Path:
        """Folder for files that a run writes beside its result."""
        return Path(self.sampler.outdir) / f"{self.sampler.abbreviation}_{self.sampler.label}"

    def _tell_what_draws(self, target: Target, bound: BoundPosterior | None, source: str) -> None:
        """Log which proposal draws the parameters: Bilby has logged the arguments, which a given model may replace."""
        by_closed_form = [key for key in target.prior.keys if key in target.conditional_keys]
        conditional = f"; in closed form, given these: {', '.join(by_closed_form)}" if by_closed_form else ""
        if bound is None:
            how = "fitted to this event, round by round," if self.family is None else f"network {self.family}"
            logger.info(f"Proposal: {how} for {', '.join(target.keys)}{conditional}")
            return
        family = bound.model.settings["network"]["family"]
        logger.info(f"Proposal: model {source}, a {family} network for {', '.join(target.keys)}{conditional}")
