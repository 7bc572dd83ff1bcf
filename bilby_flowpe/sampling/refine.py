r"""Refinement: a proposal for one event, made better round by round from its own weighted draws.

From a start :math:`b(x)` (a network, or the prior) to the posterior :math:`p(x) \propto \pi(x) L(x)` leads a path
:math:`b^{1 - \beta} p^\beta`. In every round the inverse temperature :math:`\beta` rises as far as the draws made so far allow,
a small flow (:mod:`.event_flow`) is fitted to all of these, weighted for that :math:`\beta`, and draws the next round.
All draws of all rounds count, weighted by the mixture that they were drawn from,

.. math:: w_i = \frac{b(x_i)^{1 - \beta} \, p(x_i)^\beta}{\sum_r (N_r / N) \, q_r(x_i)} .

These weights train and steer only. Evidence and posterior come from a fresh batch of the last proposal, whose shares are
fixed before it is drawn.
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
"""What :attr:`Refinement.started_from` says of one."""

_GOOD = 0.3  # efficiency at which rounds end
_PROGRESS = 1.15  # factor by which the efficiency has to rise
_MOST_ROUNDS = 60
# Rounds in which the inverse temperature rises by less than this factor, or the efficiency does not rise, stand still: a local
# search is made, and if there was one the refinement ends.
_STANDSTILL, _RISE = 3, 1.25
_HIT = 20.0  # effective draws for each dimension with which a search has hit the posterior
_NEARLY = 10.0  # the same of a first round about a search, which has draws of the prior beside those
_SCANNED = 4  # a search scans one parameter in a round's draws over this and the number of parameters


class Refinement:
    """Rounds of one event; :attr:`proposal` is the latest proposal.

    Parameters
    ----------
    target
        The posterior.
    network
        A network without latent variables that is bound to the event's data, if there is one.
    n_effective
        Effective draws that the fresh batch should have.
    budget
        What may be spent.
    rng
        Generator.
    bar
        Shows the rounds; none is shown when left out.
    searched
        Rows of a search, about the best of which half of the first round is drawn; all of it is from the prior when left out.
    near
        A network without latent variables, in the coordinates of which the rounds are made in the place of those of a search.
    hills
        Of the search's statistic, where they are known already.

    Attributes
    ----------
    nothing
        Whether no draw at all had a likelihood above zero.
    pace
        How it goes on.
    round_draws, later_draws
        Draws of the first round and of a later one.
    from_search
        Whether the first round is drawn about the best rows of a search, too.
    prior_draws
        Draws from the prior that the first round has made.
    start
        What a search has found, where there was one.
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
        """What the path to the posterior starts from."""
        if self.start is not None and self.start.path is not None:
            return NETWORK if self._near else "density that is adapted to the search"
        return NETWORK if self.chart is self.network else "prior"

    @property
    def has_flow(self) -> bool:
        """Whether there is a proposal of the event's own."""
        return self._fits.made

    @property
    def least_evaluations(self) -> int:
        """Likelihood evaluations below which it is not worth while: a few rounds and a batch."""
        return int(self.round_draws + 3 * self.later_draws + self.n_effective + self._kept)

    def add(self, weighted: WeightedDraws, proposal: Mixture) -> None:
        """Let draws made elsewhere count."""
        self.pool.add(weighted, proposal)

    def run(self) -> bool:
        """Rounds until the proposal will do; whether it does, or the budget ended first."""
        if not self.rounds:
            self._first_round()
            if not self.rounds or not np.isfinite(self.pool.log_target).any():
                self.nothing = bool(self.rounds)
                return False
            # A first round about a search, or about modes, has no density fitted to it yet.
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
                        "local search: the posterior is narrower, or in more pieces, than its draws can find"
                    )
                    return False
                path = [self._beta]
                continue
            settled += 1
            stalled = 0 if done.efficiency > _PROGRESS * best else stalled + 1
            best = max(best, done.efficiency)
            # From the prior, small modes have come down the path with a handful of draws: more rounds bring them their share.
            enough = 1 if self._near or self.chart is self.network else self.pace.settling
            sound = stalled >= _STANDSTILL or not self.pace.judges or self._sound()
            if settled >= enough and sound and self._will_do(done, stalled >= self.pace.patience):
                return True
            if stalled >= _STANDSTILL and best < TRUSTED and self._found_by_search():
                stalled = 0
            if stalled >= 6:
                self._stalled = (
                    f"reaches an efficiency of {best:.3g} and no more, too low for n_effective={self.n_effective} within the "
                    "budget: raise it, or ask for fewer"
                )
                return False
        self._stalled = f"reaches an efficiency of {best:.3g} in {len(self.rounds)} rounds"
        return False

    @property
    def unfinished(self) -> str:
        """Why the proposal did not become good enough, in words."""
        if self.nothing:
            return (
                f"none of {self.prior_draws} draws from the prior has a likelihood above zero: narrow the prior to where "
                "there is one"
            )
        if self._stalled:
            return f"the refinement {self._stalled}"
        return self.budget.spent(self.target)

    def _will_do(self, done: Round, stalled: bool) -> bool:
        """Whether a fresh batch of the last proposal is affordable, and further rounds would hardly pay."""
        needed = 1.2 * self.n_effective / max(done.efficiency, 1e-12)
        if needed + self._kept > self.budget.evaluations_left(self.target):
            return False
        return stalled or done.efficiency >= _GOOD or needed <= self.round_draws

    @property
    def _kept(self) -> float:
        """Evaluations of the user's likelihood that a fresh batch by a coarse one takes."""
        return 1.2 * self.n_effective * self.target.evaluations_kept

    @property
    def log_weights(self) -> np.ndarray:
        """Log weights that tell how large the batch that counts has to be, (N,); see :meth:`.pool.Pool.latest_log_weights`."""
        return self.pool.latest_log_weights([done.inverse_temperature < 1 for done in self.rounds])

    def _sound(self) -> bool:
        """Whether the tail of the latest weights is such that a batch of the kind will not be sent back."""
        return judge(summarise(self.log_weights), n_effective=1).grade == "reliable"

    def draws_for(self, n_effective: int) -> int:
        """Size of the fresh batch, from the last round's efficiency."""
        if self.nothing:
            return min(1, self.budget.evaluations_left(self.target))
        efficiency = max(self.rounds[-1].efficiency, 1e-12) if self.rounds else 1.0
        return int(min(np.ceil(1.2 * n_effective / efficiency), self.budget.evaluations_left(self.target)))

    def statistics(self) -> dict[str, Any]:
        """Plain values, for the result; the rounds by column, for Bilby's HDF5 files take no list of dictionaries."""
        rounds = [done.to_dict() for done in self.rounds]
        columns = {key: [done[key] for done in rounds] for key in (rounds[0] if rounds else {})}
        return {"start": self.started_from, "rounds": columns}

    def _first_round(self) -> None:
        """Draws from the prior, and the choice of where the path starts."""
        began = time.monotonic()
        # Of a budget or a time that ends here half is for the batch that counts.
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
            # The posterior itself was hit: there are fewer draws between it and where a path would begin than at its end.
            self._beta = 1.0
        self._note(self._beta, self.pool.last_efficiency(), began)
        if self.looking is not None:
            self._look(self.looking)

    def _look(self, looking: Looking) -> None:
        """Look for modes among the first round's draws, and draw a round about them.

        Where their normal densities are near enough to the posterior, no path of temperatures is needed.
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
        # As many as do for a fit of the posterior itself: where these are there, no path is needed.
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
        """Whether a round and a fresh batch can be afforded after so many evaluations."""
        left = self.budget.evaluations_left(self.target) - size
        return self.budget.in_time() and left >= self.later_draws + self.n_effective + self._kept

    def _next_beta(self) -> float:
        """The inverse temperature of the next round."""
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
        # The fit takes time: where that ended the budget, one draw makes the round.
        self._drawn(self.proposal, max(1, min(wanted, self.budget.evaluations_left(self.target))))
        return self._note(beta, self.pool.last_efficiency(), began)

    @property
    def _modes(self) -> Charted | None:
        """Several modes that were found, by draws of the prior or by templates, as what draws them."""
        density = (
            self.hills.density if self.hills is not None else self.looking.modes if self.looking is not None else None
        )
        if density is None or len(density.shares) < 2:
            return None
        return Charted(self.of_prior, {"modes": density.broadened(WIDTH)})

    @property
    def _wants_flow(self) -> bool:
        """Whether a mixture of normals was not efficient enough at the posterior itself."""
        fitted = [done for done in self.rounds[1 + self._jumped :] if done.inverse_temperature >= 1]
        return bool(fitted) and max(done.efficiency for done in fitted) < _GOOD

    def _drawn(self, proposal: Mixture, size: int, go_on: Callable[[], bool] | None = None) -> WeightedDraws:
        """A batch, which then counts; the budget says how long it may take where ``go_on`` does not."""
        self.bar.stage(f"Refinement, round {len(self.rounds) + 1}")
        weighted = self.target.draw(proposal, size, self.rng, self.bar.advance, go_on or self.budget.go_on)
        self.bar.drawn(weighted)
        self.pool.add(weighted, proposal)
        return weighted

    def _found_by_search(self) -> bool:
        """A round of what a local search finds, once; whether there was one."""
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
            f"The refinement gains nothing: a local search from its best draws has made {spent} likelihood evaluations "
            f"and found {'a narrow mode, or several' if proposal else 'nothing'}"
        )
        if proposal is None:
            return False
        self._drawn(proposal, min(self.later_draws, self.budget.evaluations_left(self.target)))
        # Small steps of the temperature have led nowhere; what was hit is the posterior itself.
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
