"""A check of a verdict: a figure, its limits, and the words of the reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .case import Case
from .findings import Thresholds

ALWAYS = math.nan
"""Limit that every value exceeds (NaN: no comparison with it is true)."""


Limit = str | float | Callable[[Case], float] | None
"""Name of a field of :class:`Thresholds`, a number, or a function of the result; ``None`` if there is no such limit."""


@dataclass(frozen=True)
class Reason:
    """A reason why a result is not ``reliable``.

    Attributes
    ----------
    grade
        Grade that the result gets for this reason.
    words
        The reason with its figure and limit.
    mendable
        Tells whether more or better draws could remove the reason.
    """

    grade: Literal["check", "failed"]
    words: str
    mendable: bool


@dataclass(frozen=True)
class Check:
    """A figure of a result with its limits.

    Attributes
    ----------
    figure
        Name of the figure, as the documentation writes it.
    value
        Function that gives the figure of a result; ``None`` where it is not known, or belongs to another check.
    words
        Template of the reason, with the ``value``, the ``limit`` and the ``case`` to be filled in.
    check_at, failed_at
        Limits beyond which the result is ``check`` or ``failed``.
    least
        Tells whether the limits are the smallest allowed values, instead of the largest.
    lasting
        Function that tells whether other draws could not change the reason, or as many as requested are there: the grade is
        ``check`` then, and never ``failed``.
    check_words, failed_words
        The limits in the words of the documentation, where these say more than the number.
    """

    figure: str
    value: Callable[[Case], float | None]
    words: str
    check_at: Limit = None
    failed_at: Limit = None
    least: bool = False
    lasting: Callable[[Case], bool] = lambda case: False
    check_words: str | None = None
    failed_words: str | None = None

    def reason(self, case: Case) -> Reason | None:
        """Return the reason that this figure gives; ``None`` where it is within its limits or not known."""
        value = self.value(case)
        if value is None:
            return None
        grades: tuple[tuple[Literal["failed", "check"], Limit], ...] = (
            ("failed", self.failed_at),
            ("check", self.check_at),
        )
        for grade, of_grade in grades:
            if of_grade is None:
                continue
            limit = _number(of_grade, case)
            # The test reads "not within", so that NaN never passes.
            if not (value >= limit if self.least else value <= limit):
                words = self.words.format(value=value, limit=limit, case=case)
                return Reason("check", words, False) if self.lasting(case) else Reason(grade, words, True)
        return None

    def in_docs(self) -> tuple[str, str, str]:
        """Return the figure and both usual limits, in the words of the documentation."""

        def cell(words: str | None, limit: Limit) -> str:
            if words is not None or limit is None:
                return words or ""
            if not isinstance(limit, str):
                raise TypeError(f"the limit of {self.figure!r} has no words for the documentation")
            return f"{'below' if self.least else 'above'} {getattr(Thresholds(), limit):g}"

        return self.figure, cell(self.check_words, self.check_at), cell(self.failed_words, self.failed_at)


def _number(limit: str | float | Callable[[Case], float], case: Case) -> float:
    if isinstance(limit, str):
        return getattr(case.limits, limit)
    return limit(case) if callable(limit) else limit
