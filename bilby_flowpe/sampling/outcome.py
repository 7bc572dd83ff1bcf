"""What a run came to: a batch of weighted draws, its equal-weight rows and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..importance import WeightSummary, equal_weight_rows, normalised_weights
from ..kinds.recognise import gaussian_curves, power_left, tells_power
from ..noise_scale import NoiseScale
from ..processes.parallel import Row
from ..proposals.mixture import Mixture
from ..proposals.parts import PRIOR
from ..surprise import RESIDUAL, Surprise, without_simulations
from ..verdict import Findings, Thresholds, Verdict, judge
from ..verdict.completeness import Completeness
from ..verdict.partial import Partial
from .partial import partial_of
from .refine import Refinement
from .start import Searched
from .weighing import Target
from .weighted import WeightedDraws

if TYPE_CHECKING:
    from ..bound import BoundPosterior


@dataclass(frozen=True)
class KnownOfData:
    """What a model tells of the data before anything is drawn.

    Attributes
    ----------
    found
        Log likelihood ratio of the best signal that a search found in the data, if there was one.
    searched
        Rows that a search has tried, where there was one.
    surprise
        Says how unlike the simulations the data are, given what power the best draw leaves in them; by that power alone when
        left out (:meth:`bilby_flowpe.bound.BoundPosterior.surprise`).
    """

    found: float | None = None
    searched: Searched | None = None
    surprise: Callable[[float | None], Surprise | None] | None = None

    @classmethod
    def by(cls, bound: BoundPosterior | None) -> KnownOfData:
        """What a model bound to the data tells; nothing without a model."""
        return cls() if bound is None else cls(bound.log_likelihood_found, surprise=bound.surprise)


@dataclass(frozen=True)
class FreshBatch:
    """A fresh batch of draws, and how its proposal came about.

    Attributes
    ----------
    weighted
        The draws.
    proposal
        What drew them.
    pilot
        Summary of the pilot batch, which tells how efficient a network is, if there is one.
    refinement
        The refinement, if there was one.
    unfinished
        Why the proposal did not become good enough, in words.
    unreached
        Share of the prior that the network cannot reach, where it is relied on.
    completeness
        How modes were looked for, where no network knows the posterior.
    moved
        How often the reference of a coarse likelihood has moved.
    """

    weighted: WeightedDraws
    proposal: Mixture
    pilot: WeightSummary | None = None
    refinement: Refinement | None = None
    unfinished: str | None = None
    unreached: float | None = None
    completeness: Completeness | None = None
    moved: int = 0

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the draws of non-zero weight."""
        return np.flatnonzero(np.isfinite(self.weighted.log_weights))


@dataclass(frozen=True)
class Outcome:
    """Weighted draws and what is known of them.

    Attributes
    ----------
    batch
        The draws that the result is made of, and how their proposal came about.
    summary
        Summary of their weights.
    rows
        Numbers of the equal-weight rows.
    verdict
        The verdict.
    surprise
        How unlike those simulated the data are, where that could be told.
    partial
        What rows lack that are not evaluated, where there are such.
    noise_scales
        How far the noise of each detector is from its curve in the band of the signal, where that can be told.
    """

    batch: FreshBatch
    summary: WeightSummary
    rows: np.ndarray
    verdict: Verdict
    surprise: Surprise | None = None
    partial: Partial | None = None
    noise_scales: Mapping[str, NoiseScale] = field(default_factory=dict)

    @property
    def weighted(self) -> WeightedDraws:
        """The draws that the result is made of."""
        return self.batch.weighted

    @property
    def proposal(self) -> Mixture:
        """What drew them."""
        return self.batch.proposal

    @property
    def refinement(self) -> Refinement | None:
        """The refinement, if there was one."""
        return self.batch.refinement


def judged(
    batch: FreshBatch,
    target: Target,
    n_effective: int,
    n_posterior: int,
    rng: np.random.Generator,
    known: KnownOfData | None = None,
) -> Outcome:
    """Draw the equal-weight rows of a batch and grade it.

    Parameters
    ----------
    batch
        The batch.
    target
        What was sampled.
    n_effective, n_posterior
        Effective draws wanted, and most equal-weight rows.
    rng
        Generator of the rows.
    known
        What is known of the data beforehand.
    """
    known = known or KnownOfData()
    weighted, names = batch.weighted, batch.proposal.names
    summary = weighted.summary()
    rows, available = equal_weight_rows(weighted.log_weights, n_posterior, rng)
    best = _best(weighted, target)
    surprise = _surprise(batch, target, summary, best, known)
    scales = _noise_scales(batch, target, summary)
    thinned = weighted.thinned
    findings = Findings(
        n_posterior=available,
        outside=weighted.n_outside / len(weighted.log_weights),
        # A prior that is the whole proposal disagrees with nothing.
        prior_part=weighted.shares(names).get(PRIOR) if len(names) > 1 else None,
        missing_log_likelihood=None if known.found is None else known.found - best,
        unfinished=batch.unfinished,
        unreached=batch.unreached,
        closed_form_difference=target.closed_form.largest if target.closed_form.failed else None,
        nan_share=thinned.nan_share if thinned else target.meter.n_nan / max(target.meter.n_likelihood, 1),
        outermost=_outermost(batch, target),
        completeness=batch.completeness,
        compared=target.closed_form.n_prior_rows if target.conditional_keys and not target.coarse else None,
        surprise=surprise,
        noise_scales=scales if gaussian_curves(target.translated.given) else {},
        coarse_efficiency=thinned.coarse_efficiency(weighted.log_evaluated) if thinned and summary.n_finite else None,
        coarse_lost=thinned.lost if thinned else None,
        partial=partial_of(weighted),
    )
    verdict = judge(summary, n_effective=n_effective, findings=findings)
    return Outcome(batch, summary, rows, verdict, surprise, findings.partial, scales)


def _surprise(
    batch: FreshBatch, target: Target, summary: WeightSummary, best: float, known: KnownOfData
) -> Surprise | None:
    """How unlike those simulated the data are; by the power left in them alone where there is no model."""
    # What poor draws leave in the data is not the data's: a template may fit better.
    problem = target.problem
    residual = problem.residual(max(best, -np.inf if known.found is None else known.found))
    if target.translated.obstacle is None and np.isfinite(best):
        residual = power_left(target.translated.given, _asked_row(batch.weighted, target), residual)
    surprise = known.surprise and known.surprise(residual)
    if surprise is None and summary.effective_sample_size >= Thresholds().effective_failed:
        # The best value is that of the likelihood that was given, which may have nothing to do with power.
        given = target.translated.given if target.translated.obstacle is None else None
        surprise = without_simulations(residual) if given is not None and tells_power(given) else None
    if surprise and surprise.most == RESIDUAL:
        surprise = replace(surprise, where=problem.farthest_off(best_row(batch.weighted, target)))
    return surprise or None


def _noise_scales(batch: FreshBatch, target: Target, summary: WeightSummary) -> dict[str, NoiseScale]:
    """How far the noise is from its curve in the band of the best draw's wave; empty where it is not known well enough."""
    translated = target.translated
    known = translated.obstacle is None and tells_power(translated.given)
    if not known or summary.effective_sample_size < Thresholds().effective_failed:
        return {}
    return target.problem.noise_scales(best_row(batch.weighted, target))


def _outermost(batch: FreshBatch, target: Target) -> tuple[str, float] | None:
    """The parameter with the largest share of the posterior at the ends of its prior's quantiles, and that share."""
    weighted = batch.weighted
    alive = np.isfinite(weighted.log_weights)
    if not alive.any():
        return None
    weights = normalised_weights(weighted.log_weights[alive])
    beyond = target.prior.outermost({key: value[alive] for key, value in weighted.parameters.items()})
    # What is drawn by its value has no last quantile.
    by_value = {key for part in batch.proposal.parts for key in getattr(part, "in_values", ())}
    by_value |= {*target.conditional_keys}
    shares = {key: float(weights[rows].sum()) for key, rows in beyond.items() if key not in by_value}
    return max(shares.items(), key=lambda item: item[1], default=None)


def _best(weighted: WeightedDraws, target: Target) -> float:
    """Largest log likelihood ratio of a draw."""
    noise = 0.0 if target.use_ratio else float(target.translated.asked.noise_log_likelihood())
    return float(np.max(weighted.log_likelihood)) - noise


def _asked_row(weighted: WeightedDraws, target: Target) -> Row:
    """All parameters of the draw of the largest likelihood, as the likelihood asked for takes them."""
    best = int(np.argmax(weighted.log_likelihood))
    return target.translated.rows({key: value[best : best + 1] for key, value in weighted.parameters.items()})[0]


def best_row(weighted: WeightedDraws, target: Target) -> Row:
    """All parameters of the draw of the largest likelihood."""
    best = int(np.argmax(weighted.log_likelihood))
    return target.problem.rows({key: value[best : best + 1] for key, value in weighted.parameters.items()})[0]
