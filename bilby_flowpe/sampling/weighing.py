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

# rows weighed at once, which bounds the memory, and the largest number if time is limited
_BLOCK, _TIMED_BLOCK = 20_000, 512
# Seconds and least number of rows of a block if time is limited; the number of rows is then a power of two.
_BLOCK_SECONDS, _LEAST_BLOCK = 1.0, 16
_KEPT = 0.3  # share of the draws that is evaluated, assumed before a first block has measured it


@dataclass(frozen=True)
class Target:
    """The posterior to be sampled: the user's likelihood and prior, and the parameters that are drawn in closed form.

    Attributes
    ----------
    translated
        The problem in the form that is used for drawing.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    conditional
        Draws parameters from their exact conditional, given the proposal's parameters; ``None`` for none.
    npool
        Number of processes.
    meter
        Counter of evaluations.
    closed_form
        Results of all comparisons of the closed form with the likelihood.
    raises
        Whether :meth:`draw` stops at the first batch in which the closed form fails.
    thinning
        Draws for which the user's likelihood is evaluated, if the conditional's likelihood is a coarse one.
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
        """True if draws are made with a coarse likelihood."""
        return self.conditional is not None and bool(self.conditional.keys) and not self.conditional.exact

    def steering(self) -> Target:
        """Return the same posterior by the coarse likelihood only, for pilots, refinement and search; itself if there is none.

        Weights of the two must not be mixed.
        """
        return replace(self, steers=True) if self.coarse else self

    def thinned(self, thinning: Thinning) -> Target:
        """Return the same posterior with another choice of the draws for which the user's likelihood is evaluated."""
        return replace(self, thinning=thinning)

    @property
    def problem(self) -> Problem:
        """The problem in the form that is used for drawing."""
        return self.translated.problem

    @property
    def prior(self) -> PriorTransform:
        """The prior that is used for drawing."""
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
        """Evaluations for each draw, with the one that a likelihood needs for its value if it integrates parameters out.

        With a coarse likelihood, this is one coarse evaluation; those of the user's likelihood are for kept draws only:
        :attr:`evaluations_kept`.
        """
        return sum(step.evaluations for step in self.steps) + (0 if self.coarse else bool(self.translated.dropped))

    @property
    def evaluations_kept(self) -> int:
        """Evaluations of the user's likelihood for a draw that is kept, in addition to :attr:`evaluations_each`."""
        return 1 + bool(self.translated.dropped) if self.coarse else 0

    @property
    def may_be_partial(self) -> bool:
        """True if rows can be used without the user's likelihood, which then affects only a factor of their weight.

        This is not so if calibration errors are drawn with it, or if it integrates parameters out and has to be
        reported.
        """
        return self.coarse and not self.translated.calibration and not self.translated.dropped

    def draws_within(self, evaluations: int, from_prior: bool = False) -> int:
        """Return the largest batch that needs at most ``evaluations``, comparisons with the likelihood included.

        With a coarse likelihood, these are draws that are not kept.
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
        """Draw ``size`` samples with their weights, in blocks of bounded memory.

        Parameters
        ----------
        proposal
            Proposal.
        size
            Number of draws.
        rng
            Random generator of the draws, and of conditional draws.
        progress
            Title of a progress bar, or a function that is called with the number of rows as they finish; nothing is
            shown by default.
        go_on
            Function that is asked before every block but the first whether there is time for another.
        checks
            Number of rows at which the closed form is compared with the likelihood, if not the usual share of ``size``.

        Raises
        ------
        ClosedFormError
            If the closed form fails at one of these rows and :attr:`raises` is set.
        """
        blocks: list[WeightedDraws] = []
        parts = rng.permutation(np.repeat(range(len(proposal.names)), proposal.allot(size, rng)))
        from_prior = list(proposal.names) == [PRIOR]
        checks = rows_to_compare(size, from_prior) if checks is None else checks
        first, began, before = 0, time.monotonic(), self.meter.seconds_spent
        each = self.meter.seconds_each + (_KEPT * self.meter.seconds_asked if self.coarse and not self.steers else 0.0)
        while first < size and not (first and go_on is not None and not go_on()):
            count = min(_BLOCK if go_on is None else self._block_in_time(each), size - first)
            # As many rows are compared in many blocks as in one, because comparisons count as evaluations.
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
        """Return the number of rows in a block that takes about a second at ``each`` seconds for a row.

        It is a power of two, so that small differences in speed change nothing.
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

        The first terms are those of the parameters that the proposal drew, with latent variables z if a network has
        some. Each of the :attr:`steps` draws parameters given those already there, or replaces one factor of the
        posterior by another (:mod:`bilby_flowpe.chain`).

        Parameters
        ----------
        draws
            Draws of the proposal.
        rng
            Random generator of the steps.
        progress
            Title of a progress bar, or a function that is called with the number of rows as they finish; nothing is
            shown by default.
        checks
            Number of rows at which the closed form of the conditionals is compared with the user's own likelihood; the
            usual share by default.
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
        """Return the user's parameters, log likelihood and log prior, (N,) each.

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
