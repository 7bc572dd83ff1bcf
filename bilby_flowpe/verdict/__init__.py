"""The verdict: one word on a set of importance weights, and every reason for it in words."""

from .findings import Findings, Thresholds
from .grade import Verdict, judge

__all__ = ["Findings", "Thresholds", "Verdict", "judge"]
