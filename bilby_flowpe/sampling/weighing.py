"""Importance weights of a proposal's draws, from the user's own likelihood and prior."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from bilby.core.likelihood import Likelihood

from ..conditional.base import Conditional, ConditionalConfig, ExactConditional
from ..importance import WeightSummary, summarise
from ..priors import Parameters, PriorTransform
from ..processes.parallel import CHUNK, Progress, Row, evaluate, make_rows
from ..proposals.mixture import Draws, Mixture, concatenate, posterior_shares
from ..proposals.parts import PRIOR
from ..likelihoods import LogLikelihood
from ..translation.problem import Unchanged
from .closed_form import ClosedFormRecord, Comparison, agrees, compare, joined, rows_to_compare, spread_where_likely

_FAILED = -1e300
_DEFENSIVE = 0.05  # share of distances from their prior, where the likelihood drawn with is not the one asked for
_BLOCK, _TIMED_BLOCK = 20_000, 512
# Where time is limited a block is of the largest power of two of rows that takes no more seconds, of at least so many rows.
_BLOCK_SECONDS, _LEAST_BLOCK = 1.0, 16
_LOOKED_AT = 8  # rows without inner products whose own likelihood is asked for: is it zero, or not a number?


@dataclass(frozen=True)
class WeightedDraws:
    """Draws with everything known of them.

    Attributes
    ----------
    draws
        The proposal's own.
    parameters
        All search parameters, (N,) each.
    log_weights
        Logarithm of prior times likelihood over proposal, -inf for a row outside the prior, (N,).
    log_likelihood, log_prior
        Of each row, in the units that the user asked for, (N,).
    n_likelihood
        Likelihood evaluations spent.
    n_outside
        Rows outside the prior.
    compared
        Log likelihoods from the conditionals' closed form and the user's own, compared at some rows.
    extra
        Parameters that the proposal does not know, drawn given all others, (N,) each.
    log_extra
        Log prior of these over the density they were drawn from, (N,); it is in the weights.
    allotted
        Whether the numbers of draws from the proposal's parts were fixed beforehand, and all of them made.
    """

    draws: Draws
    parameters: Parameters
    log_weights: np.ndarray
    log_likelihood: np.ndarray
    log_prior: np.ndarray
    n_likelihood: int
    n_outside: int
    compared: Comparison
    extra: Parameters = field(default_factory=dict)
    log_extra: np.ndarray | float = 0.0
    allotted: bool = True

    def summary(self) -> WeightSummary:
        """What the weights say."""
        return summarise(self.log_weights, self.draws.part if self.allotted else None)

    @property
    def spot_difference(self) -> float:
        """Largest scaled difference of the closed form from the user's likelihood; 0 if there was nothing to compare."""
        return self.compared.largest

    @property
    def spot_check_failed(self) -> bool:
        """Whether the closed form disagrees with the user's likelihood."""
        return not agrees(self.spot_difference)

    @property
    def log_target(self) -> np.ndarray:
        """Logarithm of prior times likelihood in the proposal's parameters, times the encoder's density, (N,).

        Where parameters were drawn conditionally it is an estimate of their average, exact but for the conditional's grid.
        """
        alive = np.isfinite(self.log_weights)
        return np.where(alive, self.log_weights + np.where(alive, self.draws.log_q, 0.0), -np.inf)

    def shares(self, names: Sequence[str]) -> dict[str, float]:
        """Share of the posterior that falls to each part of the proposal."""
        return posterior_shares(self.draws, self.log_weights, names)


@dataclass
class Target:
    """The posterior to be sampled: the user's likelihood and prior.

    Attributes
    ----------
    likelihood, transform
        The user's.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    conditional
        What is drawn from its exact conditional, given the proposal's parameters.
    npool
        Processes.
    translation
        From the problem that the user asked for, where ``likelihood`` and ``transform`` are another form of it.
    n_likelihood
        Likelihood evaluations so far.
    n_nan
        Of these, how many gave no number.
    seconds_each
        Seconds that a draw took in the latest batch, its likelihood and what is drawn conditionally included; 0 before any.
    closed_form
        All comparisons of the closed form with the likelihood so far.
    raises
        Whether :meth:`draw` stops at the first batch in which the closed form fails.
    """

    likelihood: Likelihood
    transform: PriorTransform
    use_ratio: bool
    conditional: Conditional = field(default=None)  # type: ignore[assignment]  # nothing conditional, when left out
    npool: int = 1
    translation: Unchanged = field(default=None)  # type: ignore[assignment]  # the identity, when left out
    n_likelihood: int = 0
    n_nan: int = 0
    closed_form: ClosedFormRecord = field(default_factory=ClosedFormRecord)
    raises: bool = False
    seconds_each: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.conditional is None:
            self.conditional = ExactConditional(ConditionalConfig(), self.transform)
        if self.translation is None:
            self.translation = Unchanged(self.likelihood, self.transform)
        if self.translation.corrects:
            self.conditional.defend(_DEFENSIVE)

    @property
    def keys(self) -> tuple[str, ...]:
        """Parameters that a proposal has to draw."""
        return tuple(key for key in self.transform.keys if key not in self.conditional.keys)

    def draw(
        self,
        proposal: Mixture,
        size: int,
        generator: torch.Generator,
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
        generator, rng
            Generators of the draws, and of what is drawn conditionally.
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
        first, began = 0, time.monotonic()
        while first < size and not (first and go_on is not None and not go_on()):
            count = min(_BLOCK if go_on is None else self._block_in_time(), size - first)
            # As many rows are compared in many blocks as in one: they count as evaluations.
            compared = checks * (first + count) // size - checks * first // size
            title = f"{progress}, {first + count} of {size} draws" if isinstance(progress, str) else progress
            chosen = np.bincount(parts[first : first + count], minlength=len(proposal.names))
            blocks.append(self.weigh(proposal.draw_each(chosen, generator, rng), rng, title, compared))
            first += count
            self.seconds_each = (time.monotonic() - began) / first
            self.closed_form.add(blocks[-1].compared, from_prior)
            if self.raises:
                self.closed_form.require(self.conditional.keys)
        return WeightedDraws(
            draws=concatenate([block.draws for block in blocks]),
            parameters={
                key: np.concatenate([block.parameters[key] for block in blocks]) for key in self.transform.keys
            },
            log_weights=np.concatenate([block.log_weights for block in blocks]),
            log_likelihood=np.concatenate([block.log_likelihood for block in blocks]),
            log_prior=np.concatenate([block.log_prior for block in blocks]),
            n_likelihood=sum(block.n_likelihood for block in blocks),
            n_outside=sum(block.n_outside for block in blocks),
            compared=joined([block.compared for block in blocks]),
            extra={key: np.concatenate([block.extra[key] for block in blocks]) for key in blocks[0].extra},
            log_extra=np.concatenate([block.log_extra for block in blocks]),
            allotted=first >= size,
        )

    def _block_in_time(self) -> int:
        """Rows of a block that takes about a second; a power of two, so that small differences in speed change nothing."""
        least = _LEAST_BLOCK if self.npool == 1 else min(CHUNK * self.npool, _TIMED_BLOCK)
        if self.seconds_each <= 0:
            return least
        rows = _BLOCK_SECONDS / self.seconds_each
        return int(np.clip(2 ** np.floor(np.log2(max(rows, 1.0))), least, _TIMED_BLOCK))

    def weigh(
        self,
        draws: Draws,
        rng: np.random.Generator,
        progress: Progress = None,
        spot_checks: int | None = None,
    ) -> WeightedDraws:
        """Weigh draws.

        With parameters drawn from their exact conditional (:mod:`.conditional`), ``x = (rest, c)`` and ``q(x) = q(rest)
        q(c | rest, d)``: the weight is the prior of the rest over ``q(rest)``, times prior and likelihood of ``c`` over
        ``q(c | rest, d)``. With latent variables the rest are pairs (:mod:`.latents`).

        Parameters
        ----------
        draws
            What was drawn.
        rng
            Generator of what is drawn conditionally.
        progress
            Title of the progress bar, or what is told the number of rows as they are done; nothing is shown when left out.
        spot_checks
            Rows for which the closed form of the conditionals is held against the user's own likelihood; the usual share
            when left out.
        """
        size = len(draws)
        spot_checks = rows_to_compare(size) if spot_checks is None else spot_checks
        likelihood, transform, conditional = self.likelihood, self.transform, self.conditional
        # Latent variables are no parameters of the user's.
        own = {key: value.copy() for key, value in draws.parameters.items() if key in transform.keys}
        parameters = own | {key: np.full(size, value) for key, value in conditional.reference.items()}
        # What the prior forbids needs no likelihood.
        of_rest = np.where(draws.inside, transform.log_prob(parameters, tuple(own)), -np.inf)
        inside = np.flatnonzero(of_rest > -np.inf)
        rows = self.rows({key: value[inside] for key, value in parameters.items()})
        log_likelihood = np.full(size, -np.inf)
        log_weights = np.full(size, -np.inf)
        compared = Comparison()
        extra = {key: np.full(size, value) for key, value in self.translation.middle_of_extra.items()}
        log_extra = np.zeros(size)
        if conditional.keys:
            task, task_rows = conditional.task(likelihood), conditional.task_rows(rows, rng)
        else:
            task, task_rows = self.translation.task(self.use_ratio), self._asked_rows(parameters, inside, rng)
        values, good = evaluate(task, task_rows, self.npool, progress)
        alive = inside[good]
        failed = [rows[i] for i in np.flatnonzero(~good)]
        looked_at = failed[: min(_LOOKED_AT, (spot_checks + 1) // 2)] if conditional.keys else []
        self.n_nan += self._no_numbers(looked_at, len(failed)) if conditional.keys else len(failed)
        if conditional.keys and len(alive):
            drawn = conditional.draw(values, rng)
            for key, column in drawn.parameters.items():
                parameters[key][alive] = column
            noise = 0.0 if self.use_ratio else float(likelihood.noise_log_likelihood())
            log_likelihood[alive] = drawn.log_likelihood_ratio + noise
            log_weights[alive] = drawn.log_ratio + noise
            by_weight = drawn.log_ratio + of_rest[alive] + draws.log_encoder[alive] - draws.log_q[alive]
            picked = [rows[i] for i in np.flatnonzero(good)]
            compared = compare(likelihood, picked, drawn, by_weight, spot_checks - len(looked_at), self.npool)
        elif len(alive):
            log_likelihood[alive] = values[:, 0]
            _take_extra(values, alive, extra, log_extra)
            log_weights[alive] = values[:, 0] + log_extra[alive]
        log_prior = np.where(draws.inside, transform.log_prob(parameters), -np.inf)
        ratio = self.translation.log_prior_ratio(parameters)
        log_prior, log_weights = log_prior + ratio, log_weights + ratio
        corrected = correction = np.empty(0)
        if self.translation.corrects and conditional.keys:
            corrected, correction = self._correct(parameters, extra, log_extra, log_likelihood, log_weights, rng)
        weighty = log_weights > _FAILED
        log_weights[weighty] += of_rest[weighty] + draws.log_encoder[weighty] - draws.log_q[weighty]
        if len(corrected):
            compared = replace(compared, spread=spread_where_likely(correction, log_weights[corrected]))
        spent = len(rows) + len(looked_at) + compared.n_rows + len(corrected)
        self.n_likelihood += spent
        return WeightedDraws(
            draws=draws,
            parameters={key: parameters[key] for key in transform.keys},
            log_weights=np.where(weighty, log_weights, -np.inf),
            log_likelihood=log_likelihood,
            log_prior=log_prior,
            n_likelihood=spent,
            n_outside=int(np.sum(~np.isfinite(log_prior))),
            compared=compared,
            extra=extra,
            log_extra=log_extra,
        )

    def asked(self, weighted: WeightedDraws) -> tuple[Parameters, np.ndarray, np.ndarray]:
        """What was asked for: parameters, log likelihood and log prior, (N,) each.

        A likelihood that integrates parameters out is evaluated for this, at every draw of non-zero weight.
        """
        translation = self.translation
        parameters = translation.reported(weighted.parameters, weighted.extra)
        log_prior = translation.log_prior(weighted.parameters, weighted.extra, weighted.log_prior)
        log_likelihood = weighted.log_likelihood
        if translation.dropped:
            alive = np.flatnonzero(np.isfinite(weighted.log_weights))
            rows = make_rows(translation.fixed, {key: value[alive] for key, value in parameters.items()})
            values, good = evaluate(LogLikelihood(translation.given, self.use_ratio), rows, self.npool)
            self.n_likelihood += len(rows)
            log_likelihood = np.full(len(weighted.log_weights), -np.inf)
            if good.any():
                log_likelihood[alive[good]] = values[:, 0]
        return parameters, log_likelihood, log_prior

    def _asked_rows(self, parameters: Parameters, picked: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        if not len(picked):
            return []
        return self.translation.task_rows({key: value[picked] for key, value in parameters.items()}, rng)

    def _correct(
        self,
        parameters: Parameters,
        extra: Parameters,
        log_extra: np.ndarray,
        log_likelihood: np.ndarray,
        log_weights: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Replace the likelihood drawn with by the one asked for, in place.

        Returns
        -------
        rows, correction
            Numbers of the rows changed, and what was added to their log weights.
        """
        alive = np.flatnonzero(log_weights > _FAILED)
        task, rows = self.translation.task(self.use_ratio), self._asked_rows(parameters, alive, rng)
        asked = np.full(len(alive), -np.inf)
        if len(alive):
            values, good = evaluate(task, rows, self.npool)
            if good.any():
                asked[good] = values[:, 0]
                _take_extra(values, alive[good], extra, log_extra)
            self.n_nan += int(np.sum(~good))
        correction = asked - log_likelihood[alive] + log_extra[alive]
        log_weights[alive] += correction
        log_likelihood[alive] = asked
        return alive, correction

    def _no_numbers(self, looked_at: list[Row], failed: int) -> int:
        """How many of the rows without inner products have a likelihood that is no number, from a few of them.

        Where the waveform alone fails it is zero.
        """
        nan = sum(np.isnan(float(self.likelihood.log_likelihood_ratio(row))) for row in looked_at)
        return round(failed * nan / len(looked_at)) if looked_at else 0

    def rows(self, parameters: Parameters) -> list[Row]:
        """One dictionary a draw, fixed parameters included: what Bilby's own functions take."""
        return make_rows(self.transform.fixed, parameters)


def _take_extra(values: np.ndarray, alive: np.ndarray, extra: Parameters, log_extra: np.ndarray) -> None:
    """What a task drew beside the likelihood, (M, 1 or 2 + n), in place."""
    if extra:
        log_extra[alive] = values[:, 1]
    for column, key in enumerate(extra):
        extra[key][alive] = values[:, 2 + column]
