r"""Modes among draws of the prior: local maxima, and the valleys that separate them.

A draw whose likelihood is above that of all its neighbours is a local maximum (topographical search: Törn and Viitanen
1994). Two of these belong to one mode unless the likelihood falls below both somewhere on the straight line between
them (the hill-valley test: Ursem 1999; Maree et al. 2018, GECCO). From each one that is separated from all better ones,
a mode is climbed (:mod:`.search`), which measures its place, widths and mass. Distances and lines are those of the
prior's quantiles, in which the posterior's density is the likelihood.

No weight depends on this: modes that were found keep a least share of the proposal, whatever later fits do.
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

# neighbours of a draw, and additional ones for each dimension: some on either side in every direction
_NEIGHBOURS, _NEIGHBOURS_EACH = 6, 2
_TREE = 8  # dimensions above which a tree finds neighbours no faster than computing all distances does
_ROWS = 512  # draws whose distances to all others are computed at once, which bounds the memory
_AMONG = 4096  # points among which neighbours are looked for in that case
PARTNERS = 2  # better local maxima, the nearest ones, to which lines are drawn from each
ON_A_LINE = np.append(0.5 ** np.arange(8, 0, -1), 0.75)
"""Points between two draws, as parts of the way from the lower one, close to which a narrow mode ends."""

# decrease of the log likelihood, in nats, that counts as a valley: a smaller one hardly changes a mode's share
VALLEY = 0.5
_CLIMBING = 2  # evaluations of all climbs, over the number of draws: two dozen modes of two parameters need no more
LOW, ALWAYS = 5, 6
"""Dimensions above which draws are too far from modes to show valleys, and the number of maxima climbed in that case."""
_NEAR = 2.0  # distance of two means, in standard deviations of both modes, up to which they are the same mode
_LEAST_MASS = 1e-4  # share of the total mass below which a mode is left out: a hundredth of a mode that counts
_SHARES = (0.5, 0.3, 0.2)  # shares of the modes, of the broadened modes, and of the prior
_EDGE = 1e-12  # quantiles are clipped here, because the normal coordinates of 0 and 1 are infinite


@dataclass(frozen=True)
class Modes:
    """Modes that were found among draws of the prior.

    Attributes
    ----------
    climbs
        Climbs from every local maximum that a valley separates from all better ones.
    complete
        Whether every local maximum was compared with better ones, and climbed if necessary; false if a budget ended.
    """

    climbs: tuple[Climb, ...] = ()
    complete: bool = True

    @cached_property
    def density(self) -> NormalMixture | None:
        """Mixture of a normal density for each mode, in the chart's base space; ``None`` if nothing was climbed.

        Half of the shares follows the masses of the modes, which a climb measures only to a factor; the other half is
        equal.
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
    """Return indices of the nearest other points (N, k) of points (N, n); in many dimensions, the nearest of some of them.

    In many dimensions, neighbours are hardly nearer than any other points, however many there are.
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
        # A point is not its own neighbour.
        distances[some[None] == np.arange(start, min(start + _ROWS, size))[:, None]] = np.inf
        rows.append(some[np.argpartition(distances, count, axis=1)[:, :count]])
    return np.concatenate(rows)


def local_maxima(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the indices of the points whose value is above that of all their neighbours, the best first.

    Of equal values, one counts as higher, so that a plateau has a maximum, too.

    Parameters
    ----------
    values
        Values, (N,); -inf for none.
    near
        Indices of the neighbours of each point, (N, k).
    """
    rank = np.empty(len(values), dtype=int)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    found = np.flatnonzero(np.isfinite(values) & np.all(rank[near] < rank[:, None], axis=1))
    return found[np.argsort(-rank[found])]


def find_modes(
    base: np.ndarray, log_density: np.ndarray, near: np.ndarray, climber: LocalSearch, before: Modes | None = None
) -> Modes:
    """Find modes among draws of the prior, and climb them.

    Parameters
    ----------
    base
        Draws in the base space of the climber's chart, in which the prior is a standard normal, (N, n).
    log_density
        Log density of the posterior there, up to a constant, (N,).
    near
        Indices of the neighbours of each, in the quantiles, (N, k).
    climber
        Evaluates further points, and climbs.
    before
        Modes found among fewer draws: maxima on the slope of a mode that was climbed need no further climb.
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
    """Return points of the base space at quantiles of the prior."""
    v: np.ndarray = ndtri(np.clip(u, _EDGE, 1 - _EDGE))
    return v


def log_likelihood(base: np.ndarray, log_density: np.ndarray) -> np.ndarray:
    """Return the log likelihood at points of the base space: the log density minus that of the prior."""
    return log_density - Normal(base.shape[1]).log_prob(base)


def _apart(
    places: np.ndarray, values: np.ndarray, tops: np.ndarray, evaluated: Callable[[np.ndarray], np.ndarray | None]
) -> np.ndarray | None:
    """Return the maxima that a valley separates from all better ones, as indices; ``None`` if a budget ended.

    Parameters
    ----------
    places, values
        Quantiles (M, n) and log likelihoods (M,) of local maxima, the best first.
    tops
        Quantiles of modes that were climbed, (K, n).
    evaluated
        Function that returns log likelihoods.
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
        # The first end of a line is the lower one.
        joined = found.reshape(len(pairs), len(ON_A_LINE)).min(axis=1) > values[lower] - VALLEY
        belongs[lower[joined]] = True
    return np.flatnonzero(~belongs)


def about(modes: NormalMixture, chart: Chart, target: Target) -> Mixture:
    """Return a proposal that draws at the modes that were found."""
    return around(modes, chart, target, "modes", _SHARES)


def _same(one: Climb, other: Climb) -> bool:
    """Return whether two climbs ended at the same place, within the widths of both modes.

    Both widths are used, because at an edge of the prior one of them can be very large.
    """
    step = one.mean - other.mean
    return all(step @ np.linalg.solve(climb.covariance, step) < _NEAR**2 for climb in (one, other))
