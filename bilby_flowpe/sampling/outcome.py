"""What a run came to: weighted draws, their verdict, and Bilby's result filled with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import Sampler
from bilby.core.utils import logger
from pandas import DataFrame

from ..bound import BoundPosterior
from ..edges import edges_of, in_columns
from ..errors import ConfigurationError
from ..importance import WeightSummary, equal_weight_rows, normalised_weights
from ..kinds.recognise import tells_power
from ..processes.parallel import Row
from ..proposals.mixture import Mixture
from ..proposals.parts import PRIOR
from ..statistics import KEY
from ..surprise import RESIDUAL, Surprise, without_simulations
from ..verdict import Findings, Thresholds, Verdict, judge
from .refine import Refinement
from .weighing import Target
from .weighted import WeightedDraws


@dataclass
class Outcome:
    """Weighted draws and what is known of them.

    Attributes
    ----------
    weighted
        The batch that the result is made of.
    proposal
        What drew it.
    pilot
        Summary of the pilot batch, if one fixed the number of draws.
    refinement
        The refinement, if there was one.
    """

    weighted: WeightedDraws
    proposal: Mixture
    pilot: WeightSummary | None = None
    refinement: Refinement | None = None
    summary: WeightSummary = field(init=False)
    rows: np.ndarray = field(init=False)
    verdict: Verdict = field(init=False)
    wanted: tuple[int, int] = field(init=False, default=(0, 0))
    statistics: dict[str, Any] = field(init=False, default_factory=dict)
    bound: BoundPosterior | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.summary = self.weighted.summary()

    def judge(
        self,
        target: Target,
        n_effective: int,
        n_posterior: int,
        rng: np.random.Generator,
        found: float | None = None,
        unfinished: str | None = None,
        unreached: float | None = None,
        searched: int | None = None,
        surprise: Callable[[float | None], Surprise | None] | None = None,
    ) -> None:
        """Draw the equal-weight rows and grade the batch.

        Parameters
        ----------
        target
            What was sampled.
        n_effective, n_posterior
            Effective draws wanted, and most equal-weight rows.
        rng
            Of the rows.
        found
            Log likelihood ratio of the best signal that a search found in the data.
        unfinished
            Why the proposal did not become good enough, in words.
        unreached
            Share of the prior that the network cannot reach, where it is relied on.
        searched
            Draws of the prior, where modes were looked for with nothing else.
        surprise
            Says how unlike the simulations the data are, given what power the best draw leaves in them; by that power alone
            when left out.
        """
        weighted = self.weighted
        self.wanted = n_effective, n_posterior
        self.rows, available = equal_weight_rows(weighted.log_weights, n_posterior, rng)
        size = len(weighted.log_weights)
        # What poor draws leave in the data is not the data's: a template may fit better.
        best = max(self._best(target), -np.inf if found is None else found)
        problem = target.problem
        residual = problem.residual(best)
        of_data = surprise and surprise(residual)
        if of_data is None and self.summary.effective_sample_size >= Thresholds().effective_failed:
            # The best value is that of the likelihood that was given, which may have nothing to do with power.
            given = target.translated.given if target.translated.obstacle is None else None
            of_data = without_simulations(residual) if given is not None and tells_power(given) else None
        if of_data and of_data.most == RESIDUAL:
            of_data = replace(of_data, where=problem.farthest_off(self._best_row(target)))
        evidence = Findings(
            n_posterior=available,
            outside=weighted.n_outside / size,
            # A prior that is the whole proposal disagrees with nothing.
            prior_part=weighted.shares(names).get(PRIOR) if len(names := self.proposal.names) > 1 else None,
            missing_log_likelihood=None if found is None else self._missing(target, found),
            unfinished=unfinished,
            unreached=unreached,
            closed_form_difference=target.closed_form.largest if target.closed_form.failed else None,
            nan_share=target.meter.n_nan / max(target.meter.n_likelihood, 1),
            outermost=self._outermost(target),
            searched=searched,
            compared=target.closed_form.n_prior_rows if target.conditional_keys else None,
            surprise=of_data,
        )
        self.verdict = judge(self.summary, n_effective=n_effective, findings=evidence)
        if evidence.surprise:
            self.statistics["surprise"] = evidence.surprise.to_dict()

    def _outermost(self, target: Target) -> tuple[str, float] | None:
        """The parameter with the largest share of the posterior at the ends of its prior's quantiles, and that share."""
        alive = np.isfinite(self.weighted.log_weights)
        if not alive.any():
            return None
        weights = normalised_weights(self.weighted.log_weights[alive])
        beyond = target.prior.outermost({key: value[alive] for key, value in self.weighted.parameters.items()})
        # What is drawn by its value has no last quantile.
        by_value = {key for part in self.proposal.parts for key in getattr(part, "in_values", ())}
        by_value |= {*target.conditional_keys}
        shares = {key: float(weights[rows].sum()) for key, rows in beyond.items() if key not in by_value}
        return max(shares.items(), key=lambda item: item[1], default=None)

    def _missing(self, target: Target, found: float) -> float:
        """By how much a template fits the data better than any draw does, in log likelihood."""
        return found - self._best(target)

    def _best(self, target: Target) -> float:
        """Largest log likelihood ratio of a draw."""
        noise = 0.0 if target.use_ratio else float(target.translated.asked.noise_log_likelihood())
        return float(np.max(self.weighted.log_likelihood)) - noise

    def _best_row(self, target: Target) -> Row:
        """All parameters of the draw of the largest likelihood."""
        best = int(np.argmax(self.weighted.log_likelihood))
        return target.problem.rows({key: value[best : best + 1] for key, value in self.weighted.parameters.items()})[0]

    def finish(self, bound: BoundPosterior | None, source: str, seed: int, seconds: dict[str, float]) -> None:
        """Note where the draws come from: a network bound to the data, if there is one, and its name."""
        self.bound = bound
        training = bound.model.information.get("seconds", {}).get("total") if bound else None
        self.statistics |= {"model": source, "seed": seed, "seconds": seconds, "training_seconds": training}
        self.statistics["corrections"] = list(bound.corrections) if bound else []
        if self.refinement:
            self.statistics["refinement"] = self.refinement.statistics()


def fill_weighted(sampler: Sampler, outcome: Outcome, target: Target, began: float) -> Result:
    """Bilby's result from weighted draws."""
    weighted, summary = outcome.weighted, outcome.summary
    parameters, log_likelihood, log_prior = target.asked(weighted)
    keys = target.translated.keys
    samples = np.stack([parameters[key] for key in keys], axis=-1)
    result = sampler.result
    result.samples = samples[outcome.rows]
    result.log_likelihood_evaluations = log_likelihood[outcome.rows]
    result.log_prior_evaluations = log_prior[outcome.rows]
    result.log_evidence = summary.log_evidence
    # Where constraints or a joint density were integrated by Monte Carlo, the prior's normalisation has an error of its own.
    result.log_evidence_err = float(np.hypot(summary.log_evidence_err, target.translated.log_normalisation_err))
    result.num_likelihood_evaluations = target.meter.n_likelihood
    table = DataFrame(samples, columns=list(keys)).assign(log_likelihood=log_likelihood, log_prior=log_prior)
    result.nested_samples = _weighted(table, weighted, summary)
    weights = normalised_weights(weighted.log_weights) if summary.n_finite else np.zeros(len(samples))
    edges = edges_of(sampler.priors, parameters, weights)
    for edge in edges:
        logger.warning(f"Note: {edge}")
    outcome.statistics |= {
        **summary.to_dict(),
        "log_evidence_err": result.log_evidence_err,
        "edges": in_columns(edges),
        "n_posterior": len(outcome.rows),
        "n_outside_prior": weighted.n_outside,
        "n_nan_likelihoods": target.meter.n_nan,
        "n_likelihood_evaluations": target.meter.n_likelihood,
        "posterior_shares": weighted.shares(outcome.proposal.names),
        "importance_weighted": True,
        "verdict": outcome.verdict.grade,
        "reasons": list(outcome.verdict.reasons),
    }
    if outcome.pilot:
        outcome.statistics["pilot_efficiency"] = outcome.pilot.efficiency
    if len(outcome.rows) < min(outcome.wanted):
        logger.info(
            f"Posterior: {len(outcome.rows)} rows, fewer than n_effective={outcome.wanted[0]}, as no draw is taken twice. A "
            f"larger n_effective gives more; all {summary.n_draws} weighted draws are in nested_samples"
        )
    return _finish(result, outcome, target, began)


def fill_raw(sampler: Sampler, outcome: Outcome, target: Target, began: float) -> Result:
    """Bilby's result from a network's draws as they are; conditional draws cannot be had without the likelihood: said so."""
    weighted = outcome.weighted
    alive = np.isfinite(weighted.log_weights)
    # Raw draws are not held against the data: what these look like by themselves is.
    if (bound := outcome.bound) is None:
        raise ConfigurationError("importance=False shows a network's draws, and there is no network: leave it out")
    if surprise := bound.surprise():
        outcome.statistics["surprise"] = surprise.to_dict()
    result = sampler.result
    parameters, log_likelihood, log_prior = target.asked(weighted)
    result.samples = np.stack([parameters[key][alive] for key in target.translated.keys], axis=-1)
    result.log_likelihood_evaluations = log_likelihood[alive]
    result.log_prior_evaluations = log_prior[alive]
    result.log_evidence = result.log_evidence_err = np.nan
    result.num_likelihood_evaluations = target.meter.n_likelihood
    reasons = ["raw network draws: not weighted by the likelihood, no evidence"]
    if drawn := list(target.conditional_keys):
        reasons.append(f"{drawn} were drawn from their exact conditional, which uses the likelihood")
    if bound.model.flatten_snr:
        reasons.append("the network was trained on a prior that is flatter in signal-to-noise ratio than the user's")
    reasons += target.translated.raw_reasons
    if failed := target.closed_form.failed:
        known = Findings(closed_form_difference=target.closed_form.largest)
        reasons.insert(0, judge(outcome.summary, findings=known).reasons[0])
    outcome.statistics |= {
        "n_draws": len(alive),
        "n_posterior": int(alive.sum()),
        "n_outside_prior": weighted.n_outside,
        "n_likelihood_evaluations": target.meter.n_likelihood,
        "importance_weighted": False,
        "verdict": "failed" if failed else "check",
        "reasons": reasons,
    }
    return _finish(result, outcome, target, began)


def _weighted(table: DataFrame, weighted: WeightedDraws, summary: WeightSummary) -> DataFrame:
    """``table`` with normalised weights, rows of none left out."""
    alive = np.isfinite(weighted.log_weights)
    table["weights"] = normalised_weights(weighted.log_weights) if summary.n_finite else 0.0
    return table[alive].reset_index(drop=True)


def _finish(result: Result, outcome: Outcome, target: Target, began: float) -> Result:
    statistics = outcome.statistics
    statistics["conditional"] = list(target.conditional_keys)
    statistics["closed_form"] = target.closed_form.to_dict()
    if interferometers := getattr(target.problem.likelihood, "interferometers", None):
        statistics["window_factor"] = {ifo.name: float(ifo.strain_data.window_factor) for ifo in interferometers}
    statistics["marginalised"] = list(target.translated.dropped)
    statistics["seconds"]["total"] = round(time.monotonic() - began, 3)
    result.meta_data = {**(result.meta_data or {}), KEY: statistics}
    grade, reasons = statistics["verdict"], statistics["reasons"]
    message = f"Verdict: {grade} ({_figures(outcome, target)})" + "".join(f"; {reason}" for reason in reasons)
    (logger.info if grade == "reliable" else logger.warning)(message)
    return result


def _figures(outcome: Outcome, target: Target) -> str:
    """The figures that a verdict rests on, in words."""
    statistics = outcome.statistics
    spent = f"{target.meter.n_likelihood} likelihood evaluations"
    if not statistics["importance_weighted"]:
        return f"{statistics['n_posterior']} raw draws, {spent}"
    summary = outcome.summary
    name = "ln Bayes factor" if target.use_ratio else "ln evidence"
    # As in the result: the normalisation of the prior has an error, too.
    error = np.hypot(summary.log_evidence_err, target.translated.log_normalisation_err)
    return (
        f"{name} {summary.log_evidence:.3f} +- {error:.2g}, {summary.effective_sample_size:.0f} effective "
        f"of {summary.n_draws} draws, an efficiency of {summary.efficiency:.3g}; {spent}"
    )
