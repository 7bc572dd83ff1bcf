"""What changes in a posterior from one set of weights to another."""

from __future__ import annotations

import numpy as np
from bilby.core.result import Result
from pandas import DataFrame

_LEVELS = 0.16, 0.5, 0.84
"""Ends of an interval of 68%, and the median."""


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: tuple[float, ...] = _LEVELS) -> np.ndarray:
    """Quantiles of weighted draws, half of a draw's weight on either side of it.

    Parameters
    ----------
    values, weights
        Of the draws, (N,).
    levels
        Between 0 and 1.
    """
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return np.interp(levels, (below - weights[order] / 2) / below[-1], values[order])


def moved(one: Result, other: Result) -> dict[str, tuple[float, float]]:
    """Shift of each parameter's median in standard deviations of ``one``, and the ratio of the widths, by 68% intervals."""
    changes = {}
    for key in one.search_parameter_keys:
        before, after = (_quantiles(result.nested_samples, key) for result in (one, other))
        width = float(before[2] - before[0]) / 2
        if width > 0:
            changes[key] = (float(after[1] - before[1]) / width, float(after[2] - after[0]) / 2 / width)
    return changes


def _quantiles(table: DataFrame, key: str) -> np.ndarray:
    return weighted_quantiles(table[key].to_numpy(dtype=float), table["weights"].to_numpy(dtype=float))
