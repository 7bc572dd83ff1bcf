r"""A mixture of normal densities, adapted to the statistic of a search in a few generations of templates.

From a first normal density :math:`q_1`, given by the metric of templates at the best row, a path
:math:`q_1^{1 - \beta} (\pi e^l)^\beta` leads to the prior times the exponential of the statistic l. Each generation
draws rows, weighs all rows so far by this density over the mixture of densities that they were drawn from (Cappé et al.
2004), and fits normal densities to them; :math:`\beta` increases as far as the effective number of rows allows.
Refinement starts from the result. A template costs a fraction of a draw of the posterior. Coordinates that do not
affect the statistic keep their prior.
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

_GENERATIONS = 8  # Largest number of generations, which limits the templates; the efficiency below ends them earlier.
_EACH = 384
"""Rows drawn in each generation: a fit has to have twenty effective rows for each of a handful of coordinates."""

_ENOUGH = 20.0  # effective rows for each coordinate from which on normal densities are fitted
# factor on the standard deviations that the metric gives, so that the first density covers the signal
_FIRST_WIDTH = 2.0
_WIDER = 1.2  # factor on the standard deviations of a fit for the next generation, so that its tails are covered
_SETTLED = 0.3  # efficiency of the latest generation at which no further one is drawn
_SEED = 20261130  # any number: the fit of an event is the same in every run


class Targets(Protocol):
    """The prior and the statistic to which a density is adapted."""

    def log_targets(self, places: np.ndarray) -> np.ndarray:
        """Return the log density of the prior, up to a constant, and the statistic at places (N, n), (2, N); -inf outside."""


@dataclass(frozen=True)
class Adapted:
    """A mixture of normal densities that was adapted to the statistic.

    Attributes
    ----------
    density
        Mixture over the coordinates that affect the statistic.
    arrived
        Inverse temperature that was reached, 1 at the end of the path.
    best, value
        Place of the row with the largest statistic, (n,), and its value; -inf if no row has one.
    """

    density: NormalMixture
    arrived: float
    best: np.ndarray
    value: float


def metric_density(surface: Surface, place: np.ndarray, value: float) -> NormalMixture:
    """Return the normal density that the metric of templates gives at a place (n,) with this statistic, broadened."""
    root = np.linalg.cholesky(np.linalg.inv(surface.precision(Climber(place, value))))
    return NormalMixture(np.ones(1), place[None], _FIRST_WIDTH * root[None])


def adapted(
    surface: Targets,
    first: NormalMixture,
    generations: int = _GENERATIONS,
    settled: float = _SETTLED,
    each: int = _EACH,
) -> Adapted:
    """Adapt a mixture of normal densities to the statistic, starting from a first density.

    Parameters
    ----------
    surface
        Prior and statistic as functions of the coordinates.
    first
        Density from which the first generation is drawn.
    generations
        Largest number of generations.
    settled
        Efficiency of the latest generation at which no further one is drawn.
    each
        Rows drawn in each generation.
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
            break  # normals fitted to the few rows inside the prior would become narrower and narrower
        log_target = np.where(alive, log_target, 0.0)
        log_weights = np.where(alive, (1 - beta) * log_first + beta * log_target - log_drawn, -np.inf)
        fitted = fit_normals(whole, log_weights, rng, _WIDER).normals
        if beta >= 1 and effective_sample_size(log_weights[-each:]) > settled * each:
            break
    best = int(np.argmax(ratios))
    return Adapted(fitted, beta, whole[best], float(ratios[best]))


def _temperature(log_start: np.ndarray, log_ratio: np.ndarray, enough: float) -> float:
    """Return the largest inverse temperature, up to one, with enough effective rows; zero if none has.

    Parameters
    ----------
    log_start
        Log of the first density over that from which the rows were drawn, (N,).
    log_ratio
        Log of the density at the end of the path over the first one, (N,).
    enough
        Effective rows that are enough.
    """
    alive = np.isfinite(log_ratio) & np.isfinite(log_start)

    def effective(beta: float) -> float:
        return effective_sample_size(np.where(alive, log_start + beta * np.where(alive, log_ratio, 0.0), -np.inf))

    return 1.0 if effective(1.0) >= enough else last_that_holds(lambda beta: effective(beta) >= enough, 0.0, 1.0)
