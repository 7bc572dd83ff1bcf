"""The verdict: a grade for a set of importance weights, with every reason in words.

To read first: :mod:`.checks`, the table of all checks; :mod:`.check`, what a check is; and :mod:`.grade`, how the
worst one decides.

To add a check, add a row to ``CHECKS``, with a test in which it fails on a result that is wrong on purpose, and run
``python docs/tables.py --write``.
"""

from .findings import Findings, Thresholds
from .grade import Verdict, judge

__all__ = ["Findings", "Thresholds", "Verdict", "judge"]
