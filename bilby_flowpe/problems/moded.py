"""A problem of which not only the evidence is known, but also which share of the posterior lies in which region."""

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
"""A column of values for each parameter, all of one length."""

FOUND = 0.5
"""A region is found where at least this part of its exact share is in the draws. Chance alone hardly loses half of a share of
2%: five thousand draws have 100 +- 10 rows there."""


@dataclass(frozen=True)
class ModedProblem:
    """Plain Bilby objects, their exact evidence, and the exact shares of the posterior in the regions of a partition.

    The regions are the modes where there are several; pieces of equal posterior mass of a ring or a ridge; or everything.

    Attributes
    ----------
    likelihood, priors
        For any Bilby sampler.
    log_evidence
        Exact, of the normalised prior, in nats.
    mode_of
        Number of the region, from 0, that each row of the columns lies in, (N,).
    shares
        Share of the posterior in each region.
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
        """Share of the rows in each region."""
        modes = self.mode_of(columns)
        return np.bincount(modes, minlength=len(self.shares)) / max(len(modes), 1)

    def missing(self, columns: Columns) -> float:
        """Return the largest exact share of a region with less than half the rows that it should have; 0 if there is none."""
        found = self.found(columns)
        return max((share for share, of in zip(self.shares, found, strict=True) if of < FOUND * share), default=0.0)


def everything(columns: Columns) -> NDArray[np.intp]:
    """Return the region of a problem that has one alone."""
    return np.zeros(len(next(iter(columns.values()))), dtype=np.intp)


def of_one_mode(problem: SolvedProblem) -> ModedProblem:
    """A problem of one mode, which nobody can lose."""
    return ModedProblem(*problem, everything, (1.0,))


def between(edges: ArrayLike, values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of the interval between the ascending ``edges``, the first of which is above none of them."""
    return np.searchsorted(np.asarray(edges), values)


def names(ndim: int) -> tuple[str, ...]:
    """x0, x1 and so on."""
    return tuple(f"x{i}" for i in range(ndim))


def point(parameters: Mapping[str, Values], keys: Sequence[str]) -> NDArray[np.float64]:
    """Numbers to a vector (D,), or columns to rows (N, D); a few microseconds for one point."""
    return np.array([parameters[key] for key in keys]).T


def normal_between(low: NDArray[np.float64] | float, high: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Probability of a standard normal variable between two numbers, exact to rounding of one."""
    probability: NDArray[np.float64] = ndtr(high) - ndtr(low)
    return probability


def check_range(name: str, value: float, least: float, most: float = math.inf) -> None:
    """Refuse a value outside a range.

    Raises
    ------
    ProblemError
        If ``value`` is outside.
    """
    if not least <= value <= most:
        raise ProblemError(f"{name}={value} must be from {least:g} to {most:g}")
