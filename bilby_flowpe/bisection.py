"""The last value at which a condition holds, by halving."""

from __future__ import annotations

from collections.abc import Callable


def last_that_holds(holds: Callable[[float], bool], low: float, high: float, halvings: int = 40) -> float:
    """Return the largest value up to which a condition holds, to 1e-12 of the range unless asked for otherwise.

    Parameters
    ----------
    holds
        The condition: it holds below some value, and not above.
    low, high
        A value at which it is taken to hold, and one at which it does not.
    halvings
        Of the range.
    """
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
