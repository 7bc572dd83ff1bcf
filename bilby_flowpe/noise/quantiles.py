"""Changes of a posterior from one set of weights to another."""

from __future__ import annotations

import numpy as np
from bilby.core.result import Result
from pandas import DataFrame

_LEVELS = 0.16, 0.5, 0.84
"""Quantile levels: the median, and the ends of the interval of 68%, which is one standard deviation for a normal density."""


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: tuple[float, ...] = _LEVELS) -> np.ndarray:
    """Return quantiles of weighted draws, with half of a draw's weight on either side of it.

    Parameters
    ----------
    values, weights
        Values and weights of the draws, (N,) each.
    levels
        Quantile levels between 0 and 1.
    """
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return np.interp(levels, (below - weights[order] / 2) / below[-1], values[order])


def moved(one: Result, other: Result) -> dict[str, tuple[float, float]]:
    """Return the shift of each parameter's median in standard deviations of ``one``, and the ratio of the 68% widths."""
    changes = {}
    for key in one.search_parameter_keys:
        before, after = (_quantiles(result.nested_samples, key) for result in (one, other))
        width = float(before[2] - before[0]) / 2
        if width > 0:
            changes[key] = (float(after[1] - before[1]) / width, float(after[2] - after[0]) / 2 / width)
    return changes


def _quantiles(table: DataFrame, key: str) -> np.ndarray:
    return weighted_quantiles(table[key].to_numpy(dtype=float), table["weights"].to_numpy(dtype=float))
