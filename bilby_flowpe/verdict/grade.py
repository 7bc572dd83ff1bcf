"""Grade a result: all its checks, the worst of which decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..importance import WeightSummary
from .case import Case
from .checks import CHECKS
from .findings import Findings, Thresholds

Grade = Literal["reliable", "check", "failed"]

RANKS: dict[str, int] = {"reliable": 0, "check": 1, "failed": 2}
"""Grades from the best to the worst."""


@dataclass(frozen=True)
class Verdict:
    """A grade, and in words why it is not ``reliable`` (empty where it is).

    Attributes
    ----------
    grade, reasons
        The grade and its reasons.
    mendable
        Whether other draws could mend any of the reasons; what is said of the data they cannot.
    """

    grade: Grade
    reasons: tuple[str, ...] = ()
    mendable: bool = False


def judge(
    summary: WeightSummary,
    n_effective: int | None = None,
    findings: Findings | None = None,
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
    findings
        What else is known.
    thresholds
        Limits other than the usual ones.

    Returns
    -------
    Verdict
        ``failed``, ``check`` or ``reliable``, each reason with its figure and limit. It cannot see a mode never drawn.
    """
    case = Case(summary, findings or Findings(), thresholds or Thresholds(), n_effective)
    reasons = [reason for check in CHECKS if (reason := check.reason(case)) is not None]
    # What failed comes first, then what other draws could mend.
    reasons.sort(key=lambda reason: (-RANKS[reason.grade], not reason.mendable))
    grade: Grade = reasons[0].grade if reasons else "reliable"
    return Verdict(grade, tuple(reason.words for reason in reasons), any(reason.mendable for reason in reasons))
