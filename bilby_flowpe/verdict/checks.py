"""All checks of a verdict, as one table.

The order of :data:`CHECKS` is that of the reasons; the table of checks in docs/usage.md is printed from it.
"""

from __future__ import annotations

import math

from .check import ALWAYS, Check

CLOSED_FORM = Check(
    "closed form for the parameters drawn conditionally, compared with the likelihood (of raw draws, `importance=False`; other "
    "runs start again without it)",
    lambda case: case.findings.closed_form_difference,
    "the closed form for the parameters drawn conditionally differs from the likelihood by {value:.3g}: use phase='network'",
    # This figure is only set if the comparison has failed.
    failed_at=ALWAYS,
    failed_words="differs by more than 0.001 and 1e-5 of the log likelihood, in any batch",
)
"""Check of the closed form, which draws without weights have to pass, too."""

_PARTIAL = "rows of the posterior that are [not evaluated](method.md#rows-that-are-not-evaluated), "
PARTIAL_WORDS = "the budget had room for "
"""First words of the reasons that these checks give; a reweighting that evaluates every row removes such reasons."""

_OF_PARTIAL = (
    f"{PARTIAL_WORDS}{{case.findings.partial.n_evaluated}} evaluations of the likelihood for "
    "{case.findings.partial.n_rows} rows of the posterior: "
)
_RAISE = "; raise max_time or max_likelihood_evaluations, or reweight the result"

PARTIAL_CHECKS = (
    Check(
        f"{_PARTIAL}number of evaluations",
        lambda case: case.partial("n_evaluated"),
        f"{_OF_PARTIAL}fewer than {{limit}} cannot show how far the other rows are off{_RAISE}",
        "partial_evaluated_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        f"{_PARTIAL}fraction of the effective draws that would be left if they were, minus two standard errors",
        lambda case: case.partial("efficiency_least"),
        f"{_OF_PARTIAL}with the likelihood of the others, a fraction of only {{value:.3g}} of the effective draws may be left "
        f"({{case.findings.partial.efficiency:.3g}} measured), below {{limit:g}}{_RAISE}",
        "partial_efficiency_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        f"{_PARTIAL}shift of a mean or a width by the missing likelihoods, in standard deviations, plus two standard errors",
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
        "the budget ended, or further rounds gained nothing",
        lambda case: None if case.findings.unfinished is None else 0.0,
        "{case.findings.unfinished}",
        failed_at=ALWAYS,
        lasting=lambda case: case.met,
        check_words="before the proposal was good enough, but with `n_effective` effective draws",
        failed_words="before that, with fewer effective draws",
    ),
    Check(
        "fraction of the posterior in the outermost 3e-14 of the quantiles of a prior, beyond which nothing can be drawn (not "
        "for parameters that are drawn by value)",
        lambda case: case.outermost,
        "a fraction of {value:.3g} of the posterior, above {limit:g}, lies so far out in the tail of the prior of "
        "{case.findings.outermost[0]} that nothing can be drawn beyond it: use a wider prior of {case.findings.outermost[0]}",
        failed_at="outermost_failed",
    ),
    Check(
        "evidence",
        lambda case: None if math.isfinite(case.summary.log_evidence) else case.summary.log_evidence,
        "the log-evidence is {value:.6g}, not finite: {case.summary.n_finite} of {case.summary.n_draws} draws have a weight "
        "above zero",
        failed_at=ALWAYS,
        failed_words="not finite",
    ),
    Check(
        "error of the evidence",
        lambda case: case.infinite_error,
        "no error of the log-evidence {case.summary.log_evidence:.6g} can be given: {case.summary.n_draws} draws amount to "
        "{case.summary.effective_sample_size:.3g} effective ones",
        failed_at=ALWAYS,
        failed_words="infinite: fewer than 10 effective draws",
    ),
    Check(
        "Pareto index of the weights' tail, where the largest weight is above ten times the mean",
        lambda case: case.summary.pareto_k if case.uneven else None,
        "the Pareto k of the weights is {value:.3g}, above {limit:g}",
        "pareto_k_check",
        "pareto_k_failed",
    ),
    Check(
        "largest weight, as a fraction of all",
        lambda case: case.summary.largest_weight,
        "the largest weight is a fraction of {value:.3g} of the total, above {limit:g}",
        "largest_weight_check",
        "largest_weight_failed",
    ),
    Check(
        "likelihood that is not a number (NaN), fraction of all rows inside the prior",
        lambda case: case.findings.nan_share,
        "the fraction of rows inside the prior whose likelihood is not a number (NaN) is {value:.3g}, above {limit:g}",
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
        check_words="below 1000, or below `n_effective` if that is less; below 100 if `n_effective` was reached",
        failed_words="below 100, and below `n_effective`",
    ),
    Check(
        "effective samples, if `n_effective` is large",
        lambda case: case.enough_effective,
        "the number of effective draws is {value:.4g}, below {case.limits.requested_fraction:g} times n_effective="
        "{case.n_effective}",
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
        "fraction of draws outside the prior",
        lambda case: case.findings.outside,
        "the fraction of draws outside the prior is {value:.3g}, above {limit:g}",
        "outside_check",
    ),
    Check(
        "fraction of the posterior that the prior part of the proposal draws",
        lambda case: case.findings.prior_part,
        "the parts of the proposal disagree: a fraction of {value:.3g} of the posterior, above {limit:g}, lies where draws "
        "come from the prior and hardly any from the flow",
        "prior_part_check",
    ),
    Check(
        "fraction of the prior that the network cannot reach",
        lambda case: case.findings.unreached,
        "the network cannot reach a fraction of {value:.3g} of the prior, above {limit:g}: a posterior there would go "
        "unnoticed",
        "unreached_check",
    ),
    Check(
        "efficiency of the ratio of the likelihood to the [coarse one](method.md#coarse-likelihoods-and-thinning)",
        lambda case: case.findings.coarse_efficiency,
        "the coarse likelihood differs too much from the likelihood: their ratio has an efficiency of {value:.3g}, below "
        "{limit:g}; use coarse=False",
        "coarse_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        "draws for which the coarse likelihood is zero and the likelihood is not, fraction of all inside the prior",
        lambda case: case.findings.coarse_lost,
        "the coarse likelihood is zero for a fraction of {value:.3g} of the draws inside the prior, above {limit:g}, for which "
        "the likelihood is not: a posterior there would go unnoticed; use coarse=False",
        "coarse_lost_check",
        lasting=lambda case: True,
    ),
    *PARTIAL_CHECKS,
    Check(
        "log likelihood by which a template fits the data better than every draw",
        lambda case: case.findings.missing_log_likelihood,
        "a template fits the data better than every draw, by {value:.3g} in log likelihood, above {limit:g}: a mode may be "
        "missing, or the data hold more than any signal of the prior",
        "missing_check",
        check_words="above 8",
    ),
    Check(
        "data unlike what likelihood and prior describe ([surprise](method.md#surprise)), p-value",
        lambda case: case.p_value,
        "the data are unlike what likelihood and prior describe (p-value {case.p_value_words}, required {limit:g}): "
        "{case.most_surprising}; the result is correct for this likelihood, but signal, PSD or noise may differ from what it "
        "assumes",
        "surprise_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        "noise in the band of the signal compared with its PSD ([drift factor](method.md#noise-near-the-event)), p-value",
        lambda case: case.noise_p_value,
        "the noise in the band of the signal does not follow its PSD (p-value {case.noise_p_value_words}, required {limit:g}); "
        "amplitude relative to the PSD: {case.noise_scales}; widths of the posterior are wrong by this factor: "
        "use another PSD, or a likelihood of bilby_flowpe.noise with a free factor of the noise",
        "noise_scale_check",
        least=True,
        lasting=lambda case: True,
    ),
    Check(
        "missed modes, unless a network has learnt all modes: probability that a [mode](method.md#modes-that-were-missed) with "
        "more than 1% of the posterior would have gone unnoticed",
        lambda case: case.missed,
        "the search for modes ({case.findings.completeness.looked}) can miss one: "
        "{case.findings.completeness.words} (above {limit:g}); {case.remedy}compare with another sampler if such a mode is "
        "possible{case.closed_form_over_prior}",
        "missed_check",
        lasting=lambda case: case.findings.completeness is None or not case.findings.completeness.mendable,
    ),
)
"""All checks, in the order in which reasons are listed."""
