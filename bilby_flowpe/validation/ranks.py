r"""Ranks of the truth among a posterior's draws: the statistics for tests of coverage.

If the truth :math:`x^*` and the draws :math:`x_1 \dots x_n` come from one distribution, then the rank of any function
:math:`f(x^*)` among the :math:`f(x_i)` is uniform (Cook, Gelman and Rubin 2006; Talts et al. 2018); with ties broken by chance
and

.. math:: u = \frac{\mathrm{rank} + U}{n + 1}, \qquad U \sim \mathcal U(0, 1),

it is so exactly and for any number of draws. Three functions are used. Each **parameter** by itself gives the p-p plot. The
**density** of the posterior shows draws that lack a correlation. The **distance** from a point that does not depend on the
truth, one of the draws (TARP, Lemos et al. 2023), in coordinates of unit variance, shows errors of the joint distribution and
needs no density.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import combine_pvalues, kstest

from ..errors import DataError
from ..priors import Parameters

DENSITY, DISTANCE = "posterior density", "distance"
JOINT = (DENSITY, DISTANCE)
"""Names of the two joint statistics, beside those of parameters."""


def rank_of_truth(draws: NDArray[np.float64], truth: float, rng: np.random.Generator) -> float:
    """Return the rank of the truth among draws, between 0 and 1: uniform if both come from one distribution.

    Parameters
    ----------
    draws
        One number per draw, shape (n,); without draws the rank is pure chance.
    truth
        The same number of the truth.
    rng
        Random generator, which breaks ties and fills the steps of a finite number of draws.
    """
    below, equal = np.count_nonzero(draws < truth), np.count_nonzero(draws == truth)
    return float((below + rng.integers(equal + 1) + rng.random()) / (len(draws) + 1))


def ranks_of_parameters(
    draws: Parameters, truth: Mapping[str, float], keys: Sequence[str], rng: np.random.Generator
) -> dict[str, float]:
    """Return :func:`rank_of_truth` of every parameter."""
    return {key: rank_of_truth(draws[key], truth[key], rng) for key in keys}


def rank_of_distance(
    draws: Parameters,
    truth: Mapping[str, float],
    keys: Sequence[str],
    rng: np.random.Generator,
    periodic: Mapping[str, float] | None = None,
) -> float:
    """Return the rank of the truth's distance from one of the draws among the distances of the other draws.

    Parameters
    ----------
    draws, truth
        Draws and truth of one event; with fewer than two draws the rank is pure chance.
    keys
        Parameters in which the distance is measured.
    rng
        Random generator, which chooses the draw and breaks ties.
    periodic
        Periods of the parameters that have one.
    """
    # The truth counts in the widths like any draw: the rank is uniform only if all are treated alike.
    table = np.stack([np.append(draws[key], truth[key]) for key in keys], axis=1)
    if len(table) < 3:
        return float(rng.random())
    chosen = rng.integers(len(table) - 1)
    away = table - table[chosen]
    for key, period in (periodic or {}).items():
        if key in keys:
            column = keys.index(key)
            away[:, column] -= period * np.round(away[:, column] / period)
    width = away.std(axis=0)
    squared = np.sum((away / np.where(width > 0, width, 1.0)) ** 2, axis=1)
    return rank_of_truth(np.delete(squared[:-1], chosen), float(squared[-1]), rng)


def uniformity(ranks: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Return the Kolmogorov-Smirnov p-value of each set of ranks against the uniform distribution.

    Raises
    ------
    DataError
        If ranks are not all between 0 and 1, or there are none.
    """
    found = {}
    for key, values in ranks.items():
        column = np.asarray(values, dtype=np.float64)
        if column.size == 0 or not np.all((column >= 0) & (column <= 1)):
            raise DataError(f"ranks of {key!r}: give at least one, and only numbers between 0 and 1")
        found[key] = float(kstest(column, "uniform").pvalue)
    return found


def combined(p_values: Mapping[str, float]) -> float:
    """Return one p-value of all parameters, by Fisher's method as in Bilby's p-p plots; it takes them as independent."""
    return float(combine_pvalues([max(p, 1e-300) for p in p_values.values()]).pvalue)
