r"""Local search for narrow modes: along lines through the best draw, and uphill from the best ones.

A posterior may be very narrow: the frequency of a long sinusoid is known to a small share of the distance between two
frequencies that draws of the prior try. Weights then rest on one or two draws, and a path of temperatures ends. In this
case

1. each parameter is moved through the quantiles of its prior, starting from the best draw;
2. at the best points found, apart from each other, steps of every size along each coordinate measure the widths of the mode;
3. a normal density of these widths draws some points; weighted by :math:`(p / q)^\beta`, with the inverse temperature at which
   a quarter of them is effective, they give the next mean and covariance, until :math:`\beta = 1`.

No weight depends on this: the result is a proposal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, ndtri

from ..importance import effective_sample_size
from ..processes.parallel import Progress
from ..proposals.charts import Chart
from ..proposals.event_mixture import NormalMixture
from ..proposals.mixture import Draws, Mixture
from ..proposals.parts import BaseDensity, Charted, FromPrior, Part
from .pool import Pool
from .weighing import Target

_STARTS = 4  # largest number of modes that are climbed at once
_APART = 0.05  # least distance between two starts, in standard deviations of the prior
_LONGEST, _HALVINGS = (4.0, 14)
"""Longest step along a coordinate, in standard deviations of the prior, and how often it is halved."""

_DROP = 2.0  # decrease of the log density, in nats, at which the width of a mode ends
_EACH, _EACH_DIMENSION = 30, 10  # draws of a generation for one start, and additional ones for each dimension
_COUNTING = 0.25  # share of effective draws in a generation, for its moments
_GENERATIONS = 25  # Largest number of generations, which limits the cost of a climb that does not arrive.
# largest number of iterations of an ascent, and additional ones for each dimension
_ITERATIONS, _ITERATIONS_EACH = 10, 3
_ASCENTS = 3  # ascents, one after the other, each in units of the widths at the end of the one before
_DIFFERENCE = 0.1  # step of a finite difference, in widths of the mode, over which its curvature hardly changes
_FLAT = 0.1  # slope, in nats for each width, at which a top is reached: a generation of draws does the rest
_NOWHERE = -1e30  # log density used where there is none, so that an ascent turns back
_ARRIVED = 3  # generations at an inverse temperature of one after which the mean is that of the mode
# shares of the modes, of the broadened modes and of the prior, and the factor of the broadening
_SHARES, _WIDTH = (0.6, 0.25, 0.15), 2.0
_WORTH = 15.0  # nats of log mass below the largest one at which a mode is left out: its mass is below 1e-6 of that


@dataclass
class Climb:
    """A climb from one start, described by a normal density.

    Attributes
    ----------
    mean, covariance
        Mean, (n,), and covariance, (n, n), in the base space of the chart.
    log_mass
        Log of the integral of the density over the mode, accurate to a factor.
    arrived
        Number of generations at an inverse temperature of one.
    """

    mean: np.ndarray
    covariance: np.ndarray
    log_mass: float = -np.inf
    arrived: int = 0

    @property
    def done(self) -> bool:
        """True if the climb has arrived: after one generation, the draws may still be on one side of the mode."""
        return self.arrived >= _ARRIVED


def search(pool: Pool, climber: LocalSearch, scanned: int) -> Mixture | None:
    """Return a proposal of the modes that a local search finds from a pool's draws; ``None`` if it finds none.

    Parameters
    ----------
    pool
        Draws made so far.
    climber
        The local search.
    scanned
        Number of points in the scan of one parameter.
    """
    found = climber(*pool.density_in_base(climber.chart), scanned)
    return None if found is None else around(found, climber.chart, climber.target, "local search", _SHARES)


def around(
    found: NormalMixture, chart: Chart, target: Target, name: str, shares: tuple[float, float, float]
) -> Mixture:
    """Return a proposal for modes: their densities, broadened ones, and the prior, with the given shares."""
    densities: dict[str, BaseDensity] = {name: found, f"broadened {name}": found.broadened(_WIDTH)}
    parts: list[Part] = [Charted(chart, densities), FromPrior(target.prior, target.keys)]
    return Mixture(parts, shares)


class _SpentError(Exception):
    """The budget allows no further evaluation."""


class LocalSearch:
    """Search for narrow modes in the base space of a chart.

    Parameters
    ----------
    target
        The posterior.
    chart
        The prior's coordinates.
    rng
        Source of all randomness.
    go_on
        Function that is asked before every batch of evaluations whether they may be made.
    progress
        Function that is called with the number of evaluations as they are made.
    """

    def __init__(
        self,
        target: Target,
        chart: Chart,
        rng: np.random.Generator,
        go_on: Callable[[int], bool],
        progress: Progress = None,
    ) -> None:
        self.target, self.chart, self.rng, self.go_on = target, chart, rng, go_on
        self._progress = progress
        self._spent = 0
        self._each = _EACH + _EACH_DIMENSION * len(chart.keys)

    def __call__(self, points: np.ndarray, log_density: np.ndarray, scanned: int) -> NormalMixture | None:
        """Return modes near the best of some points; ``None`` if the budget allows no search.

        Parameters
        ----------
        points
            Base coordinates, (N, n).
        log_density
            Log density there, up to a constant, (N,).
        scanned
            Number of points in the scan of one parameter.
        """
        alive = np.isfinite(log_density)
        if not alive.any():
            return None
        points, log_density = points[alive], log_density[alive]
        for _ in range(2):  # a second scan starts from the best point of the first
            more = self._lines(points[np.argmax(log_density)], scanned)
            if (values := self.evaluated(more)) is None:
                break
            points, log_density = np.concatenate([points, more]), np.concatenate([log_density, values])
        starts = _apart(points, log_density)
        return _mixture(self.climb(points[starts], log_density[starts]))

    def climb(self, points: np.ndarray, log_density: np.ndarray, most: float = math.inf) -> list[Climb]:
        """Climb from points (N, n) with known log density (N,), as far as the budget allows.

        Parameters
        ----------
        points, log_density
            Points to start from, and their log density.
        most
            Number of evaluations after which no further climb starts.
        """
        climbs: list[Climb] = []
        end = self._spent + most
        for point, value in zip(points, log_density, strict=True):
            if self._spent > end or (climb := self._start(point, float(value), passes=1)) is None:
                break
            self._ascend(climb)
            climbs.append(climb)
        for _ in range(_GENERATIONS):
            if not (active := [climb for climb in climbs if not climb.done]) or not self._generation(active):
                break
        return climbs

    def evaluated(self, base: np.ndarray) -> np.ndarray | None:
        """Return the log density in the base space, (N,); ``None`` if the budget does not allow it."""
        if not self.go_on(len(base)):
            return None
        self._spent += len(base)
        parameters, inside = self.chart.inverse(base, self.rng)
        size, zeros = len(base), np.zeros(len(base))
        draws = Draws(parameters, zeros, inside, np.zeros((size, 1)), np.zeros(size, dtype=int), zeros)
        weighted = self.target.weigh(draws, self.rng, self._progress, checks=0)
        log_jacobian = self.chart.forward(parameters)[1]
        alive = np.isfinite(weighted.log_weights) & np.isfinite(log_jacobian) & inside
        return np.where(alive, weighted.log_weights - np.where(alive, log_jacobian, 0.0), -np.inf)

    def _lines(self, point: np.ndarray, count: int) -> np.ndarray:
        """Move one parameter after the other through the quantiles of its prior, with all others fixed."""
        n = len(point)
        lines = np.repeat(point[None], n * count, axis=0)
        for index in range(n):
            u = (np.arange(count) + self.rng.random(count)) / count
            lines[index * count : (index + 1) * count, index] = ndtri(u)
        return lines

    def _start(self, point: np.ndarray, value: float, passes: int = 2) -> Climb | None:
        """Measure the widths along every coordinate; a second pass starts from the best point of the first."""
        n = len(point)
        steps = _LONGEST * 0.5 ** np.arange(_HALVINGS)
        widths = np.full(n, steps[-1])
        for _ in range(passes):
            offsets = np.concatenate([np.outer(np.r_[steps, -steps], row) for row in np.eye(n)])
            if (values := self.evaluated(point + offsets)) is None:
                return None
            near = values.reshape(n, 2, _HALVINGS) > value - _DROP
            for index in range(n):
                # From the shortest step on, as far as the density stays high, on the better side.
                held = [int(np.argmin(np.r_[side[::-1], False])) for side in near[index]]
                widths[index] = steps[-max(max(held), 1)]
            best = int(np.argmax(values))
            if values[best] > value:
                point, value = point + offsets[best], float(values[best])
        return Climb(point, np.diag(widths**2))

    def _ascend(self, climb: Climb) -> None:
        """Move to the top of a smooth mode by BFGS, and repeat in units of the new widths if it has not arrived."""
        for _ in range(_ASCENTS):
            top = self._bfgs(climb)
            if top is None or top[1] or (again := self._start(climb.mean, top[0])) is None:
                return
            climb.mean, climb.covariance = again.mean, again.covariance

    def _bfgs(self, climb: Climb) -> tuple[float, bool] | None:
        """Run BFGS once, and return the log density and whether it is a top; ``None`` if the budget ended.

        The gradient is computed by central differences, in units of the mode's widths.
        """
        n, widths, middle = len(climb.mean), np.sqrt(np.diag(climb.covariance)), climb.mean

        def values(steps: np.ndarray) -> np.ndarray:
            found = self.evaluated(middle + steps * widths)
            if found is None:
                raise _SpentError
            return np.where(np.isfinite(found), found, _NOWHERE)

        def slope(at: np.ndarray) -> np.ndarray:
            offsets = _DIFFERENCE * np.eye(n)
            found = values(np.concatenate([at + offsets, at - offsets])).reshape(2, n)
            steep: np.ndarray = (found[1] - found[0]) / (2 * _DIFFERENCE)
            return np.where(np.any(found == _NOWHERE, axis=0), 0.0, steep)

        options = {"maxiter": _ITERATIONS + _ITERATIONS_EACH * n, "gtol": _FLAT}
        try:
            top = minimize(lambda at: -values(at[None])[0], np.zeros(n), jac=slope, method="BFGS", options=options)
        except _SpentError:
            return None
        if not np.all(np.isfinite(top.x)):
            return None
        climb.mean = middle + top.x * widths
        covariance = 0.5 * (top.hess_inv + top.hess_inv.T) * np.outer(widths, widths)
        if np.all(np.isfinite(covariance)) and np.linalg.eigvalsh(covariance)[0] > 0:
            climb.covariance = covariance
        return float(-top.fun), bool(top.success)

    def _generation(self, climbs: list[Climb]) -> bool:
        """Make one generation of every climb, and return whether the budget allowed it."""
        size, n = self._each, len(climbs[0].mean)
        roots = [np.linalg.cholesky(climb.covariance) for climb in climbs]
        white = self.rng.standard_normal((len(climbs), size, n))
        points = np.stack([climb.mean + z @ root.T for climb, z, root in zip(climbs, white, roots, strict=True)])
        if (values := self.evaluated(points.reshape(-1, n))) is None:
            return False
        for climb, at, z, root, value in zip(
            climbs, points, white, roots, values.reshape(len(climbs), size), strict=True
        ):
            log_q = -0.5 * np.sum(z**2, axis=1) - np.sum(np.log(np.diag(root))) - 0.5 * n * np.log(2 * np.pi)
            log_ratio = value - log_q
            if not np.isfinite(log_ratio).any():
                climb.covariance *= 0.25
                continue
            beta = _counting(log_ratio, _COUNTING * size)
            alive = np.isfinite(log_ratio)
            weights = np.where(alive, np.exp(beta * (np.where(alive, log_ratio, 0.0) - log_ratio.max())), 0.0)
            effective = weights.sum() ** 2 / np.sum(weights**2)
            weights /= weights.sum()
            mean = weights @ at
            scatter = ((at - mean) * weights[:, None]).T @ (at - mean)
            # A weight of n + 2 draws for the last covariance keeps it positive definite if there are few points.
            climb.covariance = (effective * scatter + (n + 2) * climb.covariance) / (effective + n + 2)
            climb.mean, climb.arrived = mean, climb.arrived + (beta >= 1)
            climb.log_mass = float(logsumexp(log_ratio) - np.log(size))
        return True


def _counting(log_ratio: np.ndarray, wanted: float) -> float:
    """Return the largest power of the weights, up to 1, with ``wanted`` effective draws."""
    alive = log_ratio[np.isfinite(log_ratio)]
    if effective_sample_size(alive) >= wanted:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective_sample_size(middle * alive) >= wanted else (low, middle)
    return low


def _apart(points: np.ndarray, log_density: np.ndarray) -> list[int]:
    """Return indices of the best points that are not close to each other."""
    chosen: list[int] = []
    for index in np.argsort(-log_density):
        near = [np.linalg.norm(points[index] - points[other]) < _APART for other in chosen]
        if not any(near):
            chosen.append(int(index))
        if len(chosen) == _STARTS:
            break
    return chosen


def _mixture(climbs: list[Climb]) -> NormalMixture | None:
    """Return the modes with enough mass, each with at least a tenth of an equal share, because masses are uncertain."""
    top = max((climb.log_mass for climb in climbs), default=-np.inf)
    kept = [climb for climb in climbs if climb.log_mass > top - _WORTH]
    if not np.isfinite(top) or not kept:
        return None
    shares = np.exp([climb.log_mass - top for climb in kept])
    shares = 0.9 * shares / shares.sum() + 0.1 / len(kept)
    roots = np.stack([np.linalg.cholesky(climb.covariance) for climb in kept])
    return NormalMixture(shares, np.stack([climb.mean for climb in kept]), roots)
