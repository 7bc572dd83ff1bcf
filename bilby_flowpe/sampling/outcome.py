"""Outcome of a run: a batch of weighted draws, its equal-weight rows and its verdict."""

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
    """Information on the data from a model, before anything is drawn.

    Attributes
    ----------
    found
        Log likelihood ratio of the best signal that a search found in the data, if there was a search.
    searched
        Rows that a search tried, if there was a search.
    surprise
        Function that returns how unlike the simulations the data are, given the power that the best draw leaves in
        them. Without it, only that power is used (:meth:`bilby_flowpe.bound.BoundPosterior.surprise`).
    """

    found: float | None = None
    searched: Searched | None = None
    surprise: Callable[[float | None], Surprise | None] | None = None

    @classmethod
    def by(cls, bound: BoundPosterior | None) -> KnownOfData:
        """Return the information of a model bound to the data; none without a model."""
        return cls() if bound is None else cls(bound.log_likelihood_found, surprise=bound.surprise)


@dataclass(frozen=True)
class FreshBatch:
    """A final batch of draws, and the origin of its proposal.

    Attributes
    ----------
    weighted
        The draws.
    proposal
        Their proposal.
    pilot
        Summary of the pilot batch, which measures the efficiency of a network, if there is one.
    refinement
        The refinement, if there was one.
    unfinished
        Reason, in words, why the proposal did not become good enough.
    unreached
        Share of the prior that the network cannot reach, if it is relied on.
    completeness
        How likely it is that a mode was missed, if no network knows the posterior.
    moved
        Number of moves of a coarse likelihood's reference.
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
        """Indices of the draws of non-zero weight."""
        return np.flatnonzero(np.isfinite(self.weighted.log_weights))


@dataclass(frozen=True)
class Outcome:
    """Weighted draws and all that is known about them.

    Attributes
    ----------
    batch
        The draws of the result, and the origin of their proposal.
    summary
        Summary of their weights.
    rows
        Indices of the equal-weight rows.
    verdict
        The verdict.
    surprise
        How unlike the simulations the data are, if that is known.
    partial
        Effect of rows that are not evaluated, if there are any.
    noise_scales
        Ratio of the noise in each detector to its curve, in the band of the signal, if that is known.
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
        """The draws of the result."""
        return self.batch.weighted

    @property
    def proposal(self) -> Mixture:
        """Proposal of these draws."""
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
        The posterior that was sampled.
    n_effective, n_posterior
        Number of effective draws wanted, and largest number of equal-weight rows.
    rng
        Random generator of the rows.
    known
        Information on the data from a model.
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
        # A proposal that consists of the prior only cannot disagree with the prior.
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
    """Return how unlike the simulations the data are, or, without a model, how unusual the power left in them is."""
    # If draws are poor, their residual is not that of the data: a template may fit better.
    problem = target.problem
    residual = problem.residual(max(best, -np.inf if known.found is None else known.found))
    if target.translated.obstacle is None and np.isfinite(best):
        residual = power_left(target.translated.given, _asked_row(batch.weighted, target), residual)
    surprise = known.surprise and known.surprise(residual)
    if surprise is None and summary.effective_sample_size >= Thresholds().effective_failed:
        # The best value is that of the user's likelihood, which may have no relation to power.
        given = target.translated.given if target.translated.obstacle is None else None
        surprise = without_simulations(residual) if given is not None and tells_power(given) else None
    if surprise and surprise.most == RESIDUAL:
        surprise = replace(surprise, where=problem.farthest_off(best_row(batch.weighted, target)))
    return surprise or None


def _noise_scales(batch: FreshBatch, target: Target, summary: WeightSummary) -> dict[str, NoiseScale]:
    """Return the ratio of the noise to its curve in the band of the best wave; empty if that is not known well enough."""
    translated = target.translated
    known = translated.obstacle is None and tells_power(translated.given)
    if not known or summary.effective_sample_size < Thresholds().effective_failed:
        return {}
    return target.problem.noise_scales(best_row(batch.weighted, target))


def _outermost(batch: FreshBatch, target: Target) -> tuple[str, float] | None:
    """Return the parameter with most of the posterior at the outermost quantiles of its prior, and that share."""
    weighted = batch.weighted
    alive = np.isfinite(weighted.log_weights)
    if not alive.any():
        return None
    weights = normalised_weights(weighted.log_weights[alive])
    beyond = target.prior.outermost({key: value[alive] for key, value in weighted.parameters.items()})
    # A parameter that is drawn by its value has no last quantile.
    by_value = {key for part in batch.proposal.parts for key in getattr(part, "in_values", ())}
    by_value |= {*target.conditional_keys}
    shares = {key: float(weights[rows].sum()) for key, rows in beyond.items() if key not in by_value}
    return max(shares.items(), key=lambda item: item[1], default=None)


def _best(weighted: WeightedDraws, target: Target) -> float:
    """Return the largest log likelihood ratio of any draw."""
    noise = 0.0 if target.use_ratio else float(target.translated.asked.noise_log_likelihood())
    return float(np.max(weighted.log_likelihood)) - noise


def _asked_row(weighted: WeightedDraws, target: Target) -> Row:
    """Return all parameters of the draw with the largest likelihood, for the user's likelihood."""
    best = int(np.argmax(weighted.log_likelihood))
    return target.translated.rows({key: value[best : best + 1] for key, value in weighted.parameters.items()})[0]


def best_row(weighted: WeightedDraws, target: Target) -> Row:
    """Return all parameters of the draw with the largest likelihood."""
    best = int(np.argmax(weighted.log_likelihood))
    return target.problem.rows({key: value[best : best + 1] for key, value in weighted.parameters.items()})[0]
