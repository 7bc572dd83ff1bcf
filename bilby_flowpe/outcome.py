"""What a run came to: weighted draws, their verdict, and Bilby's result filled with them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import logger
from pandas import DataFrame

from .importance import WeightSummary, normalised_weights, rejection_sample, summarise
from .model import BoundPosterior, TrainedPosterior
from .proposals import PRIOR, Mixture
from .refine import Budget, Refinement
from .verdict import Evidence, Verdict, judge
from .weighing import Target, WeightedDraws


@dataclass
class Outcome:
    """Weighted draws and what is known of them.

    Attributes
    ----------
    weighted
        The batch that the result is made of.
    proposal
        What drew it.
    bound
        The network bound to the data, if there is one.
    pilot
        Summary of the pilot batch, if one fixed the number of draws.
    refinement
        The refinement, if there was one.
    """

    weighted: WeightedDraws
    proposal: Mixture
    bound: BoundPosterior | None = None
    pilot: WeightSummary | None = None
    refinement: Refinement | None = None
    summary: WeightSummary = field(init=False)
    rows: np.ndarray = field(init=False)
    verdict: Verdict = field(init=False)
    statistics: dict[str, Any] = field(init=False, default_factory=dict)
    model: TrainedPosterior | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.summary = summarise(self.weighted.log_weights)

    def judge(
        self, target: Target, budget: Budget, kwargs: dict[str, Any], ready: bool, rng: np.random.Generator
    ) -> None:
        """Draw the equal-weight rows and grade the batch."""
        weighted = self.weighted
        rows = rejection_sample(weighted.log_weights, rng)
        if len(rows) > kwargs["n_posterior"]:
            rows = np.sort(rng.choice(rows, size=kwargs["n_posterior"], replace=False))
        self.rows = rows
        size = len(weighted.log_weights)
        evidence = Evidence(
            n_posterior=len(rows),
            outside=weighted.n_outside / size,
            prior_part=weighted.shares(self.proposal.names).get(PRIOR, 0.0) if self.bound or self.refinement else None,
            missing_log_likelihood=self._missing(target),
            budget_ended=None if ready else _spent(target, budget, kwargs),
            closed_form_difference=weighted.spot_difference if weighted.spot_check_failed else None,
        )
        self.verdict = judge(self.summary, n_effective=kwargs["n_effective"], evidence=evidence)

    def _missing(self, target: Target) -> float | None:
        """By how much a template fits the data better than any draw does, in log likelihood; ``None`` if unknown."""
        found = self.bound.log_likelihood_found if self.bound else None
        if found is None:
            return None
        noise = 0.0 if target.use_ratio else float(target.likelihood.noise_log_likelihood())
        return found - (float(np.max(self.weighted.log_likelihood)) - noise)

    def finish(self, model: TrainedPosterior | None, source: str, seed: int, seconds: dict[str, float]) -> None:
        """Note where the draws come from."""
        self.model = model
        training = model.information.get("seconds", {}).get("total") if model else None
        self.statistics |= {"model": source, "seed": seed, "seconds": seconds, "training_seconds": training}
        self.statistics["conditional"] = list(self.bound.conditional.keys) if self.bound else []
        if self.bound:
            self.statistics["corrections"] = list(self.bound.corrections)
        if self.refinement:
            self.statistics["refinement"] = self.refinement.statistics()


def fill_weighted(sampler: Sampler, outcome: Outcome, target: Target, rng: np.random.Generator, began: float) -> Result:
    """Bilby's result from weighted draws."""
    weighted, summary, keys = outcome.weighted, outcome.summary, target.transform.keys
    samples = np.stack([weighted.parameters[key] for key in keys], axis=-1)
    result = sampler.result
    result.samples = samples[outcome.rows]
    result.log_likelihood_evaluations = weighted.log_likelihood[outcome.rows]
    result.log_prior_evaluations = weighted.log_prior[outcome.rows]
    result.log_evidence = summary.log_evidence
    # Where constraints were counted by Monte Carlo, their share of the prior has an error of its own.
    result.log_evidence_err = float(np.hypot(summary.log_evidence_err, target.transform.log_normalisation_err))
    result.num_likelihood_evaluations = target.n_likelihood
    result.nested_samples = _weighted_table(weighted, samples, summary, keys)
    outcome.statistics |= {
        **summary.to_dict(),
        "n_posterior": len(outcome.rows),
        "n_outside_prior": weighted.n_outside,
        "n_likelihood_evaluations": target.n_likelihood,
        "spot_check_difference": weighted.spot_difference,
        "posterior_shares": weighted.shares(outcome.proposal.names),
        "importance_weighted": True,
        "verdict": outcome.verdict.grade,
        "reasons": list(outcome.verdict.reasons),
    }
    if outcome.pilot:
        outcome.statistics["pilot_efficiency"] = outcome.pilot.efficiency
    return _finish(result, outcome, target, began)


def fill_raw(sampler: Sampler, outcome: Outcome, target: Target, rng: np.random.Generator, began: float) -> Result:
    """Bilby's result from a network's draws as they are; conditional draws cannot be had without the likelihood: said so."""
    weighted = outcome.weighted
    alive = np.isfinite(weighted.log_weights)
    result = sampler.result
    result.samples = np.stack([weighted.parameters[key][alive] for key in target.transform.keys], axis=-1)
    result.log_likelihood_evaluations = weighted.log_likelihood[alive]
    result.log_prior_evaluations = weighted.log_prior[alive]
    result.log_evidence = result.log_evidence_err = np.nan
    result.num_likelihood_evaluations = target.n_likelihood
    reasons = ["raw network draws: not weighted by the likelihood, no evidence"]
    if drawn := outcome.statistics["conditional"]:
        reasons.append(f"{drawn} were drawn from their exact conditional, which uses the likelihood")
    if outcome.model.flatten_snr:
        reasons.append("the network was trained on a prior that is flatter in signal-to-noise ratio than the user's")
    if weighted.spot_check_failed:
        reasons.insert(
            0, judge(outcome.summary, evidence=Evidence(closed_form_difference=weighted.spot_difference)).reasons[0]
        )
    outcome.statistics |= {
        "n_draws": len(alive),
        "n_posterior": int(alive.sum()),
        "n_outside_prior": weighted.n_outside,
        "n_likelihood_evaluations": target.n_likelihood,
        "importance_weighted": False,
        "verdict": "failed" if weighted.spot_check_failed else "check",
        "reasons": reasons,
    }
    return _finish(result, outcome, target, began)


def _weighted_table(
    weighted: WeightedDraws, samples: np.ndarray, summary: WeightSummary, keys: tuple[str, ...]
) -> DataFrame:
    table = DataFrame(samples, columns=list(keys))
    table["log_likelihood"] = weighted.log_likelihood
    table["log_prior"] = weighted.log_prior
    alive = np.isfinite(weighted.log_weights)
    table["weights"] = normalised_weights(weighted.log_weights) if summary.n_finite else 0.0
    return table[alive].reset_index(drop=True)


def _finish(result: Result, outcome: Outcome, target: Target, began: float) -> Result:
    statistics = outcome.statistics
    if interferometers := getattr(target.likelihood, "interferometers", None):
        statistics["window_factor"] = {ifo.name: float(ifo.strain_data.window_factor) for ifo in interferometers}
    statistics["seconds"]["total"] = round(time.monotonic() - began, 3)
    result.meta_data = {**(result.meta_data or {}), "run_statistics": statistics}
    grade, reasons = statistics["verdict"], statistics["reasons"]
    message = f"Verdict: {grade}" + "".join(f"; {reason}" for reason in reasons)
    (logger.info if grade == "reliable" else logger.warning)(message)
    return result


def _spent(target: Target, budget: Budget, kwargs: dict[str, Any]) -> str:
    """The budget that ended first, in words."""
    if not budget.in_time():
        return f"max_time={kwargs['max_time']:g} s"
    return f"max_likelihood_evaluations={kwargs['max_likelihood_evaluations']} ({target.n_likelihood} made)"
