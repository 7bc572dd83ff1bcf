r"""A normal mixture that is fitted to the statistic of a search, with templates where the last fit has drawn them.

From a first normal density :math:`q_1`, which the metric of templates gives at the best row, leads a path
:math:`q_1^{1 - \beta} (\pi e^l)^\beta` to the prior times the exponential of the statistic l. Each generation draws rows,
weighs all rows by that over the mixture of densities that they were drawn from (Cappé et al. 2004), and fits normals to
them; :math:`\beta` rises as far as the effective number of rows allows. Refinement begins there.
A template costs a fraction of a draw of the posterior. What the statistic does not see stays as in the prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import logsumexp

from ..bisection import last_that_holds
from ..importance import effective_sample_size
from ..proposals.event_flow import fit_normals
from ..proposals.event_mixture import NormalMixture
from .hills import Climber, Surface

_GENERATIONS = 8
_EACH = 384  # rows of a generation
_ENOUGH = 20.0  # effective rows for each coordinate, from which normals are fitted
_FIRST_WIDTH = 2.0  # of the standard deviations that the metric gives
_WIDER = 1.2  # of a fitted density's, from one generation to the next
_SETTLED = 0.3  # efficiency of the latest generation at which no further is drawn
_SEED = 20261130  # any number: the fit of an event is the same in every run


class Targets(Protocol):
    """What a density is adapted to."""

    def log_targets(self, places: np.ndarray) -> np.ndarray:
        """Log density of the prior, up to a constant, and the statistic at places (N, n), (2, N); -inf outside."""


@dataclass(frozen=True)
class Adapted:
    """A fit of the statistic.

    Attributes
    ----------
    density
        Normals over the coordinates that the statistic sees.
    arrived
        How far the path was gone: one at its end.
    best, value
        Place of the row with the largest statistic, (n,), and that; -inf where none has one.
    """

    density: NormalMixture
    arrived: float
    best: np.ndarray
    value: float


def metric_density(surface: Surface, place: np.ndarray, value: float) -> NormalMixture:
    """The normal density that the metric of templates gives at a place (n,) with this statistic, broadened."""
    root = np.linalg.cholesky(np.linalg.inv(surface.precision(Climber(place, value))))
    return NormalMixture(np.ones(1), place[None], _FIRST_WIDTH * root[None])


def adapted(
    surface: Targets,
    first: NormalMixture,
    generations: int = _GENERATIONS,
    settled: float = _SETTLED,
    each: int = _EACH,
) -> Adapted:
    """Return the fit.

    Parameters
    ----------
    surface
        The statistic over the coordinates that it sees.
    first
        What the first generation is drawn from.
    generations
        Generations, at most.
    settled
        Efficiency of the latest generation at which no further is drawn.
    each
        Rows of a generation.
    """
    rng = np.random.default_rng(_SEED)
    n = first.means.shape[1]
    drawn: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    densities: list[NormalMixture] = []
    beta, fitted = 0.0, first
    for _ in range(generations):
        rows = fitted.draw(each, rng)
        drawn.append(rows)
        targets.append(surface.log_targets(rows))
        densities.append(fitted)
        whole = np.concatenate(drawn)
        log_prior, ratios = np.concatenate(targets, axis=1)
        log_parts = [one.log_prob(whole) for one in densities]
        log_drawn = logsumexp(log_parts, axis=0) - np.log(len(densities))
        log_first, log_target = log_parts[0], log_prior + ratios
        beta = _temperature(log_first - log_drawn, log_target - log_first, _ENOUGH * n)
        alive = np.isfinite(log_target)
        if alive.sum() < _ENOUGH * n:
            break  # normals fitted to a few rows that the prior leaves would be narrower and narrower
        log_target = np.where(alive, log_target, 0.0)
        log_weights = np.where(alive, (1 - beta) * log_first + beta * log_target - log_drawn, -np.inf)
        fitted = fit_normals(whole, log_weights, rng, _WIDER).normals
        if beta >= 1 and effective_sample_size(log_weights[-each:]) > settled * each:
            break
    best = int(np.argmax(ratios))
    return Adapted(fitted, beta, whole[best], float(ratios[best]))


def _temperature(log_start: np.ndarray, log_ratio: np.ndarray, enough: float) -> float:
    """How far the way from the first density to the statistic is gone: up to one, with enough effective rows; else none.

    Parameters
    ----------
    log_start
        Log of the first density over that which the rows were drawn from, (N,).
    log_ratio
        Log of the density at the end of the way over the first one, (N,).
    enough
        Effective rows.
    """
    alive = np.isfinite(log_ratio) & np.isfinite(log_start)

    def effective(beta: float) -> float:
        return effective_sample_size(np.where(alive, log_start + beta * np.where(alive, log_ratio, 0.0), -np.inf))

    return 1.0 if effective(1.0) >= enough else last_that_holds(lambda beta: effective(beta) >= enough, 0.0, 1.0)
