"""Numbers in words: medians with their intervals, with as many digits as an interval can show."""

from __future__ import annotations

import numpy as np

_LARGE = 1e6  # GPS times, of which microseconds are shown
_DIGITS, _MOST_DIGITS = 5, 12


def number(value: float, width: float) -> str:
    """Return a number with so many digits that an interval of this width shows.

    A chirp mass is known to a part in ten thousand.
    """
    if abs(value) > _LARGE:
        return f"{value:.6f}"
    more = int(np.ceil(np.log10(abs(value) / width))) if value and width > 0 else 0
    return f"{value:.{min(max(_DIGITS, more + 3), _MOST_DIGITS)}g}"


def interval(values: np.ndarray) -> tuple[str, str]:
    """Return the median of values (N,), and their central interval of 90%, in words."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    width = high - low
    return number(middle, width), f"{number(low, width)} to {number(high, width)}"
