"""The verdict: a grade for a set of importance weights, with every reason in words."""

from .findings import Findings, Thresholds
from .grade import Verdict, judge

__all__ = ["Findings", "Thresholds", "Verdict", "judge"]
