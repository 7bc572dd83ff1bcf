"""The final batch with a coarse likelihood: its size, and whether the coarse likelihood is close enough to the user's.

A trial of some draws measures how the user's likelihood scatters relative to the coarse one. If it scatters too much,
the reference of the coarse likelihood moves to the best draw, where the posterior is. The trial is used for this
decision only: the result is made of new draws, except in small batches, which are drawn again if the reference moves.

If a budget does not last for the user's likelihood at every row of the posterior, and the coarse likelihood is close
enough, it is evaluated for some of the rows (:mod:`bilby_flowpe.thinning.partial`). This is planned before the batch is
drawn, from the cost of evaluations so far.
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

# efficiency of the ratio below which the reference is moved: staying would cost more than a few per cent of the draws
_POOR = 0.8
# efficiency below which ten times as many draws have to be kept as the user's likelihood alone would need
_HOPELESS = 0.1
_MOVES = 2  # rounds in which the reference may move: a third one would end at the same place
# draws that a trial keeps, as a share of those of the batch, with lower and upper bounds
_TRIAL, _FEWEST, _MOST = 1 / 16, 64, 300
_NEAR = 0.9  # efficiency of the ratio below which fewer rows, all evaluated, are better than more rows that are not
_KNOWN = 32  # kept draws from which on an efficiency near one can be distinguished from a poor one

Recentred = Callable[[Row | None], Conditional | None]
"""Makes the conditional of a coarse likelihood, with its reference at a given row; ``None`` if that is impossible."""
Draw = Callable[[Target, Mixture, int, str], WeightedDraws]
"""Draws for a target, from a proposal, a number of samples, in a stage of the run."""


class CoarseLikelihoodError(FlowPEError):
    """The coarse likelihood is too far from the user's to be used."""


class CoarseBatches:
    """Draws thinned batches of one event with a coarse likelihood.

    Parameters
    ----------
    target
        The posterior.
    budget
        Limits of the run.
    draw
        Function that makes the draws.
    recentred
        Function that moves the reference; without it, the reference does not move.

    Attributes
    ----------
    moved
        Number of moves of the reference.
    """

    def __init__(self, target: Target, budget: Budget, draw: Draw, recentred: Recentred | None = None) -> None:
        self.target, self.budget, self._draw, self._recentred = target, budget, draw, recentred
        self.moved = 0

    def fresh(self, proposal: Mixture, log_coarse: np.ndarray, n_effective: int) -> tuple[WeightedDraws, bool]:
        """Draw the final batch with a coarse likelihood that is close enough; also return whether a budget cut it.

        Parameters
        ----------
        proposal
            Proposal.
        log_coarse
            Coarse log weights of earlier draws of this proposal, (M,), from which the number of draws and their
            thinning are planned.
        n_effective
            Number of effective draws wanted.

        Raises
        ------
        CoarseLikelihoodError
            If the coarse likelihood is too far from the user's.
        """
        plan = self._plan(log_coarse, n_effective)
        self._tell(plan, n_effective)
        kept = float(np.clip(_TRIAL * plan.n_kept, _FEWEST, _MOST))
        # A trial would be a large part of a small batch, so that the batch itself is the trial.
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
        """Plan a batch within the remaining budget, partly evaluated if necessary and if the coarse likelihood is ``near``."""
        target, budget = self.target, self.budget
        most, in_time, price = budget.left(target), budget.draws_in_time(target), budget.price(target)
        plan = plan_batch(log_coarse, n_effective, most, in_time, target.evaluations_kept, price=price)
        if not plan.short or not near or not target.may_be_partial:
            return plan
        return plan_partly(log_coarse, n_effective, most, in_time, price) or plan

    def _tell(self, plan: Plan, n_effective: int) -> None:
        """Log the cost of the batch, and how much of it the budget allows."""
        each = self.target.meter.seconds_asked * self.target.evaluations_kept

        def cost(evaluations: float) -> str:
            known = f", about {in_words(evaluations * each)} at {1e3 * each:.3g} ms" if each > 0 else ""
            # Rounded to two digits: it is an expected number, and a trial comes first.
            return f"about {float(f'{evaluations:.2g}'):.0f} evaluations of the likelihood{known}"

        message = f"{n_effective} effective draws need {cost(plan.n_wanted or plan.n_kept)}"
        if plan.partial:
            message += (
                f". The budget has room for {cost(plan.n_kept)}: the other rows of the posterior keep the weight of the coarse "
                "likelihood, and the error of this is measured with those that are evaluated"
            )
        elif plan.short:
            message += f", and the budget has room for {cost(plan.n_kept)}"
        logger.info(message)

    def _batch(self, proposal: Mixture, plan: Plan, stage: str) -> WeightedDraws:
        return self._draw(self.target.thinned(plan.thinning), proposal, plan.n_draws, stage).with_mean_ratio()

    def _looked_at(
        self, proposal: Mixture, plan: Plan, stage: str, log_coarse: np.ndarray, n_effective: int, share: float
    ) -> tuple[WeightedDraws, np.ndarray]:
        """Draw a share of a batch, again if the reference moves, and return coarse weights by the latest reference, too.

        An error is raised if the coarse likelihood is not close enough.
        """
        weighted = self._batch(proposal, _part(plan, share), stage)
        while _known(weighted) and _efficiency(weighted) < _POOR and self.moved < _MOVES and self._moves(weighted):
            # The plan was made for the former coarse likelihood; which draws to keep follows from weights by the
            # present one.
            size = len(weighted.log_weights)
            log_coarse = self._draw(self.target.steering(), proposal, size, stage).log_weights
            weighted = self._batch(proposal, _part(self._plan(log_coarse, n_effective), share), stage)
        self._require(weighted)
        return weighted, log_coarse

    def _moves(self, weighted: WeightedDraws) -> bool:
        """Move the reference to the best draw, and return whether that was possible."""
        found = f"The ratio of the likelihood to the coarse one has an efficiency of {_efficiency(weighted):.3g}"
        return self.move(
            best_row(weighted, self.target), f"{found}: the coarse likelihood's reference moves to the best draw"
        )

    def move(self, row: Row, why: str) -> bool:
        """Move the reference to a row and log the reason; return whether that was possible."""
        conditional = None if self._recentred is None else self._recentred(row)
        if conditional is None:
            return False
        logger.info(why)
        self.target = replace(self.target, conditional=conditional)
        self.moved += 1
        return True

    def _require(self, weighted: WeightedDraws) -> None:
        """Raise an error if the coarse likelihood is too different from the user's where the posterior is."""
        efficiency, spread = _efficiency(weighted), weighted.coarse_spread
        if _known(weighted) and (efficiency < _HOPELESS or spread > SPREAD):
            # The scatter is unknown if there are too few likely rows.
            scatter = f", and the scatter of its logarithm is {spread:.3g}" if spread > 0 else ""
            raise CoarseLikelihoodError(
                f"the ratio of the likelihood to the coarse one has an efficiency of {efficiency:.3g}{scatter}"
            )


def _part(plan: Plan, share: float) -> Plan:
    """Return the plan of a share of a batch."""
    return replace(plan, n_draws=int(np.ceil(plan.n_draws * share)))


def _known(weighted: WeightedDraws) -> bool:
    """Return whether enough draws were kept to measure the efficiency, and one of them has a weight."""
    thinned = weighted.thinned
    return thinned is not None and thinned.n_kept >= _KNOWN and bool(np.isfinite(weighted.log_weights).any())


def _efficiency(weighted: WeightedDraws) -> float:
    return 0.0 if weighted.thinned is None else weighted.thinned.coarse_efficiency(weighted.log_evaluated)
