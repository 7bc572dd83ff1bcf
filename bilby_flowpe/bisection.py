"""Bisection: the last value at which a condition holds."""

from __future__ import annotations

from collections.abc import Callable


def last_that_holds(holds: Callable[[float], bool], low: float, high: float, halvings: int = 40) -> float:
    """Return the largest value up to which a condition holds, to 1e-12 of the range by default.

    Parameters
    ----------
    holds
        Condition that holds below some value, and not above it.
    low, high
        A value at which the condition is assumed to hold, and one at which it is not.
    halvings
        Number of times that the range is halved.
    """
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
