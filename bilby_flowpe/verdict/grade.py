"""The grade of a result: all checks are made, and the worst decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..importance import WeightSummary
from .case import Case
from .checks import CHECKS
from .findings import Findings, Thresholds

Grade = Literal["reliable", "check", "failed"]

RANKS: dict[str, int] = {"reliable": 0, "check": 1, "failed": 2}
"""Order of the grades, as numbers from 0 for the best to 2 for the worst."""


@dataclass(frozen=True)
class Verdict:
    """A grade, and the reasons why it is not ``reliable`` (empty where it is).

    Attributes
    ----------
    grade, reasons
        The grade and its reasons.
    mendable
        Tells whether more draws could remove any of the reasons; they cannot remove a reason that lies in the data.
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
    """Grade a result by its weights; the worst figure decides.

    Parameters
    ----------
    summary
        Summary of the weights that the result is made of (a new batch, not the pilot batch).
    n_effective
        Requested number of effective draws, if there is one: fewer than half of it is ``check``. If it is reached, neither
        the number nor a budget that ended makes the result ``failed``.
    findings
        Everything else that is known of the result.
    thresholds
        Limits; by default the usual ones.

    Returns
    -------
    Verdict
        ``failed``, ``check`` or ``reliable``, each reason with its figure and limit. A mode that was never drawn cannot be
        seen.
    """
    case = Case(summary, findings or Findings(), thresholds or Thresholds(), n_effective)
    reasons = [reason for check in CHECKS if (reason := check.reason(case)) is not None]
    # Reasons of failure come first, then those that more draws could remove.
    reasons.sort(key=lambda reason: (-RANKS[reason.grade], not reason.mendable))
    grade: Grade = reasons[0].grade if reasons else "reliable"
    return Verdict(grade, tuple(reason.words for reason in reasons), any(reason.mendable for reason in reasons))
