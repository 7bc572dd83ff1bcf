"""The checks that a verdict is made of, as one table.

The order of :data:`CHECKS` is that of the reasons; the table of checks in docs/usage.md is printed from it.
"""

from __future__ import annotations

import math

from .check import ALWAYS, Check

CLOSED_FORM = Check(
    "closed form of what is drawn conditionally, against the likelihood; with `importance=True` the run goes on without it "
    "instead",
    lambda case: case.findings.closed_form_difference,
    "the closed form of the parameters drawn conditionally differs from the likelihood by {value:.3g}: use phase='network'",
    # What is handed over has failed the comparison already.
    failed_at=ALWAYS,
    failed_words="differs by more than 0.001 and 1e-5 of the log likelihood, in any batch",
)
"""The check of the closed form, which draws without weights have to pass, too."""

_PARTIAL = "rows of the posterior that are [not evaluated](method.md#where-time-does-not-last), "
PARTIAL_WORDS = "the budget had room for "
"""What the reasons of these checks begin with: they end where every row is evaluated."""

_OF_PARTIAL = (
    f"{PARTIAL_WORDS}{{case.findings.partial.n_evaluated}} evaluations of the likelihood for "
    "{case.findings.partial.n_rows} rows of the posterior: "
)
_RAISE = "; raise max_time or max_likelihood_evaluations, or reweight the result"

PARTIAL_CHECKS = (
    Check(
        f"{_PARTIAL}evaluations that tell what they lack",
        lambda case: case.partial("n_evaluated"),
        f"{_OF_PARTIAL}fewer than {{limit}} do not tell what the others lack{_RAISE}",
        "partial_evaluated_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        f"{_PARTIAL}share of the effective draws that they leave, less two standard errors",
        lambda case: case.partial("efficiency_least"),
        f"{_OF_PARTIAL}without the likelihood the others may leave a share of no more than {{value:.3g}} of the effective "
        f"draws ({{case.findings.partial.efficiency:.3g}} measured), below {{limit:g}}{_RAISE}",
        "partial_efficiency_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        f"{_PARTIAL}shift of a mean or a width by them, in standard deviations, with two standard errors",
        lambda case: case.partial("shift_most"),
        f"{_OF_PARTIAL}without the likelihood of the others {{case.findings.partial.of}} may be off by {{value:.2g}} standard "
        f"deviations ({{case.findings.partial.shift:.2g}} measured), above {{limit:g}}{_RAISE}",
        "partial_shift_check",
        lasting=lambda case: True,
    ),
)
"""Checks of a result whose rows are not all evaluated."""

CHECKS = (
    CLOSED_FORM,
    Check(
        "budget, or rounds that gain nothing",
        lambda case: None if case.findings.unfinished is None else 0.0,
        "{case.findings.unfinished}",
        failed_at=ALWAYS,
        lasting=lambda case: case.met,
        check_words="ended before the proposal was good enough, with `n_effective` effective draws",
        failed_words="the same with fewer",
    ),
    Check(
        "posterior in the last 3e-14 of the quantiles of a prior, beyond which no draw can lie, share (not of parameters drawn "
        "by value)",
        lambda case: case.outermost,
        "a share of {value:.3g} of the posterior, above {limit:g}, lies so far out in the tail of the prior of "
        "{case.findings.outermost[0]} that nothing can be drawn beyond it: use a wider prior of {case.findings.outermost[0]}",
        failed_at="outermost_failed",
    ),
    Check(
        "evidence",
        lambda case: None if math.isfinite(case.summary.log_evidence) else case.summary.log_evidence,
        "the log-evidence is {value:.6g}, not finite: {case.summary.n_finite} of {case.summary.n_draws} draws have weight",
        failed_at=ALWAYS,
        failed_words="not finite",
    ),
    Check(
        "error of the evidence",
        lambda case: case.infinite_error,
        "no error of the log-evidence {case.summary.log_evidence:.6g} can be given: {case.summary.n_draws} draws amount to "
        "{case.summary.effective_sample_size:.3g} effective ones",
        failed_at=ALWAYS,
        failed_words="infinite: of fewer than 10 effective draws",
    ),
    Check(
        "Pareto index of the weights' tail, where the largest weight is above ten times the mean",
        lambda case: case.summary.pareto_k if case.uneven else None,
        "the Pareto k of the weights is {value:.3g}, above {limit:g}",
        "pareto_k_check",
        "pareto_k_failed",
    ),
    Check(
        "largest weight, share of all",
        lambda case: case.summary.largest_weight,
        "the largest weight's share of the total is {value:.3g}, above {limit:g}",
        "largest_weight_check",
        "largest_weight_failed",
    ),
    Check(
        "likelihood that is no number (NaN), share of all rows inside the prior",
        lambda case: case.findings.nan_share,
        "the share of rows inside the prior whose likelihood is no number (NaN) is {value:.3g}, above {limit:g}",
        "nan_check",
        "nan_failed",
    ),
    Check(
        "effective samples",
        lambda case: case.summary.effective_sample_size,
        "the number of effective draws is {value:.4g}, below {limit:g}",
        lambda case: case.least_effective,
        "effective_failed",
        least=True,
        lasting=lambda case: case.met,
        check_words="below 1000, or below `n_effective` where that is less; below 100 where that many were asked for",
        failed_words="below 100, and below `n_effective`",
    ),
    Check(
        "effective samples, where many were asked for",
        lambda case: case.enough_effective,
        "the number of effective draws is {value:.4g}, below {case.limits.requested_fraction:g} of the {case.n_effective} "
        "asked for",
        lambda case: case.limits.requested_fraction * (case.n_effective or 0),
        least=True,
        check_words="below half of `n_effective`",
    ),
    Check(
        "efficiency",
        lambda case: case.summary.efficiency,
        "the sample efficiency is {value:.3g}, below {limit:g}",
        "efficiency_check",
        least=True,
    ),
    Check(
        "posterior",
        lambda case: case.findings.n_posterior,
        "the posterior has no rows",
        failed_at=1,
        least=True,
        failed_words="no rows",
    ),
    Check(
        "equal-weight samples, before no more than `n_posterior` are kept",
        lambda case: case.findings.n_posterior or None,
        "the number of equal-weight posterior rows is {value}, below {limit}",
        "posterior_check",
        least=True,
        lasting=lambda case: case.few_asked,
    ),
    Check(
        "draws outside the prior, share",
        lambda case: case.findings.outside,
        "the share of draws outside the prior is {value:.3g}, above {limit:g}",
        "outside_check",
    ),
    Check(
        "posterior that falls to the prior's part of the proposal, share",
        lambda case: case.findings.prior_part,
        "the parts of the proposal disagree: a share of {value:.3g} of the posterior, above {limit:g}, lies where the prior "
        "draws and the flow hardly does",
        "prior_part_check",
    ),
    Check(
        "prior that the network cannot reach, share",
        lambda case: case.findings.unreached,
        "the network cannot reach a share of {value:.3g} of the prior, above {limit:g}: weights are blind to what is there",
        "unreached_check",
    ),
    Check(
        "efficiency of the ratio of the likelihood to the [coarse one](method.md#coarse-likelihoods-and-thinning)",
        lambda case: case.findings.coarse_efficiency,
        "the coarse likelihood that has drawn differs from the likelihood: their ratio has an efficiency of {value:.3g}, below "
        "{limit:g}; use coarse=False",
        "coarse_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        "draws for which the coarse likelihood is zero and the likelihood is not, share of all inside the prior",
        lambda case: case.findings.coarse_lost,
        "the coarse likelihood is zero at a share of {value:.3g} of the draws inside the prior, above {limit:g}, where the "
        "likelihood is not: weights are blind to what is there; use coarse=False",
        "coarse_lost_check",
        lasting=lambda case: True,
    ),
    *PARTIAL_CHECKS,
    Check(
        "a template fits the data better than every draw, log likelihood",
        lambda case: case.findings.missing_log_likelihood,
        "a template fits the data better than every draw, by {value:.3g} in log likelihood, above {limit:g}: a mode may be "
        "missing, or the data hold more than any signal of the prior",
        "missing_check",
        check_words="by more than 8",
    ),
    Check(
        "data unlike what likelihood and prior describe ([surprise](method.md#surprise)), p-value",
        lambda case: case.p_value,
        "the data are unlike what likelihood and prior describe (p-value {value:.2g}, below {limit:g}): "
        "{case.most_surprising}; the numbers are those of this likelihood, but signal, noise curve or noise "
        "may be other than it says",
        "surprise_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        "noise in the band of the signal over its curve ([drift factor](method.md#noise-near-the-event)), p-value",
        lambda case: case.noise_p_value,
        "the noise in the band of the signal is not that of its curve (p-value {value:.2g}, below {limit:g}); amplitude over "
        "the "
        "curve: {case.noise_scales}; widths are wrong by this factor, use another curve, or a likelihood of bilby_flowpe.noise "
        "that takes a factor",
        "noise_scale_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        "modes that were missed, where no network has learnt all of them: probability that "
        "[one](method.md#modes-that-were-missed) of more than a hundredth of the posterior would have gone unnoticed",
        lambda case: case.missed,
        "no network has learnt all modes, and modes were looked for with {case.findings.completeness.looked}: "
        "{case.findings.completeness.words} (above {limit:g}); {case.remedy}compare with another sampler where there could "
        "be such{case.closed_form_over_prior}",
        "missed_check",
        lasting=lambda case: case.findings.completeness is None or not case.findings.completeness.mendable,
    ),
)
"""All checks, in the order of the reasons."""
