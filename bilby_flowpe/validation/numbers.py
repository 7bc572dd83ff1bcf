"""Numbers as text: medians with their intervals, with as many digits as the width of an interval requires."""

from __future__ import annotations

import numpy as np

# Numbers above this are GPS times in seconds, of which microseconds are shown.
_LARGE = 1e6
# Least and largest number of significant digits: five are readable in a table; narrow intervals get more, up to twelve,
# so that their ends differ.
_DIGITS, _MOST_DIGITS = 5, 12


def number(value: float, width: float) -> str:
    """Return a number with as many digits as an interval of this width requires.

    The chirp mass of a light binary, for instance, is known to a part in ten thousand.

    A chirp mass is known to a part in ten thousand.
    """
    if abs(value) > _LARGE:
        return f"{value:.6f}"
    more = int(np.ceil(np.log10(abs(value) / width))) if value and width > 0 else 0
    return f"{value:.{min(max(_DIGITS, more + 3), _MOST_DIGITS)}g}"


def interval(values: np.ndarray) -> tuple[str, str]:
    """Return the median of values (N,), and their central 90% interval, as text."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    width = high - low
    return number(middle, width), f"{number(low, width)} to {number(high, width)}"
