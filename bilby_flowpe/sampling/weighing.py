"""Importance weights of a proposal's draws, from the user's own likelihood and prior."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..chain.batch import Batch
from ..chain.meter import Meter
from ..chain.step import Step
from ..conditional.base import Conditional
from ..conditional.spot_check import draws_within, rows_to_compare
from ..likelihoods import LogLikelihood
from ..priors import Parameters, PriorTransform
from ..problem import Problem
from ..processes.parallel import CHUNK, Progress, make_rows
from ..proposals.mixture import Draws, Mixture
from ..proposals.parts import PRIOR
from ..thinning.rows import Thinning
from ..translation.translated import Translated
from .chain import steps_of
from .closed_form import ClosedFormRecord
from .weighted import WeightedDraws

_BLOCK, _TIMED_BLOCK = 20_000, 512  # rows weighed at once, which bounds the memory; fewer where time is limited
# Where time is limited a block is of the largest power of two of rows that takes no more seconds, of at least so many
# rows.
_BLOCK_SECONDS, _LEAST_BLOCK = 1.0, 16
_KEPT = 0.3  # share of the draws that are evaluated, before a first block has told


@dataclass(frozen=True)
class Target:
    """The posterior to be sampled: the user's likelihood and prior, and what is drawn in closed form.

    Attributes
    ----------
    translated
        The problem, in the form in which draws are made for it.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    conditional
        What is drawn from its exact conditional, given the proposal's parameters; nothing where it is ``None``.
    npool
        Processes.
    meter
        Counts evaluations.
    closed_form
        All comparisons of the closed form with the likelihood so far.
    raises
        Whether :meth:`draw` stops at the first batch in which the closed form fails.
    thinning
        For which draws the user's likelihood is evaluated, where the conditional's is a coarse one.
    steers
        Whether weights are those of the coarse likelihood, and the user's is never evaluated.
    """

    translated: Translated
    use_ratio: bool
    conditional: Conditional | None = None
    npool: int = 1
    meter: Meter = field(default_factory=Meter)
    closed_form: ClosedFormRecord = field(default_factory=ClosedFormRecord)
    raises: bool = False
    thinning: Thinning = field(default_factory=Thinning)
    steers: bool = False

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the weight, in their order."""
        return steps_of(self.translated, self.conditional, self.use_ratio, self.thinning, self.steers)

    @property
    def coarse(self) -> bool:
        """Whether draws are made with a coarse likelihood."""
        return self.conditional is not None and bool(self.conditional.keys) and not self.conditional.exact

    def steering(self) -> Target:
        """The same posterior by the coarse likelihood alone, for pilots, refinement and search; itself without one.

        Weights of the two must not be mixed.
        """
        return replace(self, steers=True) if self.coarse else self

    def thinned(self, thinning: Thinning) -> Target:
        """The same posterior, the user's likelihood being evaluated for the draws that are kept."""
        return replace(self, thinning=thinning)

    @property
    def problem(self) -> Problem:
        """The problem that draws are made for."""
        return self.translated.problem

    @property
    def prior(self) -> PriorTransform:
        """The prior that draws are made of."""
        return self.problem.prior

    @property
    def conditional_keys(self) -> tuple[str, ...]:
        """Parameters that are drawn in closed form."""
        return self.conditional.keys if self.conditional else ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Parameters that a proposal has to draw."""
        drawn = {key for step in self.steps for key in step.reference}
        return tuple(key for key in self.prior.keys if key not in drawn)

    @property
    def evaluations_each(self) -> int:
        """Evaluations that a draw costs, with the one that tells the value of a likelihood that integrates parameters out.

        With a coarse likelihood that is one of its own; those of the user's likelihood are for the draws kept:
        :attr:`evaluations_kept`.
        """
        return sum(step.evaluations for step in self.steps) + (0 if self.coarse else bool(self.translated.dropped))

    @property
    def evaluations_kept(self) -> int:
        """Evaluations that a draw costs which is kept, beside :attr:`evaluations_each`."""
        return 1 + bool(self.translated.dropped) if self.coarse else 0

    @property
    def may_be_partial(self) -> bool:
        """Whether rows can do without the user's likelihood: it is to tell nothing of them but a factor of their weight.

        Errors of the calibration are drawn with it, and of a likelihood that integrates parameters out it tells the value.
        """
        return self.coarse and not self.translated.calibration and not self.translated.dropped

    def draws_within(self, evaluations: int, from_prior: bool = False) -> int:
        """Return the largest batch that needs at most so many evaluations, its comparisons with the likelihood among them.

        With a coarse likelihood, of draws that are not kept.
        """
        draws = evaluations // self.evaluations_each
        return draws_within(draws, from_prior) if self.conditional_keys and not self.coarse else draws

    def draw(
        self,
        proposal: Mixture,
        size: int,
        rng: np.random.Generator,
        progress: Progress = None,
        go_on: Callable[[], bool] | None = None,
        checks: int | None = None,
    ) -> WeightedDraws:
        """``size`` draws with their weights, in blocks of bounded memory.

        Parameters
        ----------
        proposal
            What draws.
        size
            Number of draws.
        rng
            Generator of the draws, and of what is drawn conditionally.
        progress
            Title of the progress bar, or what is told the number of rows as they are done; nothing is shown when left out.
        go_on
            Asked before every block but the first: whether there is time for another.
        checks
            Rows at which the closed form is compared with the likelihood, where they are not the usual share of ``size``.

        Raises
        ------
        ClosedFormError
            If the closed form fails at one of them and :attr:`raises` is set.
        """
        blocks: list[WeightedDraws] = []
        parts = rng.permutation(np.repeat(range(len(proposal.names)), proposal.allot(size, rng)))
        from_prior = list(proposal.names) == [PRIOR]
        checks = rows_to_compare(size, from_prior) if checks is None else checks
        first, began, before = 0, time.monotonic(), self.meter.seconds_spent
        each = self.meter.seconds_each + (_KEPT * self.meter.seconds_asked if self.coarse and not self.steers else 0.0)
        while first < size and not (first and go_on is not None and not go_on()):
            count = min(_BLOCK if go_on is None else self._block_in_time(each), size - first)
            # As many rows are compared in many blocks as in one: they count as evaluations.
            compared = checks * (first + count) // size - checks * first // size
            title = f"{progress}, {first + count} of {size} draws" if isinstance(progress, str) else progress
            chosen = np.bincount(parts[first : first + count], minlength=len(proposal.names))
            blocks.append(self.weigh(proposal.draw_each(chosen, rng), rng, title, compared))
            first += count
            each = (time.monotonic() - began) / first
            of_asked = (self.meter.seconds_spent - before) / first if self.coarse else 0.0
            self.meter.seconds_each = each - of_asked
            self.closed_form.add(blocks[-1].compared, from_prior)
            if self.raises:
                self.closed_form.require(self.conditional_keys)
        return WeightedDraws.joined(blocks, allotted=first >= size)

    def _block_in_time(self, each: float) -> int:
        """Rows of a block that takes about a second at so many seconds each.

        A power of two, so that small differences in speed change nothing.
        """
        least = _LEAST_BLOCK if self.npool == 1 else min(CHUNK * self.npool, _TIMED_BLOCK)
        if each <= 0:
            return least
        rows = _BLOCK_SECONDS / each
        return int(np.clip(2 ** np.floor(np.log2(max(rows, 1.0))), least, _TIMED_BLOCK))

    def weigh(
        self, draws: Draws, rng: np.random.Generator, progress: Progress = None, checks: int | None = None
    ) -> WeightedDraws:
        r"""Weigh draws: :math:`\log w = \log \pi(x) + \log e(z | x) - \log q(x, z) + \sum_s \Delta_s`.

        The first terms are of what the proposal drew, with the latent variables z of a network that has some; each of the
        :attr:`steps` draws parameters given those that are there, or replaces one factor of the posterior by another
        (:mod:`bilby_flowpe.chain`).

        Parameters
        ----------
        draws
            What was drawn.
        rng
            Generator of what the steps draw.
        progress
            Title of the progress bar, or what is told the number of rows as they are done; nothing is shown when left out.
        checks
            Rows for which the closed form of the conditionals is compared with the user's own likelihood; the usual share
            when left out.
        """
        before = self.meter.n_likelihood
        reference = {key: value for step in self.steps for key, value in step.reference.items()}
        batch = Batch.of(draws, self.prior, reference, rows_to_compare(len(draws)) if checks is None else checks)
        for step in self.steps:
            chosen = step.choose(batch, rng)
            rows = step.rows(batch, chosen, rng)
            values, good = self.meter.evaluate(step.task, rows, self.npool, progress, step.coarse)
            batch.add(chosen, step.take(batch, chosen, values, good, rng))
            progress = None
        self.meter.n_nan += batch.n_nan
        return WeightedDraws.of(batch, self.meter.n_likelihood - before)

    def asked(self, weighted: WeightedDraws) -> tuple[Parameters, np.ndarray, np.ndarray]:
        """What was asked for: parameters, log likelihood and log prior, (N,) each.

        A likelihood that integrates parameters out is evaluated for this, at every draw of non-zero weight.
        """
        translated = self.translated
        parameters = translated.reported(weighted.columns)
        log_prior = translated.log_prior(weighted.columns, weighted.log_prior)
        log_likelihood = weighted.log_likelihood
        if translated.dropped:
            alive = np.flatnonzero(np.isfinite(weighted.log_weights))
            rows = make_rows(translated.fixed, {key: value[alive] for key, value in parameters.items()})
            values, good = self.meter.evaluate(LogLikelihood(translated.given, self.use_ratio), rows, self.npool)
            log_likelihood = np.full(len(weighted.log_weights), -np.inf)
            if good.any():
                log_likelihood[alive[good]] = values[:, 0]
        return parameters, log_likelihood, log_prior
