"""The verdict: one word on a set of importance weights, and every reason for it in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from .importance import WeightSummary


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Where a figure of a :class:`WeightSummary` begins to need a look (``*_check``), or fails (``*_failed``).

    Attributes
    ----------
    pareto_k_check, pareto_k_failed
        Above 0.7 errors are no longer to be trusted (Vehtari et al. 2024); above 1 the weights have no mean.
    largest_weight_check, largest_weight_failed
        Share of the total weight that a single row may hold.
    effective_check, effective_failed
        Least number of effective draws.
    requested_fraction
        Least share of the number of effective draws asked for; ``check`` below it.
    efficiency_check
        Least efficiency: below it the network is far from the posterior, whatever the number of draws.
    posterior_check
        Least number of equal-weight rows; none at all is ``failed``.
    """

    pareto_k_check: float = 0.7
    pareto_k_failed: float = 1.0
    largest_weight_check: float = 0.05
    largest_weight_failed: float = 0.2
    effective_check: float = 1000.0
    effective_failed: float = 100.0
    requested_fraction: float = 0.5
    efficiency_check: float = 0.01
    posterior_check: int = 100


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A grade, and in words why it is not ``reliable`` (empty where it is)."""

    grade: Literal["reliable", "check", "failed"]
    reasons: tuple[str, ...] = ()


def judge(
    summary: WeightSummary,
    n_effective: int | None = None,
    n_posterior: int | None = None,
    thresholds: Thresholds | None = None,
) -> Verdict:
    """Grade a result by its weights; the worst single figure decides.

    Parameters
    ----------
    summary
        Of the weights that the result is made of (a fresh batch, not the pilot).
    n_effective
        Number of effective draws asked for, if any: fewer than half of them is ``check``.
    n_posterior
        Number of equal-weight rows in the posterior handed over, if known.
    thresholds
        Limits other than the usual ones.

    Returns
    -------
    Verdict
        ``failed``, ``check`` or ``reliable``, each reason with its figure and limit. It cannot see a mode never drawn.
    """
    limits = Thresholds() if thresholds is None else thresholds
    failed: list[str] = []
    check: list[str] = []

    # Tests read "not within", so that NaN never passes.
    def at_most(name: str, value: float, check_above: float, failed_above: float) -> None:
        if not value <= failed_above:
            failed.append(f"{name} is {value:.3g}, above {failed_above:g}")
        elif not value <= check_above:
            check.append(f"{name} is {value:.3g}, above {check_above:g}")

    if not (math.isfinite(summary.log_evidence) and math.isfinite(summary.log_evidence_err)):
        failed.append(
            f"the log-evidence is {summary.log_evidence:.6g} +- {summary.log_evidence_err:.3g}, not finite: "
            f"{summary.n_finite} of {summary.n_draws} draws have weight"
        )
    at_most("the Pareto k of the weights", summary.pareto_k, limits.pareto_k_check, limits.pareto_k_failed)
    at_most(
        "the largest weight's share of the total",
        summary.largest_weight,
        limits.largest_weight_check,
        limits.largest_weight_failed,
    )
    ess = summary.effective_sample_size
    if not ess >= limits.effective_failed:
        failed.append(f"the number of effective draws is {ess:.4g}, below {limits.effective_failed:g}")
    elif not ess >= limits.effective_check:
        check.append(f"the number of effective draws is {ess:.4g}, below {limits.effective_check:g}")
    elif n_effective is not None and not ess >= limits.requested_fraction * n_effective:
        check.append(
            f"the number of effective draws is {ess:.4g}, "
            f"below {limits.requested_fraction:g} of the {n_effective} asked for"
        )
    if not summary.efficiency >= limits.efficiency_check:
        check.append(f"the sample efficiency is {summary.efficiency:.3g}, below {limits.efficiency_check:g}")
    if n_posterior is not None and n_posterior < 1:
        failed.append("the posterior has no rows")
    elif n_posterior is not None and n_posterior < limits.posterior_check:
        check.append(f"the number of equal-weight posterior rows is {n_posterior}, below {limits.posterior_check}")
    grade: Literal["reliable", "check", "failed"] = "failed" if failed else "check" if check else "reliable"
    return Verdict(grade, (*failed, *check))
