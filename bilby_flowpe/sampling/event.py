"""Sampling of one event from a proposal to an outcome: pilot, final batch, and refinement if these are not enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from bilby.core.utils import logger

from ..conditional.spot_check import PRIOR_CHECKS
from ..importance import WeightSummary, draws_needed, effective_sample_size
from ..proposals.charts import Chart, unreached_share
from ..proposals.mixture import Mixture, prior_alone
from ..proposals.parts import PRIOR, AdaptedChart
from ..verdict import judge
from ..verdict.completeness import Completeness
from ..verdict.grade import RANKS
from .budget import Budget
from .coarse import CoarseBatches, Recentred
from .hills import Hills
from .missed import completeness_of, volume_of
from .outcome import FreshBatch, KnownOfData, Outcome, judged
from .progress import EventBar
from .refine import Refinement
from .start import misses, network_and_hills
from .weighing import Target
from .weighted import WeightedDraws

_HOPELESS = 5.0  # Effective draws of the pilot below which its efficiency is too uncertain to plan a batch from it.
_INEFFICIENT = 0.02
"""Efficiency of a network below which refinement is cheaper: 1000 draws of the network would hold 20 effective ones."""

# With a coarse likelihood: draws for each effective one after a refinement, and the cost of the refinement in units of
# a draw: two rounds of about 3500 draws, and two fits of three seconds, each as long as several thousand draws of less
# than a millisecond.
_REFINED, _ROUNDS = 2.0, 13_000
_CUT = 0.01  # share of the posterior next to an edge of a family; about as much may lie beyond the edge
_OF_PRIOR = 0.005  # share of the prior in a proposal with a network
_PILOT = 500  # Least number of draws of a pilot: an efficiency of 2% is then known to a third of itself.
_ATTEMPTS = 3
"""Largest number of final batches: if three refinements have not been enough, further ones are unlikely to be."""

# a comparison may take 1/20 of the budget in rows: a tenth of it, at two evaluations for each row
_SHARE_OF_COMPARISON = 20

Done = TypeVar("Done")


@dataclass(frozen=True)
class Wanted:
    """Options of a run, as set by the user.

    Attributes
    ----------
    n_effective
        Number of effective draws to aim at.
    n_posterior
        Largest number of equal-weight rows.
    refine
        Whether a proposal that is not good enough is refined for the event.
    progress
        Whether to show progress bars.
    search_time
        Seconds for additional draws that look for missed modes.
    """

    n_effective: int = 5000
    n_posterior: int = 5000
    refine: bool = True
    progress: bool = False
    search_time: float = 3.0


class EventSampler:
    """Samples the posterior of one event.

    Parameters
    ----------
    target
        The posterior.
    chart
        A network bound to the event's data; ``None`` to start from the prior.
    proposal
        Mixture to begin with, if there is a network; otherwise the prior is used.
    wanted, budget
        Options and limits of the run.
    rng
        Random generator.
    known
        Information on the data from a model; none by default.
    recentred
        Function that moves the reference of a coarse likelihood to a row; without it, the reference does not move.

    Attributes
    ----------
    adapted
        The network, if it is one for many problems, which knows one signal only.
    seconds : dict
        Duration of each stage.
    """

    def __init__(
        self,
        target: Target,
        chart: Chart | None,
        proposal: Mixture | None,
        wanted: Wanted,
        budget: Budget,
        rng: np.random.Generator,
        known: KnownOfData | None = None,
        recentred: Recentred | None = None,
    ) -> None:
        self.chart, self.known = chart, known or KnownOfData()
        self.adapted = chart if isinstance(chart, AdaptedChart) else None
        self.proposal = proposal or prior_alone(target.prior, target.keys)
        self.wanted, self.budget = wanted, budget
        # The target for steering: pilots, rounds and searches use the coarse likelihood only, if there is one.
        self.steering = target.steering()
        self._batches = CoarseBatches(target, budget, self._drawn, recentred)
        self.rng = rng
        self.bar = EventBar(target, wanted.progress)
        self.seconds: dict[str, float] = {}
        self._pilot: WeightSummary | None = None

    @property
    def target(self) -> Target:
        """The posterior; if the reference of a coarse likelihood has moved, with the latest reference."""
        return self._batches.target

    def raw(self) -> FreshBatch:
        """Return draws of the proposal without weights or verdict; parameters drawn conditionally are drawn from theirs."""
        stage = "conditionals" if self.target.conditional_keys else "likelihoods"
        try:
            return FreshBatch(self._drawn(self.target, self.proposal, self.wanted.n_posterior, stage), self.proposal)
        finally:
            self.bar.close()

    def run(self) -> Outcome:
        """Return weighted draws with a verdict."""
        try:
            return self._sampled()
        finally:
            self.bar.close()

    def _sampled(self) -> Outcome:
        if self.chart is None:
            return self._refined(self._new_refinement(), [])
        wanted = self.wanted
        self._compare_over_prior()
        refinement = self._new_refinement(self.adapted)
        if self.adapted is not None:
            self.proposal = network_and_hills(
                self.adapted, refinement.of_prior, self.target.prior, refinement.hills, _OF_PRIOR
            )
        proposal = self.proposal
        unreached = None if self.adapted else unreached_share(self.chart, self.target.prior)
        # Most of a small budget is for the final batch.
        size = min(max(wanted.n_effective // 5, _PILOT), max(self.budget.likelihood_evaluations // 4, 1))
        pilot = self._drawn(self.steering, proposal, size, "pilot")
        summary = self._pilot = pilot.summary()
        left = self.budget.evaluations_left(self.steering)
        needed = draws_needed(summary, wanted.n_effective, maximum=left + 1)
        poor = summary.efficiency < _INEFFICIENT or summary.effective_sample_size < _HOPELESS
        if self.adapted is not None and self.target.coarse:
            poor = poor or self._misses(pilot)
            if poor:
                refinement = self._new_refinement(None, refinement.hills)
            poor = poor or needed > _REFINED * wanted.n_effective + _ROUNDS
        # With a budget that is slightly too small, the network gives more effective draws than a few rounds would.
        can_refine = wanted.refine and left >= refinement.least_evaluations and self.budget.in_time()
        if can_refine and (poor or needed > left):
            logger.info(
                f"The network's efficiency on this event is about {summary.efficiency:.3g}: refining a proposal costs less "
                f"than drawing {wanted.n_effective} effective samples from it"
            )
            return self._refined(refinement, [(pilot, proposal)])
        if self.adapted is not None:
            logger.info(f"The network's efficiency on this event is about {summary.efficiency:.3g}: its draws are used")
        # The pilot only determines the number of draws: if it also entered the evidence, its chance deviations would
        # bias it.
        size = max(min(needed, left), 1)
        weighted, cut = self._fresh(proposal, size, pilot.log_weights)
        cut = cut or needed > left
        effective = effective_sample_size(weighted.log_weights)
        short = None
        if cut and effective < wanted.n_effective:
            short = self.budget.spent(
                self.target, f"with {effective:.0f} effective draws of n_effective={wanted.n_effective}"
            )
        enough = self.budget.evaluations_left(self.steering) >= refinement.least_evaluations and self.budget.in_time()
        if self._misses(weighted):
            if wanted.refine and enough:
                logger.info(
                    "The network cannot draw a part of the posterior: a proposal is refined from the result of the search"
                )
                return self._refined(self._new_refinement(None, refinement.hills), [(weighted, proposal)])
            short = "a part of the posterior lies where the network does not draw: use network='none'"
        batch = FreshBatch(
            weighted,
            proposal,
            pilot=self._pilot,
            unfinished=short,
            unreached=unreached,
            completeness=self._completeness(refinement, weighted, proposal, ready=True),
            moved=self._batches.moved,
        )
        outcome = self._judged(batch)
        if not wanted.refine or not outcome.verdict.mendable or not enough:
            return outcome
        logger.info(
            "The network is not good enough (" + "; ".join(outcome.verdict.reasons) + "): it is refined for this event"
        )
        return self._refined(refinement, [(pilot, proposal), (weighted, proposal)], outcome)

    def _misses(self, weighted: WeightedDraws) -> bool:
        """Return whether a network of a family cannot draw a part of the posterior."""
        if (network := self.adapted) is None:
            return False
        return misses(network, weighted) or network.cut(weighted.draws.parameters, weighted.log_weights) > _CUT

    def _compare_over_prior(self) -> None:
        """Compare the closed form of parameters drawn conditionally with the likelihood, at draws from the whole prior.

        A network was trained on signals with the same symmetries, and hardly draws where the closed form sees no
        signal.
        """
        size = min(PRIOR_CHECKS, self.budget.likelihood_evaluations // _SHARE_OF_COMPARISON)
        # A coarse likelihood is compared with the user's at every draw that is kept.
        if not self.target.conditional_keys or self.target.coarse or size < 1:
            return
        # A separate generator, so that the draws of a run do not depend on what is compared.
        (rng,) = self.rng.spawn(1)
        prior = prior_alone(self.target.prior, self.target.keys)
        self._timed("comparison", lambda: self.target.draw(prior, size, rng, checks=size))

    def _new_refinement(self, near: AdaptedChart | None = None, hills: Hills | None = None) -> Refinement:
        """Make a refinement that starts in the coordinates of a network for many problems, or from the result of a search.

        Parameters
        ----------
        near
            The network, if there is one; if no refinement can start from it, the search is used.
        hills
            Hills of the search's statistic, if they are known.
        """
        wanted, budget, searched = self.wanted.n_effective, self.budget, self.known.searched
        network = None if self.adapted else self._start
        near = near if self._start is not None else None
        given = (self.steering, network, wanted, budget, self.rng, self.bar, searched, near, hills)
        # Making a refinement climbs from the results of a search, which takes time.
        refinement = self._timed("climbs", lambda: Refinement(*given)) if searched else Refinement(*given)
        better = None if refinement.start is None else refinement.start.better
        why = "A wave fits far better than the best of the search: the coarse likelihood's reference moves to it"
        if better is not None and self._batches.move(better, why):
            refinement.target = self.steering = self.target.steering()
        return refinement

    @property
    def _start(self) -> Chart | None:
        """Network from which a refinement may start; pairs with latent variables are not points of the event's own space."""
        may = self.chart is not None and not self.chart.latent and (self.adapted is None or self.adapted.can_start)
        return self.chart if may else None

    def _refined(
        self,
        refinement: Refinement,
        known: list[tuple[WeightedDraws, Mixture]],
        before: Outcome | None = None,
    ) -> Outcome:
        """Run rounds of refinement and draw a final batch, and repeat while the batch is not good enough and the budget lasts.

        Parameters
        ----------
        refinement
            A new refinement.
        known
            Draws already made, and their proposals.
        before
            Outcome to return if the budget allows no better one.
        """
        for weighted, proposal in known if self._start is not None else []:
            refinement.add(weighted.by_coarse(), proposal)
        outcome, attempts = before, 0
        while True:
            ready = self._timed("refinement", refinement.run)
            # Draws from the bare prior are not better than those of the network.
            proposal = refinement.proposal if refinement.has_flow or self.chart is None or ready else self.proposal
            size = refinement.draws_for(self.wanted.n_effective)
            if size < 1 and outcome is not None:
                return outcome
            weighted, _ = self._fresh(proposal, max(size, 1), refinement.log_weights)
            # Further rounds use the present coarse likelihood.
            refinement.target = self.steering
            # What the network cannot reach does not count here, because a refinement starts with draws from the prior.
            latest = self._judged(
                FreshBatch(
                    weighted,
                    proposal,
                    pilot=self._pilot,
                    refinement=refinement,
                    unfinished=None if ready else refinement.unfinished,
                    completeness=self._completeness(refinement, weighted, proposal, ready),
                    moved=self._batches.moved,
                )
            )
            # A batch that lacks a mode is replaced by any other, however many effective draws it has.
            outcome = latest if outcome is not None and _lacks_a_mode(outcome) else _better(outcome, latest)
            attempts += 1
            # Rounds improve weights and add modes; if both are fine, any other reason of the verdict would remain.
            sound = judge(latest.summary, self.wanted.n_effective).grade == "reliable" and not _lacks_a_mode(latest)
            if not ready or sound or not outcome.verdict.mendable or attempts == _ATTEMPTS:
                return outcome
            if proposal.encoder is None:
                refinement.add(weighted.by_coarse(), proposal)

    def _fresh(self, proposal: Mixture, size: int, log_weights: np.ndarray) -> tuple[WeightedDraws, bool]:
        """Draw the final batch, and return whether a budget has made it smaller than wanted.

        Parameters
        ----------
        proposal
            Proposal.
        size
            Number of draws, if there is no coarse likelihood.
        log_weights
            Log weights of earlier draws of this proposal; with a coarse likelihood, the number of draws is planned from
            them.
        """
        if not self.target.coarse:
            weighted = self._drawn(self.target, proposal, size, "weighing")
            return weighted, len(weighted.log_weights) < size
        weighted, cut = self._batches.fresh(proposal, log_weights, self.wanted.n_effective)
        self.steering = self.target.steering()
        return weighted, cut

    def _drawn(self, target: Target, proposal: Mixture, size: int, stage: str) -> WeightedDraws:
        self.bar.stage(stage.capitalize())
        go_on, advance = self.budget.go_on, self.bar.advance
        weighted = self._timed(stage, lambda: target.draw(proposal, size, self.rng, advance, go_on))
        self.bar.drawn(weighted)
        return weighted

    def _timed(self, stage: str, work: Callable[[], Done]) -> Done:
        began = time.monotonic()
        done = work()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - began, 3)
        return done

    def _completeness(
        self, refinement: Refinement, weighted: WeightedDraws, proposal: Mixture, ready: bool
    ) -> Completeness | None:
        """Return how likely it is that a mode was missed; ``None`` if a network knows the posterior."""
        if (self.chart is not None and self.adapted is None) or self.known.found is not None:
            return None
        if (start := refinement.start) is not None:
            pool = refinement.pool
            of_rounds = zip(pool.proposals, (len(batch.draws) for batch in pool.batches), strict=True)
            drawn = (*of_rounds, (proposal, len(weighted.draws)))
            if (looked := start.looked(drawn)) is not None:
                volume = volume_of(weighted, self.target)
                return self._timed("completeness", lambda: completeness_of(looked, volume, self.target.prior))
        if ready and refinement.looking is not None:
            self.bar.stage("Looking for missed modes")
            looking, first = refinement.looking, refinement.round_draws
            most = looking.most(first, self.wanted.search_time)
            logger.info(
                "Looking for modes that the draws may have missed: comparing draws from the prior with each other, up to "
                f"{most} more of them if needed, which may take longer than the time for these draws "
                f"(search_time={self.wanted.search_time:g})"
            )
            found = self._timed("looking", lambda: looking.complete(weighted, proposal, first, self.wanted.search_time))
            return found or Completeness(
                1.0, f"{looking.draws} draws of the prior, which showed another mode", mendable=True
            )
        # A batch drawn from the prior only has looked for modes as well as the first round.
        draws = refinement.prior_draws + (len(weighted.draws) if proposal.names == (PRIOR,) else 0)
        return Completeness(1.0, f"{draws} draws from the prior")

    def _judged(self, batch: FreshBatch) -> Outcome:
        wanted = self.wanted
        return judged(batch, self.target, wanted.n_effective, wanted.n_posterior, self.rng, self.known)


def _lacks_a_mode(outcome: Outcome) -> bool:
    """Return whether draws of the prior have shown a mode that the batch has not drawn."""
    completeness = outcome.batch.completeness
    return completeness is not None and completeness.mendable


def _better(one: Outcome | None, other: Outcome) -> Outcome:
    """Return the outcome of the better grade, or of equal grades the one with more effective draws."""
    if one is None:
        return other
    first, second = ((-RANKS[o.verdict.grade], o.summary.effective_sample_size) for o in (one, other))
    return one if first > second else other
