"""Problems with known evidence and known shares of the posterior in each of their modes or regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ..errors import ProblemError
from .toys import SolvedProblem, Values

Columns = Mapping[str, NDArray[np.float64]]
"""Values of each parameter, in arrays of one length."""

FOUND = 0.5
"""Fraction of its exact share that a region needs among the draws to count as found.

Chance alone hardly loses half of a share of 2%: 5000 draws have 100 +- 10 rows there.
"""


@dataclass(frozen=True)
class ModedProblem:
    """Plain Bilby objects with the exact evidence, and the exact shares of the posterior in the regions of a partition.

    The regions are the modes, if there are several; or pieces of equal posterior mass of a ring or a ridge; or everything.

    Attributes
    ----------
    likelihood, priors
        Likelihood and priors, for any Bilby sampler.
    log_evidence
        Exact log-evidence of the normalised prior, in nats.
    mode_of
        Function that gives the number of the region, from 0, in which each row of the columns lies, (N,).
    shares
        Fraction of the posterior in each region.
    """

    likelihood: Likelihood
    priors: PriorDict
    log_evidence: float
    mode_of: Callable[[Columns], NDArray[np.intp]]
    shares: tuple[float, ...]

    @property
    def solved(self) -> SolvedProblem:
        """Likelihood, priors and exact log-evidence."""
        return self.likelihood, self.priors, self.log_evidence

    def found(self, columns: Columns) -> NDArray[np.float64]:
        """Return the fraction of the rows in each region."""
        modes = self.mode_of(columns)
        return np.bincount(modes, minlength=len(self.shares)) / max(len(modes), 1)

    def missing(self, columns: Columns) -> float:
        """Return the largest exact share of a region with less than half the rows that it should have; 0 if there is none."""
        found = self.found(columns)
        return max((share for share, of in zip(self.shares, found, strict=True) if of < FOUND * share), default=0.0)


def everything(columns: Columns) -> NDArray[np.intp]:
    """Return region 0 for every row, for a problem with only one region."""
    return np.zeros(len(next(iter(columns.values()))), dtype=np.intp)


def of_one_mode(problem: SolvedProblem) -> ModedProblem:
    """Make a problem of one mode, which cannot be missed."""
    return ModedProblem(*problem, everything, (1.0,))


def between(edges: ArrayLike, values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return, for each value, the number of the interval between ascending ``edges``; values below the first edge have 0."""
    return np.searchsorted(np.asarray(edges), values)


def names(ndim: int) -> tuple[str, ...]:
    """Return the names x0, x1 and so on."""
    return tuple(f"x{i}" for i in range(ndim))


def point(parameters: Mapping[str, Values], keys: Sequence[str]) -> NDArray[np.float64]:
    """Return numbers as a vector (D,), or columns as rows (N, D); it takes a few microseconds for one point."""
    return np.array([parameters[key] for key in keys]).T


def normal_between(low: NDArray[np.float64] | float, high: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the probability of a standard normal variable between two numbers, with an error of rounding only."""
    probability: NDArray[np.float64] = ndtr(high) - ndtr(low)
    return probability


def check_range(name: str, value: float, least: float, most: float = math.inf) -> None:
    """Raise an error for a value outside a range.

    Raises
    ------
    ProblemError
        If ``value`` is outside.
    """
    if not least <= value <= most:
        raise ProblemError(f"{name}={value}: give a value from {least:g} to {most:g}")
