r"""Refinement: a proposal for one event, improved round by round from its own weighted draws.

A path :math:`b^{1 - \beta} p^\beta` leads from a start :math:`b(x)` (a network, or the prior) to the posterior
:math:`p(x) \propto \pi(x) L(x)`. In every round, the inverse temperature :math:`\beta` rises as far as the draws so far
allow. A small flow (:mod:`.event_flow`) is fitted to all of these, weighted for this :math:`\beta`, and draws the next
round. All draws of all rounds are used, weighted by the mixture from which they were drawn,

.. math:: w_i = \frac{b(x_i)^{1 - \beta} \, p(x_i)^\beta}{\sum_r (N_r / N) \, q_r(x_i)} .

These weights are used for fits and steering only. Evidence and posterior come from new draws of the last proposal,
whose shares are fixed before it is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bilby.core.utils import logger

from ..importance import summarise
from ..proposals.binary_chart import BinaryChart
from ..proposals.charts import Chart
from ..proposals.mixture import Mixture, prior_alone
from ..proposals.parts import PRIOR, AdaptedChart, Charted
from ..verdict import judge
from .budget import Budget, Round
from .fits import Fits
from .hills import Hills
from .looking import Looking
from .modes import about
from .pace import CHEAP, DEAR, first_draws
from .pool import Pool
from .progress import EventBar
from .round_mixture import WIDTH
from .search import LocalSearch, search
from .start import TRUSTED, Searched, start_of, starts_from
from .temperature import next_temperature
from .weighing import Target
from .weighted import WeightedDraws

NETWORK = "network"
"""Value of :attr:`Refinement.started_from` for a network."""

_GOOD = 0.3  # Efficiency at which rounds end: a larger value costs more rounds, a smaller one a larger final batch.
_PROGRESS = 1.15  # factor by which the efficiency has to rise for a round to count as progress
_MOST_ROUNDS = 60  # Largest number of rounds, a safeguard: usually a path stands still, or the budget ends, before.
# Rounds without progress, and the factor by which the inverse temperature has to rise within these: otherwise a local
# search is made, and if there was one already, the refinement ends.
_STANDSTILL, _RISE = 3, 1.25
_HIT = 20.0  # effective draws for each dimension with which a search has found the posterior itself
_NEARLY = 10.0  # the same for a first round about a search, which has draws of the prior, too
# a search scans one parameter at as many points as a round has draws, over this number and the number of parameters
_SCANNED = 4


class Refinement:
    """Rounds of refinement for one event; :attr:`proposal` is the latest proposal.

    Parameters
    ----------
    target
        The posterior.
    network
        A network without latent variables that is bound to the event's data, if there is one.
    n_effective
        Number of effective draws that the final batch should have.
    budget
        Limits of the run.
    rng
        Random generator.
    bar
        Progress bar; none is shown by default.
    searched
        Rows of a search; half of the first round is drawn near the best of these. Without them, all of it is drawn from
        the prior.
    near
        A network without latent variables in whose coordinates rounds are made, in place of those of a search.
    hills
        Hills of the search's statistic, if they are known already.

    Attributes
    ----------
    nothing
        True if no draw had a likelihood above zero.
    pace
        Settings of the rounds.
    round_draws, later_draws
        Number of draws of the first round and of a later one.
    from_search
        Whether the first round is partly drawn near the best rows of a search.
    prior_draws
        Number of draws from the prior in the first round.
    start
        Start from the result of a search, if there was one.
    """

    def __init__(
        self,
        target: Target,
        network: Chart | None,
        n_effective: int,
        budget: Budget,
        rng: np.random.Generator,
        bar: EventBar | None = None,
        searched: Searched | None = None,
        near: AdaptedChart | None = None,
        hills: Hills | None = None,
    ) -> None:
        self.bar = bar or EventBar(target, shown=False)
        self.target, self.network, self.n_effective, self.budget = target, network, n_effective, budget
        self.rng = rng
        self.rounds: list[Round] = []
        self.pace = CHEAP if target.coarse else DEAR
        self.round_draws = first_draws(len(target.keys))
        self.later_draws = self.pace.later_draws(len(target.keys), n_effective)
        self.prior_draws = 0
        of_prior = BinaryChart(target.prior, target.keys)
        start = None
        if searched is not None and network is None:
            start = start_of(searched, of_prior, target.prior, near, hills)
        self._near = near is not None
        self.chart: Chart = of_prior if start is None else start.chart
        self.pool = Pool(self.pace.batches, None if start is None else start.path)
        self.of_prior = of_prior
        self.from_search = start is not None
        self.proposal: Mixture = prior_alone(target.prior, target.keys) if start is None else start.proposal
        self.start, self.hills = start, None if start is None else start.hills
        made = 0 if self.hills is None or hills is not None else self.hills.templates
        target.meter.n_coarse += made + (0 if start is None else start.templates)
        self.nothing = False
        self._stalled: str | None = None
        self._beta = 0.0
        self._fits = Fits(target, self.pace, network, rng)
        self._searched = False
        self.looking: Looking | None = None
        if network is None and searched is None:
            (own,) = rng.spawn(1)
            self.looking = Looking(LocalSearch(target, of_prior, own, self._leaves_a_batch, self.bar.advance))
        self._jumped = False

    @property
    def started_from(self) -> str:
        """Start of the path to the posterior, in words."""
        if self.start is not None and self.start.path is not None:
            return NETWORK if self._near else "density that is adapted to the search"
        return NETWORK if self.chart is self.network else "prior"

    @property
    def has_flow(self) -> bool:
        """True if a proposal was fitted to the event."""
        return self._fits.made

    @property
    def least_evaluations(self) -> int:
        """Least number of likelihood evaluations for which a refinement is worthwhile: a few rounds and a batch."""
        return int(self.round_draws + 3 * self.later_draws + self.n_effective + self._kept)

    def add(self, weighted: WeightedDraws, proposal: Mixture) -> None:
        """Add draws that were made elsewhere."""
        self.pool.add(weighted, proposal)

    def run(self) -> bool:
        """Run rounds until the proposal is good enough; return whether it is, or false if the budget ended first."""
        if not self.rounds:
            self._first_round()
            if not self.rounds or not np.isfinite(self.pool.log_target).any():
                self.nothing = bool(self.rounds)
                return False
            # After a first round about a search or about modes, no density is fitted yet.
            fitted = not self.from_search and not self._jumped
            if self._beta >= 1 and fitted and self._will_do(self.rounds[-1], stalled=False):
                return True
        best, stalled, settled, path = 0.0, 0, 0, [self._beta]
        while len(self.rounds) < _MOST_ROUNDS:
            if not self._leaves_a_batch():
                return False
            done = self._round()
            if self._beta < 1:
                path.append(self._beta)
                if len(path) <= _STANDSTILL or path[-1] > _RISE * path[-1 - _STANDSTILL]:
                    continue
                if not self._found_by_search():
                    self._stalled = (
                        f"stands still at an inverse temperature of {self._beta:.3g}, for {_STANDSTILL} rounds and after a "
                        "local search: the posterior is narrower, or has more separate modes, than its draws can find"
                    )
                    return False
                path = [self._beta]
                continue
            settled += 1
            stalled = 0 if done.efficiency > _PROGRESS * best else stalled + 1
            best = max(best, done.efficiency)
            # On a path from the prior, small modes have only a handful of draws: more rounds give them their share.
            enough = 1 if self._near or self.chart is self.network else self.pace.settling
            sound = stalled >= _STANDSTILL or not self.pace.judges or self._sound()
            if settled >= enough and sound and self._will_do(done, stalled >= self.pace.patience):
                return True
            if stalled >= _STANDSTILL and best < TRUSTED and self._found_by_search():
                stalled = 0
            if stalled >= 6:
                self._stalled = (
                    f"reaches an efficiency of {best:.3g} at most, too low for n_effective={self.n_effective} within the "
                    "budget: raise the budget, or lower n_effective"
                )
                return False
        self._stalled = f"reaches an efficiency of {best:.3g} in {len(self.rounds)} rounds"
        return False

    @property
    def unfinished(self) -> str:
        """Reason, in words, why the proposal did not become good enough."""
        if self.nothing:
            return (
                f"none of {self.prior_draws} draws from the prior has a likelihood above zero: narrow the prior to "
                "the region where it is not zero"
            )
        if self._stalled:
            return f"the refinement {self._stalled}"
        return self.budget.spent(self.target)

    def _will_do(self, done: Round, stalled: bool) -> bool:
        """Return whether a final batch of the last proposal is affordable, and further rounds would hardly pay off."""
        needed = 1.2 * self.n_effective / max(done.efficiency, 1e-12)
        if needed + self._kept > self.budget.evaluations_left(self.target):
            return False
        return stalled or done.efficiency >= _GOOD or needed <= self.round_draws

    @property
    def _kept(self) -> float:
        """Evaluations of the user's likelihood that a final batch by a coarse likelihood takes."""
        return 1.2 * self.n_effective * self.target.evaluations_kept

    @property
    def log_weights(self) -> np.ndarray:
        """Log weights from which the final batch is planned, (N,); see :meth:`.pool.Pool.latest_log_weights`."""
        return self.pool.latest_log_weights([done.inverse_temperature < 1 for done in self.rounds])

    def _sound(self) -> bool:
        """Return whether the latest weights have a tail with which a batch would be accepted."""
        return judge(summarise(self.log_weights), n_effective=1).grade == "reliable"

    def draws_for(self, n_effective: int) -> int:
        """Return the size of the final batch, by the last round's efficiency."""
        if self.nothing:
            return min(1, self.budget.evaluations_left(self.target))
        efficiency = max(self.rounds[-1].efficiency, 1e-12) if self.rounds else 1.0
        return int(min(np.ceil(1.2 * n_effective / efficiency), self.budget.evaluations_left(self.target)))

    def statistics(self) -> dict[str, Any]:
        """Return plain values for the result; rounds are columns, as Bilby's HDF5 files allow no lists of dictionaries."""
        rounds = [done.to_dict() for done in self.rounds]
        columns = {key: [done[key] for done in rounds] for key in (rounds[0] if rounds else {})}
        return {"start": self.started_from, "rounds": columns}

    def _first_round(self) -> None:
        """Draw from the prior, and choose where the path starts."""
        began = time.monotonic()
        # If the budget is nearly spent, half of the rest is for the final batch.
        left = self.budget.evaluations_left(self.target, from_prior=True)
        size = min(self.round_draws, max(left // 2, 1), left)
        if size == 0:
            return
        weighted = self._drawn(self.proposal, size, self.budget.first_half())
        self.prior_draws = int(np.sum(weighted.draws.part == self.proposal.names.index(PRIOR)))
        if self.network is not None and starts_from(self.network, self.chart, self.pool, self.target.prior):
            self.chart = self.network
        self._beta = self._next_beta()
        if self.from_search and self.pool.last_efficiency() * len(self.pool.log_target) >= _NEARLY * len(
            self.chart.keys
        ):
            # The search has found the posterior itself: there are more draws at the end of a path than between its
            # ends.
            self._beta = 1.0
        self._note(self._beta, self.pool.last_efficiency(), began)
        if self.looking is not None:
            self._look(self.looking)

    def _look(self, looking: Looking) -> None:
        """Look for modes among the first round's draws, and draw a round at them.

        If their normal densities are close enough to the posterior, no path of temperatures is needed.
        """
        began = time.monotonic()
        self.bar.stage("Looking for modes")
        looking.look(*self.pool.density_in_base(self.chart))
        if looking.modes is None or self._beta >= 1 or not self._leaves_a_batch():
            return
        proposal = about(looking.modes, self.chart, self.target)
        before = self.pool.last_efficiency()
        self._drawn(proposal, self.later_draws)
        efficiency = self.pool.last_efficiency()
        # As many draws as a fit of the posterior itself needs: with these, no path is needed.
        beta = next_temperature(self.pool, self.chart, 0.0, _HIT * len(self.chart.keys), from_above=True)
        if beta < 1:
            enough = self.pace.least_effective(len(self.chart.keys))
            beta = next_temperature(self.pool, self.chart, 0.0, enough, from_above=True)
        if beta > self._beta:
            self._beta = beta
        else:
            self.pool.leave_out_latest()
        if efficiency > before:
            self.proposal = proposal
        self._jumped = True
        self._note(self._beta, efficiency, began)

    def _leaves_a_batch(self, size: int = 0) -> bool:
        """Return whether a round and a final batch can be afforded after ``size`` further evaluations."""
        left = self.budget.evaluations_left(self.target) - size
        return self.budget.in_time() and left >= self.later_draws + self.n_effective + self._kept

    def _next_beta(self) -> float:
        """Return the inverse temperature of the next round."""
        enough = self.pace.least_effective(len(self.chart.keys))
        return next_temperature(self.pool, self.chart, self._beta, enough, self.from_search)

    def _round(self) -> Round:
        began = time.monotonic()
        beta = self._beta = self._next_beta()
        self.proposal = self._fits(self.pool, self.chart, beta, self._modes, self._wants_flow)
        wanted = self.later_draws
        if beta >= 1:
            before = sum(done.inverse_temperature >= 1 for done in self.rounds)
            wanted = self.pace.draws_at_posterior(len(self.target.keys), self.n_effective, before)
        # The fit takes time: if that ended the budget, the round has one draw.
        self._drawn(self.proposal, max(1, min(wanted, self.budget.evaluations_left(self.target))))
        return self._note(beta, self.pool.last_efficiency(), began)

    @property
    def _modes(self) -> Charted | None:
        """Parts that draw at the modes found by draws of the prior or by templates, if there are several."""
        density = (
            self.hills.density if self.hills is not None else self.looking.modes if self.looking is not None else None
        )
        if density is None or len(density.shares) < 2:
            return None
        return Charted(self.of_prior, {"modes": density.broadened(WIDTH)})

    @property
    def _wants_flow(self) -> bool:
        """True if a mixture of normals was not efficient enough at the posterior itself."""
        fitted = [done for done in self.rounds[1 + self._jumped :] if done.inverse_temperature >= 1]
        return bool(fitted) and max(done.efficiency for done in fitted) < _GOOD

    def _drawn(self, proposal: Mixture, size: int, go_on: Callable[[], bool] | None = None) -> WeightedDraws:
        """Draw a batch and add it to the pool; ``go_on``, or the budget, tells how long it may take."""
        self.bar.stage(f"Refinement, round {len(self.rounds) + 1}")
        weighted = self.target.draw(proposal, size, self.rng, self.bar.advance, go_on or self.budget.go_on)
        self.bar.drawn(weighted)
        self.pool.add(weighted, proposal)
        return weighted

    def _found_by_search(self) -> bool:
        """Run a local search, once, and draw a round from its result; return whether there was one."""
        if self._searched or self.chart is self.network:
            return False
        self._searched = True
        began = time.monotonic()
        before = self.target.meter.n_all
        self.bar.stage("Local search")
        climber = LocalSearch(self.target, self.chart, self.rng, self._leaves_a_batch, self.bar.advance)
        scanned = self.round_draws // (_SCANNED * len(self.target.keys))
        proposal = search(self.pool, climber, scanned)
        spent = self.target.meter.n_all - before
        logger.info(
            f"The refinement makes no progress: a local search from its best draws made {spent} likelihood evaluations "
            f"and found {'a narrow mode, or several' if proposal else 'nothing'}"
        )
        if proposal is None:
            return False
        self._drawn(proposal, min(self.later_draws, self.budget.evaluations_left(self.target)))
        # Small steps of the temperature have led nowhere; the search found the posterior itself.
        effective = self.pool.last_efficiency() * len(self.pool.batches[-1].draws)
        self._beta = 1.0 if effective >= _HIT * len(self.chart.keys) else self._next_beta()
        self._note(self._beta, self.pool.last_efficiency(), began)
        return True

    def _note(self, beta: float, efficiency: float, began: float) -> Round:
        done = Round(beta, efficiency, self.target.meter.n_all, round(time.monotonic() - began, 2))
        self.rounds.append(done)
        logger.info(
            f"Refinement round {len(self.rounds)}: inverse temperature {beta:.3g} (0 is the {self.started_from}, 1 the "
            f"posterior), efficiency {efficiency:.3g}, {self.target.meter.in_words} so far"
        )
        return done
