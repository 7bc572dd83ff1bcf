"""Comparison of two results of the same likelihood, priors and data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bilby.core.result import Result

from ..errors import DataError
from ..results import statistics_of
from .marginals import JSD_ESTIMATOR, compare_marginals
from .neighbours import two_way_kl


def compare_results(result: Result, referee: Result, rng: np.random.Generator) -> dict[str, Any]:
    """Compare two results: divergences of marginal and joint posteriors with their floors, evidences, and costs.

    The floor of a divergence is the value that samples of one distribution give by chance.

    Parameters
    ----------
    result, referee
        Bilby results with equal-weight posteriors.
    rng
        Random generator, for the floors.

    Returns
    -------
    dict
        Plain values: ``marginals`` by parameter, ``joint`` of :func:`bilby_flowpe.validation.neighbours.two_way_kl` (forward:
        result to referee), or the reason why there is none under ``unavailable``; ``evidence``; ``cost`` of both; and
        ``break_even``: the number of events from which a training saves time, if there was one and it does.
    """
    cost = {"flowpe": _cost(result), "referee": _cost(referee)}
    keys = [key for key in result.search_parameter_keys if key in referee.posterior]
    return {
        "estimator": JSD_ESTIMATOR,
        "marginals": compare_marginals(result.posterior, referee.posterior, keys, rng),
        "joint": _joint(result, referee, keys, rng),
        "evidence": _evidence(result, referee),
        "cost": cost,
        "break_even": _break_even(cost["flowpe"], cost["referee"]),
    }


def delta_log_evidence(lnz1: float, err1: float, lnz2: float, err2: float) -> dict[str, float]:
    """Return the difference of two log-evidences and its significance.

    Parameters
    ----------
    lnz1, lnz2
        Log-evidences in nats.
    err1, err2
        Standard errors of these, which are taken as independent.

    Returns
    -------
    dict
        ``delta`` (first minus second), ``sigma`` (joint error), ``n_sigma`` (their ratio, signed).

    Raises
    ------
    DataError
        If an evidence is not finite, or an error negative or NaN.
    """
    if not (math.isfinite(lnz1) and math.isfinite(lnz2)):
        raise DataError(f"log-evidences {lnz1} and {lnz2}: both must be finite to be compared")
    if not (err1 >= 0.0 and err2 >= 0.0):
        raise DataError(f"errors {err1} and {err2} of the log-evidences: give numbers that are not negative or NaN")
    delta, sigma = float(lnz1) - float(lnz2), math.hypot(err1, err2)
    n_sigma = delta / sigma if sigma > 0.0 else math.copysign(math.inf, delta) if delta else 0.0
    return {"delta": delta, "sigma": sigma, "n_sigma": n_sigma}


def distinct(result: Result, referee: Result) -> tuple[str, str]:
    """Return names that distinguish two results: those of their samplers, with their labels if the samplers are the same."""
    if result.sampler != referee.sampler:
        return str(result.sampler), str(referee.sampler)
    if result.label != referee.label:
        return f"{result.sampler}, {result.label}", f"{referee.sampler}, {referee.label}"
    return f"{result.sampler}, first", f"{referee.sampler}, second"


def plain(value: Any) -> Any:
    """Return the value with ``None`` for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_LEGEND = (
    "JSD: Jensen-Shannon divergence of one parameter, which exceeds 'floor, 90%' in one of ten parameters of equal "
    "posteriors;\nKL: Kullback-Leibler divergence of all parameters, estimated, for equal posteriors between the 5% and 95% "
    "of chance"
)


def format_comparison(comparison: Mapping[str, Any], referee: str, name: str = "flowpe") -> str:
    """Return a table of :func:`compare_results` as text; ``name`` and ``referee`` are the names of the two results."""
    joint = comparison["joint"]
    pairs = {"forward": f"{name} || {referee}", "backward": f"{referee} || {name}"}
    first = [
        "parameter",
        "all parameters",
        *comparison["marginals"],
        *([] if "unavailable" in joint else pairs.values()),
    ]
    width = max(map(len, first)) + 1
    lines = [f"{'parameter':<{width}}{'JSD [nat]':>12}{'floor, median':>16}{'floor, 90%':>14}{'split halves, 90%':>20}"]
    for key, row in comparison["marginals"].items():
        lines.append(
            f"{key:<{width}}{row['jsd']:>12.5f}{row['floor_median']:>16.5f}{row['floor_90']:>14.5f}"
            f"{max(row['split_half_p_90'], row['split_half_q_90']):>20.5f}"
        )
    if "unavailable" in joint:
        lines.append(f"joint KL: {joint['unavailable']}")
    else:
        lines.append(
            f"{'all parameters':<{width}}{'KL [nat]':>12}{'chance, median':>16}{'chance, 5%':>14}{'chance, 95%':>20}"
        )
        for way, pair in pairs.items():
            row = joint[way]
            lines.append(
                f"{pair:<{width}}{row['kl']:>12.5f}{row['null_median']:>16.5f}{row['null_05']:>14.5f}{row['null_95']:>20.5f}"
            )
    lines.append(_LEGEND)
    evidence = comparison["evidence"]
    lines.append(
        f"ln Z: {evidence['unavailable']}"
        if "unavailable" in evidence
        else f"ln Z, {name} minus {referee}: {evidence['delta']:+.3f} +- {evidence['sigma']:.3f}, "
        f"{abs(evidence['n_sigma']):.2f} sigma"
    )
    for which, label in (("flowpe", name), ("referee", referee)):
        cost = comparison["cost"][which]
        training = f", training {cost['training_seconds']:.0f} s" if cost["training_seconds"] else ""
        lines.append(
            f"{label}: {cost['n_likelihood_evaluations']:.3g} likelihood evaluations, {cost['seconds']:.1f} s{training}, "
            f"{cost['n_posterior']} posterior samples; {cost['n_effective']:.0f} effective, "
            f"{cost['effective_per_second']:.3g} per second, {cost['effective_per_evaluation']:.3g} per evaluation"
        )
    if comparison["break_even"] is not None:
        lines.append(f"the training saves time from {comparison['break_even']} events on")
    return "\n".join(lines)


def _joint(result: Result, referee: Result, keys: Sequence[str], rng: np.random.Generator) -> dict[str, Any]:
    periodic = {
        key: float(prior.maximum - prior.minimum)
        for key in keys
        if (prior := result.priors.get(key)) is not None and prior.boundary == "periodic"
    }
    try:
        return two_way_kl(result.posterior, referee.posterior, keys, rng, periodic=periodic)
    except DataError as error:
        # Chains and resampled posteriors repeat rows, which only matters for the joint divergence.
        return {"unavailable": str(error)}


def _cost(result: Result) -> dict[str, float]:
    statistics = statistics_of(result)
    stages = statistics.get("seconds", {})
    seconds = (
        result.sampling_time
        if not hasattr(result.sampling_time, "total_seconds")
        else result.sampling_time.total_seconds()
    )
    try:
        evaluations = float(result.num_likelihood_evaluations)
    except ValueError:  # Bilby raises this if evaluations were not counted
        evaluations = float(statistics.get("nlikelihood") or np.nan)
    if not evaluations > 0 and (walkers := stored(result, "walkers")) is not None:
        # An ensemble sampler evaluates one likelihood per step and walker.
        evaluations = float(np.shape(walkers)[0] * np.shape(walkers)[1])
    # A model that was trained in the run serves later events, too: its time is stated separately.
    seconds = float(seconds) - float(stages.get("training", 0.0))
    effective = _effective(result)
    return {
        "n_likelihood_evaluations": evaluations,
        "seconds": seconds,
        "training_seconds": float(statistics.get("training_seconds") or 0.0),
        "n_posterior": len(result.posterior),
        "n_effective": effective,
        "effective_per_second": effective / seconds if seconds > 0 else math.nan,
        "effective_per_evaluation": effective / evaluations if evaluations > 0 else math.nan,
    }


def stored(result: Result, name: str) -> Any:
    """Return an attribute of a result; ``None`` if it has none, for which Bilby raises an error."""
    try:
        return getattr(result, name)
    except ValueError:
        return None


def _effective(result: Result) -> float:
    """Return the effective number of draws: by the weights if a result has some (Kish), else the rows of its posterior."""
    nested = stored(result, "nested_samples")
    if nested is None or "weights" not in nested:
        return float(len(result.posterior))
    weights = np.asarray(nested["weights"], dtype=np.float64)
    total = float(np.square(weights).sum())
    return float(weights.sum() ** 2 / total) if total > 0 else 0.0


def _evidence(result: Result, referee: Result) -> dict[str, Any]:
    try:
        return delta_log_evidence(
            result.log_evidence, result.log_evidence_err, referee.log_evidence, referee.log_evidence_err
        )
    except DataError as error:
        # Ensemble samplers have no evidence.
        return {"unavailable": str(error)}


def _break_even(ours: Mapping[str, float], referees: Mapping[str, float]) -> int | None:
    """Return the least number of events for which training and analysing takes no longer than the referee, if there is one."""
    saved = referees["seconds"] - ours["seconds"]
    if not ours["training_seconds"] or not saved > 0:
        return None
    return math.ceil(ours["training_seconds"] / saved)
