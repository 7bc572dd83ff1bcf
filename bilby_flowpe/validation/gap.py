"""Difference of a model from the exact posterior, over many new simulated events: efficiency, divergence, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..importance import kl_from_weights
from ..likelihoods import LogLikelihood
from ..model import TrainedPosterior
from ..problem import Problem
from ..processes.parallel import Row, Task
from ..proposals.charts import unreached_share
from ..proposals.mixture import marginal_log_prob
from ..sampling.outcome import FreshBatch, KnownOfData, judged
from ..sampling.weighing import Target
from ..translation.translated import as_it_stands
from ..waves.inner_products import InnerProducts
from .divergence import KLSummary, kl_truth, log_posterior_at_truth
from .kept import measured

# Number of draws of latent variables that estimate a network's density at the truth: more scatter less and take longer.
_LATENT_DRAWS = 1000


@dataclass(frozen=True)
class EventGap:
    """Figures of one event.

    Attributes
    ----------
    snr
        Optimal signal-to-noise ratio of the signal in all detectors together.
    efficiency, effective_sample_size, pareto_k, largest_weight
        Figures of the weights.
    log_evidence, log_evidence_err, log_evidence_bias
        Log evidence by the weights, its error, and its expected bias.
    verdict
        Grade that a run with these draws would have by all checks of the draws. The check of the data is left out: on a
        model's own problem it only fails by chance.
    kl_weighted
        Divergence of the network from the exact posterior, by the weights. With latent variables it is that of pairs of
        parameters and latent variables, which is not smaller than that of the parameters.
    log_likelihood, log_prior, log_q
        Values at the true parameters: likelihood (averaged over parameters drawn conditionally), prior, network.
    """

    snr: float
    efficiency: float
    effective_sample_size: float
    pareto_k: float
    largest_weight: float
    log_evidence: float
    log_evidence_err: float
    log_evidence_bias: float
    verdict: str
    kl_weighted: float
    log_likelihood: float
    log_prior: float
    log_q: float


def measure_gap(
    model: TrainedPosterior,
    problem: Problem,
    injections: int = 200,
    draws: int = 10_000,
    seed: int = 0,
    npool: int = 1,
    log: Path | None = None,
    progress: bool = True,
) -> list[EventGap]:
    """Weigh ``draws`` draws for each of ``injections`` new simulated events.

    Parameters
    ----------
    model
        A trained model.
    problem
        The problem of gravitational waves that the model was trained for; the data in it are not used.
    injections, draws
        Numbers of events, and of draws for each.
    seed
        Seed of the events; each event has its own random generator, so that any part of the events can be repeated.
    npool
        Number of processes.
    log
        File with a line for each event, written as events are done; events found there are not repeated.
    progress
        Show a progress bar.
    """

    def measure(index: int) -> EventGap:
        return _measure(model, problem, draws, (seed, index), npool)

    return measured(measure, injections, EventGap, log, progress=progress)


def summarise_gap(events: Sequence[EventGap]) -> dict[str, Any]:
    """Return figures over events as plain values: quantiles of the efficiency, divergences by both estimators, verdicts."""
    efficiency = np.array([event.efficiency for event in events])
    weighted = np.array([event.kl_weighted for event in events])
    bias = float(np.mean([event.log_evidence_bias for event in events]))
    error = float(np.std(weighted, ddof=1) / np.sqrt(len(weighted))) if len(weighted) > 1 else np.inf
    columns = {key: [getattr(event, key) for event in events] for key in ("log_likelihood", "log_prior", "log_q")}
    evidence = [event.log_evidence for event in events]
    truth = kl_truth(
        log_evidence=evidence,
        log_evidence_bias=[event.log_evidence_bias for event in events],
        **columns,
    )
    grades = [event.verdict for event in events]
    return {
        "events": len(events),
        "efficiency_median": float(np.median(efficiency)),
        "efficiency_10": float(np.quantile(efficiency, 0.1)),
        "efficiency_worst": float(efficiency.min()),
        "kl_weighted": KLSummary(
            "weighted", float(weighted.mean()), error, float(np.median(weighted)), len(events), bias
        ).to_dict(),
        "kl_truth": truth.to_dict(),
        "lowest_loss": float(
            -np.mean(log_posterior_at_truth(columns["log_likelihood"], columns["log_prior"], evidence))
        ),
        "verdicts": {grade: grades.count(grade) for grade in ("reliable", "check", "failed")},
        "log_evidence_bias": bias,
    }


def worst_events(
    events: Sequence[EventGap], problem: Problem, seed: int, count: int = 3
) -> list[tuple[int, EventGap, dict[str, float]]]:
    """Return number, figures and true parameters of the events with the lowest efficiencies, the lowest first."""
    order = np.argsort([event.efficiency for event in events], kind="stable")[:count]
    truths = [problem.event((seed, int(index))).truth for index in order]
    return [
        (int(index), events[index], {key: truth[key] for key in problem.prior.keys})
        for index, truth in zip(order, truths, strict=True)
    ]


def at_truth(task: Task, truth: Row) -> np.ndarray:
    """Return the value of a task at the parameters of a simulated event.

    Raises
    ------
    DataError
        If there is no value.
    """
    value = task(truth)
    if value is None:
        raise DataError(
            f"the likelihood is not a number at the truth of a simulated event, {truth}: check likelihood and priors there"
        )
    return value


def _measure(model: TrainedPosterior, problem: Problem, draws: int, seed: tuple[int, int], npool: int) -> EventGap:
    event = problem.event(seed)
    truth, rng, transform, likelihood = event.truth, event.rng, problem.prior, event.problem.likelihood
    bound = model.bind_to(event.problem)
    target = Target(as_it_stands(event.problem), event.problem.has_ratio, bound.conditional, npool)
    unreached = unreached_share(bound, transform)
    proposal = bound.mixture()
    weighted = target.draw(proposal, draws, rng)
    # The verdict is that of a run that requests as many draws as there are.
    known = KnownOfData(bound.log_likelihood_found)
    batch = FreshBatch(weighted, proposal, unreached=unreached)
    outcome = judged(batch, target, 1, draws, np.random.default_rng(seed), known)
    summary = outcome.summary
    parameters = {key: np.array([truth[key]]) for key in transform.keys}
    log_prior = float(transform.log_prob(parameters, bound.keys)[0])
    if bound.conditional.keys:
        log_likelihood = bound.conditional.log_average(likelihood, truth)
    else:
        log_likelihood = float(at_truth(LogLikelihood(likelihood, event.problem.has_ratio), truth)[0])
    norm = float(at_truth(InnerProducts(likelihood), truth)[2])
    return EventGap(
        snr=float(np.sqrt(norm)),
        efficiency=summary.efficiency,
        effective_sample_size=summary.effective_sample_size,
        pareto_k=summary.pareto_k,
        largest_weight=summary.largest_weight,
        log_evidence=summary.log_evidence,
        log_evidence_err=summary.log_evidence_err,
        log_evidence_bias=summary.log_evidence_bias,
        verdict=outcome.verdict.grade,
        kl_weighted=kl_from_weights(weighted.log_weights),
        log_likelihood=log_likelihood,
        log_prior=log_prior,
        log_q=float(marginal_log_prob(proposal, parameters, _LATENT_DRAWS, rng)[0]),
    )
