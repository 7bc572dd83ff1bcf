"""Bilby's result, filled from the draws of a run with or without weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import logger
from pandas import DataFrame

from ..edges import edges_of, in_columns
from ..importance import normalised_weights
from ..kinds.recognise import interferometers_of
from ..priors import Parameters
from ..results import Drawn, error_of_evidence, fill
from ..surprise import Surprise
from ..thinning.rows import FLOOR
from ..verdict import Findings, Thresholds, Verdict
from ..verdict.case import Case
from ..verdict.checks import CLOSED_FORM
from ..waves.data_record import data_record
from .outcome import FreshBatch, Outcome
from .weighing import Target

if TYPE_CHECKING:
    from ..bound import BoundPosterior


@dataclass(frozen=True)
class Origin:
    """Origin of a run's draws: model, seed and times.

    Attributes
    ----------
    model
        Name of the model.
    bound
        The model, bound to the data; ``None`` if the proposal was refined from the prior.
    seed
        Seed of the run.
    seconds
        Seconds of each stage.
    began
        Start of the run, by :func:`time.monotonic`.
    """

    model: str
    bound: BoundPosterior | None
    seed: int
    seconds: dict[str, float]
    began: float

    def statistics(self) -> dict[str, Any]:
        """Return plain values for the result."""
        bound = self.bound
        return {
            "model": self.model,
            "seed": self.seed,
            "seconds": {**self.seconds, "total": round(time.monotonic() - self.began, 3)},
            "training_seconds": bound.model.information.get("seconds", {}).get("total") if bound else None,
            "corrections": list(bound.corrections) if bound else [],
        }


def fill_weighted(sampler: Sampler, outcome: Outcome, target: Target, origin: Origin) -> Result:
    """Fill Bilby's result from weighted draws.

    Parameters
    ----------
    sampler
        The sampler whose result is filled.
    outcome
        The draws and their verdict.
    target
        The posterior that was sampled.
    origin
        Origin of the draws.
    """
    weighted, summary, kwargs = outcome.weighted, outcome.summary, sampler.kwargs
    asked = target.asked(weighted)
    weights = normalised_weights(weighted.log_weights) if summary.n_finite else np.zeros(summary.n_draws)
    edges = edges_of(sampler.priors, asked[0], weights)
    for edge in edges:
        logger.warning(f"Note: {edge}")
    error = error_of_evidence(summary, target.translated.log_normalisation_err)
    if len(outcome.rows) < min(kwargs["n_effective"], kwargs["n_posterior"]):
        # If there are fewer effective draws than wanted, the verdict says what ended the run.
        enough = summary.effective_sample_size >= kwargs["n_effective"]
        more = "A larger n_effective gives more; all" if enough else "All"
        logger.info(
            f"Posterior: {len(outcome.rows)} rows, fewer than n_effective={kwargs['n_effective']}, as no draw is taken twice. "
            f"{more} {summary.n_finite} draws of non-zero weight are in nested_samples"
        )
    statistics = {
        **_common(outcome.batch, target, origin, outcome.surprise),
        "log_evidence_err": error,
        "edges": in_columns(edges),
        "n_nan_likelihoods": target.meter.n_nan,
        "part_shares": weighted.shares(outcome.proposal.names),
    }
    if target.meter.n_coarse:
        statistics["n_coarse_evaluations"] = target.meter.n_coarse
    if weighted.thinned is not None and target.conditional is not None:
        statistics["coarse"] = {
            **target.conditional.describe(),
            "reference_moved": outcome.batch.moved,
            "floor": FLOOR,
            "lost": weighted.thinned.lost,
        }
        if outcome.partial is not None:
            statistics["coarse"]["partial"] = outcome.partial.to_dict()
    if outcome.batch.completeness:
        statistics["completeness"] = outcome.batch.completeness.to_dict()
    if outcome.noise_scales:
        statistics["noise_scale"] = {name: scale.to_dict() for name, scale in outcome.noise_scales.items()}
    if outcome.refinement:
        statistics["refinement"] = outcome.refinement.statistics()
    if outcome.batch.pilot:
        statistics["pilot_efficiency"] = outcome.batch.pilot.efficiency
    name = "ln Bayes factor" if target.use_ratio else "ln evidence"
    draws = f"{summary.n_draws} draws, an efficiency of {summary.efficiency:.3g}"
    if weighted.thinned is not None:
        # The efficiency is that of all draws by the coarse likelihood; the effective number is that of the kept draws.
        weighed = f"{weighted.thinned.n_kept} draws that were kept and weighed"
        if (partial := outcome.partial) is not None:
            weighed = f"{partial.n_rows} draws that were kept ({partial.n_evaluated} of them evaluated)"
        draws = f"{weighed}, out of {draws} by the coarse likelihood"
    figures = (
        f"{name} {summary.log_evidence:.3f} +- {error:.2g}, {summary.effective_sample_size:.0f} effective of {draws}; "
        f"{target.meter.in_words}"
    )
    drawn = Drawn(*_drawn(target, *asked), outcome.rows, weighted.log_weights, summary, error)
    return fill(sampler.result, drawn, outcome.verdict, target.meter.n_likelihood, statistics, figures)


def fill_raw(sampler: Sampler, batch: FreshBatch, target: Target, origin: Origin) -> Result:
    """Fill Bilby's result from a network's draws without weights; draws of zero or invalid density are left out.

    Parameters
    ----------
    sampler, target, origin
        As in :func:`fill_weighted`.
    batch
        The draws.
    """
    # Raw draws are not compared with the data, but how unusual the data are is known.
    surprise = origin.bound.surprise() if origin.bound else None
    drawn = Drawn(*_drawn(target, *target.asked(batch.weighted)), batch.rows)
    figures = f"{len(drawn.rows)} raw draws, {target.meter.in_words}"
    statistics = _common(batch, target, origin, surprise)
    return fill(
        sampler.result, drawn, _raw_verdict(batch, target, origin), target.meter.n_likelihood, statistics, figures
    )


def _raw_verdict(batch: FreshBatch, target: Target, origin: Origin) -> Verdict:
    """Return the verdict on draws without weights: why they are approximate, or that a closed form failed."""
    reasons = ["raw network draws: not weighted by the likelihood, no evidence"]
    if drawn := list(target.conditional_keys):
        reasons.append(f"{drawn} were drawn from their exact conditional, which uses the likelihood")
    if origin.bound and origin.bound.model.flatten_snr:
        reasons.append("the network was trained on a prior that is flatter in signal-to-noise ratio than the user's")
    reasons += target.translated.raw_reasons
    findings = Findings(closed_form_difference=target.closed_form.largest if target.closed_form.failed else None)
    # All other checks concern weights.
    failure = CLOSED_FORM.reason(Case(batch.weighted.summary(), findings, Thresholds()))
    return Verdict("failed", (failure.words, *reasons)) if failure else Verdict("check", tuple(reasons))


def _drawn(
    target: Target, parameters: Parameters, log_likelihood: np.ndarray, log_prior: np.ndarray
) -> tuple[DataFrame, np.ndarray]:
    """Return the draws in the user's parameters: a table with log likelihood and log prior, and an array (N, D)."""
    keys = target.translated.keys
    samples = np.stack([parameters[key] for key in keys], axis=-1)
    table = DataFrame(samples, columns=list(keys)).assign(log_likelihood=log_likelihood, log_prior=log_prior)
    return table, samples


def _common(batch: FreshBatch, target: Target, origin: Origin, surprise: Surprise | None) -> dict[str, Any]:
    """Return the statistics that all runs have, with weighted or raw draws."""
    closed_form = target.closed_form.to_dict()
    if target.coarse:
        # Kept rows have the user's own likelihood, and coarse_efficiency tells how far the coarse one differs from it.
        closed_form["largest_difference"] = None
    statistics = {
        **origin.statistics(),
        "n_outside_prior": batch.weighted.n_outside,
        "conditional": list(target.conditional_keys),
        "closed_form": closed_form,
        "marginalised": list(target.translated.dropped),
    }
    if surprise:
        statistics["surprise"] = surprise.to_dict()
    if interferometers := interferometers_of(target.problem.likelihood):
        statistics["data"] = data_record(interferometers)
        statistics["window_factor"] = {ifo.name: float(ifo.strain_data.window_factor) for ifo in interferometers}
    return statistics
