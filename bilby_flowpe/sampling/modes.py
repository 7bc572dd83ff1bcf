r"""Modes among draws of the prior: local maxima, and whether a valley lies between two of them.

A draw whose likelihood is above that of all its neighbours is a local maximum of what the draws show (topographical search:
Törn and Viitanen 1994). Two of these belong to one mode unless the likelihood falls below both somewhere on the straight line
between them (the hill-valley test: Ursem 1999; Maree et al. 2018, GECCO). From every one that is apart from all better ones
a mode is climbed (:mod:`.search`), which tells its place, widths and mass. Distances and lines are those of the prior's
quantiles, in which the posterior's density is the likelihood.

Nothing of this enters a weight: modes found are drawn from, with a least share each, whatever later fits make of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import logsumexp, ndtr, ndtri

from ..proposals.charts import Chart
from ..proposals.event_mixture import NormalMixture
from ..proposals.mixture import Mixture
from ..proposals.parts import Normal
from .search import Climb, LocalSearch, around
from .weighing import Target

_NEIGHBOURS, _NEIGHBOURS_EACH = 6, 2  # of a draw, and more for each dimension: on either side along every direction
_TREE = 8  # dimensions beyond which a tree finds neighbours no faster than all distances do
_ROWS = 512  # draws whose distances to others are computed at once
_AMONG = 4096  # points among which neighbours are looked for there
PARTNERS = 2  # better local maxima to which lines are drawn from one: the nearest
ON_A_LINE = np.append(0.5 ** np.arange(8, 0, -1), 0.75)
"""Points between two draws, as parts of the way from the lower one: a narrow mode ends near to it, wherever the other is."""

VALLEY = 0.5  # fall of the log likelihood, in nats, that counts: less is nothing to a mode's share
_CLIMBING = 2  # evaluations of all climbs, over the draws: two dozen modes of two parameters take no more
LOW, ALWAYS = 5, 6
"""Dimensions beyond which draws are so far from modes that lines between them show no valley; maxima climbed there anyway."""
_NEAR = 2.0  # distance of two means, in standard deviations of both modes, at which they are one
_LEAST_MASS = 1e-4  # share of all masses below which a mode is left out: a hundredth of one that counts
_SHARES = (0.5, 0.3, 0.2)  # of the modes, of the same broadened, and of the prior
_EDGE = 1e-12  # quantiles are cut here: the normal coordinates of zero and one are infinite


@dataclass(frozen=True)
class Modes:
    """Modes that were found.

    Attributes
    ----------
    climbs
        From every local maximum that a valley parts from all better ones.
    complete
        Whether every local maximum was held against better ones, and climbed where it had to be: not where a budget has ended.
    """

    climbs: tuple[Climb, ...] = ()
    complete: bool = True

    @cached_property
    def density(self) -> NormalMixture | None:
        """A normal density for each mode, in the chart's base space; ``None`` where nothing was climbed.

        Shares are one half of the modes' masses, which a climb knows to a factor only, and one half equal ones.
        """
        kept: list[Climb] = []
        for climb in sorted(self.climbs, key=lambda climb: -climb.log_mass):
            if np.isfinite(climb.log_mass) and not any(_same(climb, other) for other in kept):
                kept.append(climb)
        if not kept:
            return None
        masses = np.array([climb.log_mass for climb in kept])
        shares = np.exp(masses - logsumexp(masses))
        some = np.flatnonzero(shares > _LEAST_MASS)
        shares = 0.5 * shares[some] / shares[some].sum() + 0.5 / len(some)
        roots = np.stack([np.linalg.cholesky(kept[index].covariance) for index in some])
        return NormalMixture(shares, np.stack([kept[index].mean for index in some]), roots)


def neighbours(places: np.ndarray) -> np.ndarray:
    """Numbers of the nearest other points (N, k) of points (N, n); in many dimensions of the nearest among some of them.

    There, neighbours are hardly nearer to each other than any other points, of whatever number.
    """
    size, n = places.shape
    count = min(_NEIGHBOURS + _NEIGHBOURS_EACH * n, size - 1)
    if count < 1:
        return np.empty((size, 0), dtype=int)
    if n <= _TREE:
        found: np.ndarray = cKDTree(places).query(places, count + 1)[1]
        return found[:, 1:]
    some = np.arange(0, size, -(-size // _AMONG))
    count = min(count, len(some) - 1)
    single = places.astype(np.float32)
    others = single[some]
    squares = np.sum(others**2, axis=1)
    rows = []
    for start in range(0, size, _ROWS):
        distances = squares - 2 * single[start : start + _ROWS] @ others.T
        # A point is no neighbour of its own.
        distances[some[None] == np.arange(start, min(start + _ROWS, size))[:, None]] = np.inf
        rows.append(some[np.argpartition(distances, count, axis=1)[:, :count]])
    return np.concatenate(rows)


def local_maxima(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Numbers of the points whose value is above that of all their neighbours, the best first.

    Of equal values one counts as the higher one, so that a plateau has a maximum, too.

    Parameters
    ----------
    values
        (N,); -inf for none.
    near
        Neighbours of each, (N, k).
    """
    rank = np.empty(len(values), dtype=int)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    found = np.flatnonzero(np.isfinite(values) & np.all(rank[near] < rank[:, None], axis=1))
    return found[np.argsort(-rank[found])]


def find_modes(
    base: np.ndarray, log_density: np.ndarray, near: np.ndarray, climber: LocalSearch, before: Modes | None = None
) -> Modes:
    """Look for modes among draws of the prior.

    Parameters
    ----------
    base
        Draws in the base space of the climber's chart, in which the prior is a standard normal, (N, n).
    log_density
        Logarithm of the posterior's density there, up to a constant, (N,).
    near
        Neighbours of each in the quantiles, (N, k).
    climber
        Evaluates further points, and climbs.
    before
        What was found among fewer draws: maxima on the slope of a mode that has been climbed need no further climb.
    """
    known = () if before is None else before.climbs
    values = log_likelihood(base, log_density)
    maxima = local_maxima(values, near)
    if not len(maxima):
        return Modes(known)

    def evaluated(u: np.ndarray) -> np.ndarray | None:
        v = in_normals(u)
        found = climber.evaluated(v)
        return None if found is None else log_likelihood(v, found)

    tops = ndtr(np.array([climb.mean for climb in known]).reshape(len(known), base.shape[1]))
    apart = _apart(ndtr(base[maxima]), values[maxima], tops, evaluated)
    if apart is None:
        return Modes(known, complete=False)
    starts = apart
    if base.shape[1] > LOW and not known:
        starts = np.concatenate([apart, np.setdiff1d(np.arange(min(ALWAYS, len(maxima))), apart)])
    climbs = climber.climb(base[maxima[starts]], log_density[maxima[starts]], _CLIMBING * len(base))
    return Modes((*known, *climbs), len(climbs) >= len(apart))


def in_normals(u: np.ndarray) -> np.ndarray:
    """Points of the base space at quantiles of the prior."""
    v: np.ndarray = ndtri(np.clip(u, _EDGE, 1 - _EDGE))
    return v


def log_likelihood(base: np.ndarray, log_density: np.ndarray) -> np.ndarray:
    """Log likelihood at points of the base space: the density less that of the prior."""
    return log_density - Normal(base.shape[1]).log_prob(base)


def _apart(
    places: np.ndarray, values: np.ndarray, tops: np.ndarray, evaluated: Callable[[np.ndarray], np.ndarray | None]
) -> np.ndarray | None:
    """Numbers of the maxima, the best first, that a valley parts from all better ones; ``None`` where a budget ended.

    Parameters
    ----------
    places, values
        Of local maxima, the best first: quantiles (M, n) and log likelihoods (M,).
    tops
        Quantiles of modes that have been climbed, (K, n).
    evaluated
        Gives log likelihoods.
    """
    others = np.concatenate([tops, places])
    pairs: list[tuple[int, int]] = []
    for number in range(len(places)):
        distances = np.linalg.norm(others[: len(tops) + number] - places[number], axis=1)
        pairs += [(number, int(other)) for other in np.argsort(distances)[:PARTNERS]]
    belongs = np.zeros(len(places), dtype=bool)
    if pairs:
        lower, higher = np.array(pairs).T
        lines = places[lower][:, None] + ON_A_LINE[:, None] * (others[higher] - places[lower])[:, None]
        found = evaluated(lines.reshape(-1, places.shape[1]))
        if found is None:
            return None
        # Of the two ends of a line the first is the lower one.
        joined = found.reshape(len(pairs), len(ON_A_LINE)).min(axis=1) > values[lower] - VALLEY
        belongs[lower[joined]] = True
    return np.flatnonzero(~belongs)


def about(modes: NormalMixture, chart: Chart, target: Target) -> Mixture:
    """Return what draws about modes that were found."""
    return around(modes, chart, target, "modes", _SHARES)


def _same(one: Climb, other: Climb) -> bool:
    """Return whether two climbs ended at the same place, within the widths of both modes.

    Both widths count, for at an edge of the prior one of them can be very wide.
    """
    step = one.mean - other.mean
    return all(step @ np.linalg.solve(climb.covariance, step) < _NEAR**2 for climb in (one, other))
