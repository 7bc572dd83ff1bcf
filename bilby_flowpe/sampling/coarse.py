"""The batch that counts, where a coarse likelihood draws: how large it is, and whether the coarse likelihood will do.

A trial of some draws tells how the likelihood scatters about the coarse one. Where that is too much, the reference of
the coarse likelihood moves to the best draw, where the posterior is. The trial decides that alone: what enters the
answer is drawn afresh, but for small batches, which are drawn again where the reference moves.

Where a budget does not last for the user's likelihood at every row of the posterior, and the coarse likelihood is near enough,
it is evaluated for some of them (:mod:`bilby_flowpe.thinning.partial`). That is planned before the batch is drawn, by what an
evaluation has cost so far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from bilby.core.utils import logger

from ..conditional.base import Conditional
from ..errors import FlowPEError
from ..pricing import in_words
from ..processes.parallel import Row
from ..proposals.mixture import Mixture
from ..thinning.plan import Plan, plan_batch, plan_partly
from .budget import Budget
from .closed_form import SPREAD
from .outcome import best_row
from .weighing import Target
from .weighted import WeightedDraws

_POOR = 0.8  # efficiency of the ratio below which it costs more than a few per cent of the draws to leave the reference
_HOPELESS = 0.1  # below it the draws kept are ten times as many as draws of the likelihood's own would have to be
_MOVES = 2  # of the reference: a third would be at the same place
_TRIAL, _FEWEST, _MOST = 1 / 16, 64, 300  # draws kept of a trial: share of those of the batch, and bounds
_NEAR = 0.9  # efficiency of the ratio below which fewer rows that are all evaluated are better than more that are not
_KNOWN = 32  # draws kept from which on an efficiency near one is told from a poor one

Recentred = Callable[[Row | None], Conditional | None]
"""Makes the conditional of a coarse likelihood, its reference at a row if one is given; ``None`` where there can be none."""
Draw = Callable[[Target, Mixture, int, str], WeightedDraws]
"""Draws for a target, from a proposal, so many, in a stage of the run."""


class CoarseLikelihoodError(FlowPEError):
    """The coarse likelihood is too far from the user's to draw with."""


class CoarseBatches:
    """Draws fresh batches of one event by a coarse likelihood, thinned.

    Parameters
    ----------
    target
        The posterior.
    budget
        What may be spent.
    draw
        Makes the draws.
    recentred
        Moves the reference; it stays where it is when left out.

    Attributes
    ----------
    moved
        How often the reference has moved.
    """

    def __init__(self, target: Target, budget: Budget, draw: Draw, recentred: Recentred | None = None) -> None:
        self.target, self.budget, self._draw, self._recentred = target, budget, draw, recentred
        self.moved = 0

    def fresh(self, proposal: Mixture, log_coarse: np.ndarray, n_effective: int) -> tuple[WeightedDraws, bool]:
        """A batch by a coarse likelihood that will do, and whether a budget has made it smaller than it should be.

        Parameters
        ----------
        proposal
            What draws.
        log_coarse
            Coarse log weights of draws that it has made before, (M,): they tell how many draws are needed, and which to keep.
        n_effective
            Effective draws wanted.

        Raises
        ------
        CoarseLikelihoodError
            If the coarse likelihood will not do.
        """
        plan = self._plan(log_coarse, n_effective)
        self._tell(plan, n_effective)
        kept = float(np.clip(_TRIAL * plan.n_kept, _FEWEST, _MOST))
        # Of a small batch the trial would be a large part.
        whole = plan.n_kept <= 4 * kept
        if whole:
            weighted, log_coarse = self._looked_at(proposal, plan, "weighing", log_coarse, n_effective, 1.0)
        else:
            share = kept / plan.n_kept
            trial, log_coarse = self._looked_at(proposal, plan, "trial", log_coarse, n_effective, share)
            efficiency = max(_efficiency(trial), _HOPELESS) if _known(trial) else 1.0
            was_partial = plan.partial
            plan = self._plan(log_coarse, int(np.ceil(n_effective / efficiency)), efficiency >= _NEAR)
            if plan.partial != was_partial:
                self._tell(plan, n_effective)
            weighted = self._batch(proposal, plan, "weighing")
            self._require(weighted)
        return weighted, plan.short or len(weighted.log_weights) < plan.n_draws

    def _plan(self, log_coarse: np.ndarray, n_effective: int, near: bool = True) -> Plan:
        """Plan a batch by what is left of the budget; one that is evaluated partly where the coarse likelihood is ``near``."""
        target, budget = self.target, self.budget
        most, in_time, price = budget.left(target), budget.draws_in_time(target), budget.price(target)
        plan = plan_batch(log_coarse, n_effective, most, in_time, target.evaluations_kept, price=price)
        if not plan.short or not near or not target.may_be_partial:
            return plan
        return plan_partly(log_coarse, n_effective, most, in_time, price) or plan

    def _tell(self, plan: Plan, n_effective: int) -> None:
        """Say what the batch will cost, and what a budget leaves of it."""
        each = self.target.meter.seconds_asked * self.target.evaluations_kept

        def cost(evaluations: float) -> str:
            known = f", about {in_words(evaluations * each)} at {1e3 * each:.3g} ms" if each > 0 else ""
            # Two digits: it is a mean, and a trial comes before.
            return f"about {float(f'{evaluations:.2g}'):.0f} evaluations of the likelihood{known}"

        message = f"{n_effective} effective draws ask for {cost(plan.n_wanted or plan.n_kept)}"
        if plan.partial:
            message += (
                f". The budget has room for {cost(plan.n_kept)}: the other rows of the posterior keep the weight of the coarse "
                "likelihood, and what they lack is measured by those that are evaluated"
            )
        elif plan.short:
            message += f", and the budget has room for {cost(plan.n_kept)}"
        logger.info(message)

    def _batch(self, proposal: Mixture, plan: Plan, stage: str) -> WeightedDraws:
        return self._draw(self.target.thinned(plan.thinning), proposal, plan.n_draws, stage).with_mean_ratio()

    def _looked_at(
        self, proposal: Mixture, plan: Plan, stage: str, log_coarse: np.ndarray, n_effective: int, share: float
    ) -> tuple[WeightedDraws, np.ndarray]:
        """A share of a batch, drawn again where the reference has moved since, and coarse weights by the latest reference.

        It is refused if the coarse likelihood will not do.
        """
        weighted = self._batch(proposal, _part(plan, share), stage)
        while _known(weighted) and _efficiency(weighted) < _POOR and self.moved < _MOVES and self._moves(weighted):
            # What was planned was in units of the likelihood before: who is kept follows from weights by the present one.
            size = len(weighted.log_weights)
            log_coarse = self._draw(self.target.steering(), proposal, size, stage).log_weights
            weighted = self._batch(proposal, _part(self._plan(log_coarse, n_effective), share), stage)
        self._require(weighted)
        return weighted, log_coarse

    def _moves(self, weighted: WeightedDraws) -> bool:
        """Move the reference to the best draw; whether that was possible."""
        found = f"The ratio of the likelihood to the coarse one has an efficiency of {_efficiency(weighted):.3g}"
        return self.move(
            best_row(weighted, self.target), f"{found}: the coarse likelihood's reference moves to the best draw"
        )

    def move(self, row: Row, why: str) -> bool:
        """Move the reference to a row, and say why; whether that was possible."""
        conditional = None if self._recentred is None else self._recentred(row)
        if conditional is None:
            return False
        logger.info(why)
        self.target = replace(self.target, conditional=conditional)
        self.moved += 1
        return True

    def _require(self, weighted: WeightedDraws) -> None:
        """Refuse a coarse likelihood that is another one where the posterior is."""
        efficiency, spread = _efficiency(weighted), weighted.coarse_spread
        if _known(weighted) and (efficiency < _HOPELESS or spread > SPREAD):
            # Of too few likely rows no scatter is known.
            scatter = f", and the scatter of its logarithm is {spread:.3g}" if spread > 0 else ""
            raise CoarseLikelihoodError(
                f"the ratio of the likelihood to the coarse one has an efficiency of {efficiency:.3g}{scatter}"
            )


def _part(plan: Plan, share: float) -> Plan:
    """Draw a share of a batch."""
    return replace(plan, n_draws=int(np.ceil(plan.n_draws * share)))


def _known(weighted: WeightedDraws) -> bool:
    """Whether enough draws were kept, and one of them has a weight."""
    thinned = weighted.thinned
    return thinned is not None and thinned.n_kept >= _KNOWN and bool(np.isfinite(weighted.log_weights).any())


def _efficiency(weighted: WeightedDraws) -> float:
    return 0.0 if weighted.thinned is None else weighted.thinned.coarse_efficiency(weighted.log_evaluated)
