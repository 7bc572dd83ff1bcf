"""The verdict: one word on a set of importance weights, and every reason for it in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from .importance import WeightSummary
from .surprise import IN_WORDS, UNITS, Surprise

__all__ = ["Evidence", "Thresholds", "Verdict", "judge"]


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Where a figure of a :class:`WeightSummary` begins to need a look (``*_check``), or fails (``*_failed``).

    Attributes
    ----------
    pareto_k_check, pareto_k_failed
        Above 0.7 errors are no longer to be trusted (Vehtari et al. 2024); above 1 the weights have no mean.
    even_weight
        Largest weight over the mean up to which the index is not asked: what a few draws of a tail that is no tail add to it
        is chance, and no draw has a say in the result.
    largest_weight_check, largest_weight_failed
        Share of the total weight that a single row may hold.
    effective_check, effective_failed
        Least number of effective draws. Where fewer than ``effective_check`` were asked for, that number takes its place; as
        many as were asked for are never ``failed``.
    requested_fraction
        Least share of the number of effective draws asked for, where these are many; ``check`` below it.
    efficiency_check
        Least efficiency: below it the network is far from the posterior, whatever the number of draws.
    posterior_check
        Least number of equal-weight rows; none at all is ``failed``.
    outside_check
        Share of the draws outside the support of the prior.
    prior_part_check
        Share of the posterior that falls to the prior's part of the proposal: parts disagree, for that is where no flow draws.
    unreached_check
        Share of the prior that a network cannot reach: weights are blind to what is there.
    missing_check
        By how much, in log likelihood, a template may fit the data better than any draw.
    nan_check, nan_failed
        Share of all rows inside the prior for which the likelihood is no number.
    outermost_failed
        Share of the posterior in the last quantiles of a prior, beyond which no draw can lie.
    surprise_check
        Probability, by simulations of the model's own problem, of data as unlike them.
    """

    pareto_k_check: float = 0.7
    pareto_k_failed: float = 1.0
    even_weight: float = 10.0
    largest_weight_check: float = 0.05
    largest_weight_failed: float = 0.2
    effective_check: float = 1000.0
    effective_failed: float = 100.0
    requested_fraction: float = 0.5
    efficiency_check: float = 0.01
    posterior_check: int = 100
    outside_check: float = 0.9
    prior_part_check: float = 0.1
    unreached_check: float = 0.01
    missing_check: float = 8.0
    nan_check: float = 1e-3
    nan_failed: float = 0.05
    outermost_failed: float = 1e-3
    surprise_check: float = 0.005


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is known of a result beside its weights; ``None`` where a figure is not.

    Attributes
    ----------
    n_posterior
        Number of equal-weight rows in the posterior handed over.
    outside
        Share of the draws outside the support of the prior.
    prior_part
        Share of the posterior that falls to the prior's part of the proposal.
    unreached
        Share of the prior that the network cannot reach, where it is relied on.
    missing_log_likelihood
        By how much a template of the matched filter fits the data better than the best draw.
    unfinished
        Why the proposal did not become good enough, in words: a budget that ended, say. It is ``failed`` where fewer effective
        draws came of it than were asked for, ``check`` where as many did.
    closed_form_difference
        Largest difference of the conditionals' closed form from the user's likelihood, where it is too large.
    nan_share
        Share of all rows inside the prior for which the likelihood is no number.
    outermost
        The parameter with the largest share of the posterior in the last quantiles of its prior, and that share.
    searched
        Draws of the prior, where they are all that modes were looked for with: no network, no search by templates.
    compared
        Draws of the prior at which the closed form of what is drawn conditionally was compared with the likelihood, where
        there is such a closed form.
    surprise
        How unlike those simulated the data are.
    """

    n_posterior: int | None = None
    outside: float | None = None
    prior_part: float | None = None
    unreached: float | None = None
    missing_log_likelihood: float | None = None
    unfinished: str | None = None
    closed_form_difference: float | None = None
    nan_share: float | None = None
    outermost: tuple[str, float] | None = None
    searched: int | None = None
    compared: int | None = None
    surprise: Surprise | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A grade, and in words why it is not ``reliable`` (empty where it is).

    Attributes
    ----------
    grade, reasons
        The grade and its reasons.
    mendable
        Whether other draws could mend any of the reasons; what is said of the data they cannot.
    """

    grade: Literal["reliable", "check", "failed"]
    reasons: tuple[str, ...] = ()
    mendable: bool = False


def judge(
    summary: WeightSummary,
    n_effective: int | None = None,
    evidence: Evidence | None = None,
    thresholds: Thresholds | None = None,
) -> Verdict:
    """Grade a result by its weights; the worst single figure decides.

    Parameters
    ----------
    summary
        Of the weights that the result is made of (a fresh batch, not the pilot).
    n_effective
        Number of effective draws asked for, if any: fewer than half of them is ``check``. Where they are met, neither their
        number nor a budget that ended makes the result ``failed``.
    evidence
        What else is known.
    thresholds
        Limits other than the usual ones.

    Returns
    -------
    Verdict
        ``failed``, ``check`` or ``reliable``, each reason with its figure and limit. It cannot see a mode never drawn.
    """
    limits = Thresholds() if thresholds is None else thresholds
    known = Evidence() if evidence is None else evidence
    n_posterior = known.n_posterior
    failed: list[str] = []
    check: list[str] = []
    # What more or better draws would not change, or nobody asked for.
    stays: list[str] = []
    if known.closed_form_difference is not None:
        failed.append(
            f"the closed form of the parameters drawn conditionally differs from the likelihood by "
            f"{known.closed_form_difference:.3g}: use phase='network'"
        )
    ess = summary.effective_sample_size
    met = n_effective is not None and ess >= n_effective
    if known.unfinished is not None:
        (stays if met else failed).append(known.unfinished)
    if known.outermost is not None and not known.outermost[1] <= limits.outermost_failed:
        key, share = known.outermost
        failed.append(
            f"a share of {share:.3g} of the posterior, above {limits.outermost_failed:g}, lies so far out in the tail of the "
            f"prior of {key} that nothing can be drawn beyond it: use a wider prior of {key}"
        )

    # Tests read "not within", so that NaN never passes.
    def at_most(name: str, value: float, check_above: float, failed_above: float) -> None:
        if not value <= failed_above:
            failed.append(f"{name} is {value:.3g}, above {failed_above:g}")
        elif not value <= check_above:
            check.append(f"{name} is {value:.3g}, above {check_above:g}")

    if not math.isfinite(summary.log_evidence):
        failed.append(
            f"the log-evidence is {summary.log_evidence:.6g}, not finite: {summary.n_finite} of {summary.n_draws} draws have "
            "weight"
        )
    elif not math.isfinite(summary.log_evidence_err):
        failed.append(
            f"no error of the log-evidence {summary.log_evidence:.6g} can be given: {summary.n_draws} draws amount to "
            f"{ess:.3g} effective ones"
        )
    if not summary.largest_weight * summary.n_draws <= limits.even_weight:
        at_most("the Pareto k of the weights", summary.pareto_k, limits.pareto_k_check, limits.pareto_k_failed)
    at_most(
        "the largest weight's share of the total",
        summary.largest_weight,
        limits.largest_weight_check,
        limits.largest_weight_failed,
    )
    if known.nan_share is not None:
        name = "the share of rows inside the prior whose likelihood is no number (NaN)"
        at_most(name, known.nan_share, limits.nan_check, limits.nan_failed)
    # What was asked for is enough, however little it is; more of it nobody asked for.
    least = limits.effective_check if n_effective is None else min(limits.effective_check, n_effective)
    if not ess >= limits.effective_failed:
        (stays if met else failed).append(
            f"the number of effective draws is {ess:.4g}, below {limits.effective_failed:g}"
        )
    elif not ess >= least:
        check.append(f"the number of effective draws is {ess:.4g}, below {least:g}")
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
        enough = met and n_effective is not None and n_effective <= limits.posterior_check
        (stays if enough else check).append(
            f"the number of equal-weight posterior rows is {n_posterior}, below {limits.posterior_check}"
        )
    if known.outside is not None and not known.outside <= limits.outside_check:
        check.append(f"the share of draws outside the prior is {known.outside:.3g}, above {limits.outside_check:g}")
    if known.prior_part is not None and not known.prior_part <= limits.prior_part_check:
        check.append(
            f"the parts of the proposal disagree: a share of {known.prior_part:.3g} of the posterior, above "
            f"{limits.prior_part_check:g}, lies where the prior draws and the flow hardly does"
        )
    if known.unreached is not None and not known.unreached <= limits.unreached_check:
        check.append(
            f"the network cannot reach a share of {known.unreached:.3g} of the prior, above {limits.unreached_check:g}: "
            "weights are blind to what is there"
        )
    if known.missing_log_likelihood is not None and not known.missing_log_likelihood <= limits.missing_check:
        check.append(
            f"a template fits the data better than every draw, by {known.missing_log_likelihood:.3g} in log likelihood, "
            f"above {limits.missing_check:g}: a mode may be missing, or the data hold more than any signal of the prior"
        )
    if known.surprise is not None and not known.surprise.p_value >= limits.surprise_check:
        most = known.surprise.most
        where = f", {known.surprise.where}" if known.surprise.where else ""
        stays.append(
            f"the data are unlike what likelihood and prior describe (p-value {known.surprise.p_value:.2g}, below "
            f"{limits.surprise_check:g}): {IN_WORDS[most]} is {known.surprise.scores[most]:.3g}{UNITS[most]}{where}; the "
            "numbers are those of this likelihood, but signal, noise curve or noise may be other than it says"
        )
    if known.searched is not None:
        # A mode that holds a share s of the prior is missed by n draws with probability exp(-n s): 5% at 3 / n.
        missing = "a mode"
        if known.searched > 3:
            missing = f"a mode that fills less than {300 / known.searched:.1g}% of the prior's volume"
        check.append(
            f"no network is relied on, and {known.searched} draws from the prior are all that modes were looked for "
            f"with: {missing} may have been missed; compare with another sampler where there could be such"
            + _of_closed_form(known.compared)
        )
    grade: Literal["reliable", "check", "failed"] = "failed" if failed else "check" if check or stays else "reliable"
    return Verdict(grade, (*failed, *check, *stays), mendable=bool(failed or check))


def _of_closed_form(compared: int | None) -> str:
    """Say at how many draws from the prior the closed form was compared, and what part of the prior that leaves open."""
    if compared is None:
        return ""
    if not compared:
        return "; the closed form of what is drawn conditionally was not compared with the likelihood over the prior"
    return (
        f"; the closed form of what is drawn conditionally agreed with the likelihood at {compared} of them: a failure in "
        f"less than {300 / compared:.1g}% of the prior may have gone unnoticed"
    )
