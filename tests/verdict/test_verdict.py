"""Tests of all limits of the verdict, and of its reasons in words."""

from __future__ import annotations

import dataclasses
import math

import pytest

from bilby_flowpe.importance import WeightSummary
from bilby_flowpe.noise_scale import NoiseScale
from bilby_flowpe.surprise import DISTANCE, Surprise
from bilby_flowpe.verdict import Findings, Thresholds, judge
from bilby_flowpe.verdict.checks import CHECKS, Check
from bilby_flowpe.verdict.completeness import Completeness
from bilby_flowpe.verdict.partial import Partial
from tests.weights import good


@pytest.mark.parametrize(
    ("change", "grade", "word"),
    [
        ({"pareto_k": 0.71, "largest_weight": 0.04}, "check", "above 0.7"),
        ({"pareto_k": 1.01, "largest_weight": 0.04}, "failed", "above 1"),
        ({"pareto_k": math.nan, "largest_weight": 0.04}, "failed", "Pareto"),
        ({"largest_weight": 0.06}, "check", "above 0.05"),
        ({"largest_weight": 0.21}, "failed", "above 0.2"),
        ({"effective_sample_size": 999.0}, "check", "below 1000"),
        ({"effective_sample_size": 99.0}, "failed", "below 100"),
        ({"efficiency": 0.009}, "check", "below 0.01"),
        ({"log_evidence": math.nan}, "failed", "not finite"),
        ({"log_evidence_err": math.inf}, "failed", "no error of the log-evidence"),
    ],
)
def test_every_limit_of_the_verdict(change: dict[str, float], grade: str, word: str) -> None:
    """A single bad figure changes the grade, and the reason names it."""
    verdict = judge(dataclasses.replace(good(), **change))
    assert verdict.grade == grade
    assert len(verdict.reasons) == 1
    assert word in verdict.reasons[0]


def test_verdict_on_what_was_asked_for() -> None:
    """Requested effective draws, posterior rows, other thresholds."""
    run = dataclasses.replace(good(), effective_sample_size=2000.0)
    assert judge(run, n_effective=4000).grade == "reliable"
    # As many as were asked for are enough; of fewer than a hundred nobody can say much, and no round of refinement mends that.
    few = dataclasses.replace(good(), effective_sample_size=600.0)
    assert judge(few, n_effective=600).grade == "reliable"
    assert judge(few, n_effective=601).mendable and judge(few).mendable
    assert "600, below 601" in judge(few, n_effective=601).reasons[0]
    very_few = dataclasses.replace(few, effective_sample_size=60.0)
    assert judge(very_few, n_effective=50).grade == "check" and not judge(very_few, n_effective=50).mendable
    assert judge(very_few, n_effective=61).grade == "failed"
    # Nor do few posterior rows, where no more were asked for.
    rows = Findings(n_posterior=40)
    assert not judge(very_few, n_effective=50, findings=rows).mendable
    assert judge(few, n_effective=500, findings=rows).mendable
    assert "n_effective=4001" in judge(run, n_effective=4001).reasons[0]
    assert judge(run, findings=Findings(n_posterior=100)).grade == "reliable"
    assert judge(run, findings=Findings(n_posterior=99)).grade == "check"
    assert judge(run, findings=Findings(n_posterior=0)).grade == "failed"
    assert judge(run, thresholds=Thresholds(effective_check=2001.0)).grade == "check"


@pytest.mark.parametrize(("effective", "grade"), [(2000.0, "check"), (1999.0, "failed")])
def test_a_budget_that_ended_with_what_was_asked_for_is_no_failure(effective: float, grade: str) -> None:
    """No round of refinement mends it."""
    run = dataclasses.replace(good(), effective_sample_size=effective)
    verdict = judge(run, n_effective=2000, findings=Findings(unfinished="the budget ended"))
    assert verdict.grade == grade
    assert verdict.reasons == ("the budget ended",)
    assert verdict.mendable == (grade == "failed")


@pytest.mark.parametrize(("chance", "grade"), [(0.0099, "reliable"), (0.011, "check"), (math.nan, "check")])
def test_a_mode_that_may_have_been_missed(chance: float, grade: str) -> None:
    found = Completeness(chance, "3000 draws", "no narrower than those found")
    assert judge(good(), findings=Findings(completeness=found)).grade == grade


@pytest.mark.parametrize(
    ("known", "grade", "word"),
    [
        ({"outside": 0.91}, "check", "outside the prior is 0.91, above 0.9"),
        ({"prior_part": 0.11}, "check", "parts of the proposal disagree: a fraction of 0.11"),
        ({"unreached": 0.02}, "check", "cannot reach a fraction of 0.02 of the prior, above 0.01"),
        ({"missing_log_likelihood": 8.1}, "check", "by 8.1 in log likelihood, above 8"),
        ({"missing_log_likelihood": math.nan}, "check", "log likelihood"),
        ({"unfinished": "the budget max_time=5 s ended"}, "failed", "the budget max_time=5 s ended"),
        ({"nan_share": 0.01}, "check", "whose likelihood is not a number (NaN) is 0.01, above 0.001"),
        ({"nan_share": 0.5}, "failed", "whose likelihood is not a number (NaN) is 0.5, above 0.05"),
        (
            {"outermost": ("a", 0.5)},
            "failed",
            "a fraction of 0.5 of the posterior, above 0.001, lies so far out in the tail of the prior of a that",
        ),
        (
            {"completeness": Completeness(1.0, "3000 draws from the prior")},
            "check",
            "3000 draws from the prior) can miss one: a mode of more than 1% of the posterior may have been missed",
        ),
        ({"closed_form_difference": 0.2}, "failed", "differs from the likelihood by 0.2"),
    ],
)
def test_what_else_is_known_turns_the_grade(known: dict, grade: str, word: str) -> None:
    verdict = judge(good(), findings=Findings(**known))
    assert verdict.grade == grade
    assert len(verdict.reasons) == 1
    assert word in verdict.reasons[0]


def test_the_tail_of_even_weights_is_not_asked_for_its_index() -> None:
    """The index only counts if the largest weight is above ten times the mean."""
    run = dataclasses.replace(good(), pareto_k=0.9)
    even = dataclasses.replace(run, largest_weight=10.0 / run.n_draws)
    assert judge(even).grade == "reliable"
    uneven = dataclasses.replace(run, largest_weight=10.1 / run.n_draws)
    assert judge(uneven).grade == "check"
    assert judge(dataclasses.replace(even, largest_weight=math.nan)).grade == "failed"


def test_harmless_figures_do_not() -> None:
    known = Findings(n_posterior=5000, outside=0.5, prior_part=0.05, missing_log_likelihood=-3.0)
    assert judge(good(), findings=known).grade == "reliable"


def test_reasons_put_the_worst_first() -> None:
    """Reasons of failed checks come before those of "check"."""
    verdict = judge(dataclasses.replace(good(), efficiency=0.001, largest_weight=0.5))
    assert verdict.grade == "failed"
    assert "largest weight" in verdict.reasons[0]
    assert "efficiency" in verdict.reasons[1]


SURPRISE = Surprise(1e-5, {DISTANCE: 1e-5}, {DISTANCE: 300.0}, "in H1 around 60 Hz")
_PARTIAL = {"partial": Partial(150, 5000, 0.975, 0.97, 0.04, 0.06, "the mean of mass_ratio")}
_PARTLY = "the budget had room for 150 evaluations of the likelihood for 5000 rows of the posterior: "
_RAISE = "; raise max_time or max_likelihood_evaluations, or reweight the result"
EVERYTHING = (
    (
        {"closed_form_difference": 0.2},
        "the closed form for the parameters drawn conditionally differs from the likelihood by 0.2: use phase='network'",
    ),
    ({"unfinished": "the budget {max_time} ended"}, "the budget {max_time} ended"),
    (
        {"outermost": ("a", 0.5)},
        "a fraction of 0.5 of the posterior, above 0.001, lies so far out in the tail of the prior of a that nothing can be "
        "drawn beyond it: use a wider prior of a",
    ),
    (
        {"log_evidence": -math.inf, "n_finite": 7, "n_draws": 100},
        "the log-evidence is -inf, not finite: 7 of 100 draws have a weight above zero",
    ),
    ({"pareto_k": 1.5}, "the Pareto k of the weights is 1.5, above 1"),
    ({"largest_weight": 0.5}, "the largest weight is a fraction of 0.5 of the total, above 0.2"),
    (
        {"nan_share": 0.5},
        "the fraction of rows inside the prior whose likelihood is not a number (NaN) is 0.5, above 0.05",
    ),
    ({"effective_sample_size": 12.345}, "the number of effective draws is 12.35, below 100"),
    ({"n_posterior": 0}, "the posterior has no rows"),
    ({"efficiency": 0.001}, "the sample efficiency is 0.001, below 0.01"),
    ({"outside": 0.95}, "the fraction of draws outside the prior is 0.95, above 0.9"),
    (
        {"prior_part": 0.11},
        "the parts of the proposal disagree: a fraction of 0.11 of the posterior, above 0.1, lies where draws come "
        "from the prior and hardly any from the flow",
    ),
    (
        {"unreached": 0.02},
        "the network cannot reach a fraction of 0.02 of the prior, above 0.01: a posterior there would go unnoticed",
    ),
    (
        {"missing_log_likelihood": 8.1},
        "a template fits the data better than every draw, by 8.1 in log likelihood, above 8: a mode may be missing, or the "
        "data hold more than any signal of the prior",
    ),
    (
        {"coarse_efficiency": 0.2},
        "the coarse likelihood differs too much from the likelihood: their ratio has an efficiency of 0.2, below 0.3; "
        "use coarse=False",
    ),
    (
        {"coarse_lost": 0.01},
        "the coarse likelihood is zero for a fraction of 0.01 of the draws inside the prior, above 0.001, for which the "
        "likelihood is not: a posterior there would go unnoticed; use coarse=False",
    ),
    (_PARTIAL, _PARTLY + "fewer than 200 cannot show how far the other rows are off" + _RAISE),
    (
        _PARTIAL,
        _PARTLY + "with the likelihood of the others, a fraction of only 0.97 of the effective draws may be left (0.975 "
        "measured), below 0.98" + _RAISE,
    ),
    (
        _PARTIAL,
        _PARTLY + "without the likelihood of the others the mean of mass_ratio may be off by 0.06 standard deviations (0.04 "
        "measured), above 0.05" + _RAISE,
    ),
    (
        {"surprise": SURPRISE},
        "the data are unlike what likelihood and prior describe (p-value 1e-05, required 0.005): the distance of the data from "
        "those simulated is 300, in H1 around 60 Hz; the result is correct for this likelihood, but signal, PSD or noise "
        "may differ from what it assumes",
    ),
    (
        {"noise_scales": {"H1": NoiseScale(1.0, 0.04, 0.9, 31, 240), "L1": NoiseScale(0.8, 0.04, 5e-5, 30, 260)}},
        "the noise in the band of the signal does not follow its PSD (p-value 0.0001, required 0.005); amplitude "
        "relative to the PSD: H1 1.00 +- 0.04 (31 to 240 Hz), L1 0.80 +- 0.04 (30 to 260 Hz); "
        "widths of the posterior are wrong by this "
        "factor: use another PSD, or a likelihood of bilby_flowpe.noise with a free factor of the noise",
    ),
    (
        {"completeness": Completeness(0.2, "3000 draws", "of any place"), "compared": 300},
        "the search for modes (3000 draws) can miss one: a mode of more than 1% of the "
        "posterior, of any place, would have gone unnoticed, if there is one, with a probability of 0.2 (above 0.01); "
        "compare with another sampler if such a mode is possible; the closed form for the parameters drawn conditionally "
        "agreed with the likelihood at 300 of them: a failure in less than 1% of the prior may have gone unnoticed",
    ),
)  # fmt: skip
"""Figures out of their limits and the reason that each gives, in the order of the reasons."""


def test_every_reason_in_full_and_in_order() -> None:
    changes = {key: value for change, _ in EVERYTHING for key, value in change.items()}
    of_weights = {field.name for field in dataclasses.fields(WeightSummary)}
    run = dataclasses.replace(good(), **{key: value for key, value in changes.items() if key in of_weights})
    known = Findings(**{key: value for key, value in changes.items() if key not in of_weights})
    verdict = judge(run, findings=known)
    assert verdict.reasons == tuple(words for _, words in EVERYTHING)
    assert verdict.grade == "failed" and verdict.mendable


def test_every_check_has_its_case() -> None:
    """Three speak where another one of the same figure does not: two grades of a figure have one row there."""
    assert len(CHECKS) == len(EVERYTHING) + 3
    assert len({check.figure for check in CHECKS}) == len(CHECKS)


def test_of_one_figure_one_check_speaks() -> None:
    run = dataclasses.replace(good(), log_evidence=math.nan, log_evidence_err=math.inf)
    assert len(judge(run, findings=Findings(n_posterior=0)).reasons) == 2
    few = dataclasses.replace(good(), effective_sample_size=math.nan)
    assert judge(few, n_effective=10_000).reasons == ("the number of effective draws is nan, below 100",)


def test_limits_are_fields_of_the_thresholds() -> None:
    """Each threshold is the limit of a check, except for three, which make a limit with others."""
    names = {field.name for field in dataclasses.fields(Thresholds)}
    used = {limit for check in CHECKS for limit in (check.check_at, check.failed_at) if isinstance(limit, str)}
    assert names - used == {"even_weight", "effective_check", "requested_fraction"}
    assert used <= names


def test_a_check_without_words_for_its_limit_is_not_documented() -> None:
    with pytest.raises(TypeError, match="the limit of 'height' has no words"):
        Check("height", lambda case: 1.0, "", check_at=2.0).in_docs()
    assert Check("height", lambda case: 1.0, "", "outside_check", least=True).in_docs() == ("height", "below 0.9", "")
