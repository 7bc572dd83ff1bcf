r"""A normal mixture fitted to the statistic of a search, with templates drawn where the last fit has them: where refinement begins.

Beginning with the normal density that the metric of templates gives at the best row, each generation draws rows, weighs all rows
by the prior times :math:`e^{\beta l}`, with l the statistic, over the mixture of densities that they were drawn from (Cappé et
al. 2004), and fits normals to them; the inverse temperature :math:`\beta` rises as far as the effective number of rows allows.
A template costs a fraction of a draw of the posterior. What the statistic does not see stays as in the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..importance import effective_sample_size
from ..proposals.event_flow import Whitening
from ..proposals.event_mixture import NormalMixture, fit_mixture, split
from ..proposals.parts import Normal
from .hills import Surface, _Climber

_GENERATIONS = 8
_EACH = 384  # rows of a generation
_ENOUGH = 20.0  # effective rows for each coordinate, from which normals are fitted
_BISECTIONS = 40
_FIRST_WIDTH = 2.0  # of the standard deviations that the metric gives
_WIDER = 1.2  # of a fitted density's, from one generation to the next
_SETTLED = 0.3  # efficiency of the latest generation at which no further is drawn
_SEED = 20261130  # any number: the fit of an event is the same in every run


@dataclass(frozen=True)
class Adapted:
    """A fit of the statistic.

    Attributes
    ----------
    density
        Normals over the coordinates that the statistic sees.
    inverse_temperature
        Of the statistic that they were fitted to: one, where enough rows were effective.
    """

    density: NormalMixture
    inverse_temperature: float


def metric_density(surface: Surface, place: np.ndarray, value: float) -> NormalMixture:
    """The normal density that the metric of templates gives at a place (n,) with this statistic, broadened."""
    root = np.linalg.cholesky(np.linalg.inv(surface.precision(_Climber(place, value))))
    return NormalMixture(np.ones(1), place[None], _FIRST_WIDTH * root[None])


def adapted(surface: Surface, first: NormalMixture) -> Adapted:
    """Return the fit.

    Parameters
    ----------
    surface
        The statistic over the coordinates that it sees.
    first
        What the first generation is drawn from.
    """
    rng = np.random.default_rng(_SEED)
    n = first.means.shape[1]
    drawn: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    densities: list[NormalMixture] = []
    beta, fitted = 0.0, first
    for _ in range(_GENERATIONS):
        rows = fitted.draw(_EACH, rng)
        drawn.append(rows)
        targets.append(surface.log_targets(rows))
        densities.append(fitted)
        whole = np.concatenate(drawn)
        log_prior, ratios = np.concatenate(targets, axis=1)
        log_drawn = logsumexp([one.log_prob(whole) for one in densities], axis=0) - np.log(len(densities))
        beta = _temperature(log_prior - log_drawn, ratios, _ENOUGH * n)
        log_weights = np.where(np.isfinite(ratios), log_prior + beta * np.nan_to_num(ratios), -np.inf) - log_drawn
        if not np.isfinite(log_weights).any():
            break
        fitted = _fitted(whole, log_weights, rng).broadened(_WIDER)
        if beta >= 1 and effective_sample_size(log_weights[-_EACH:]) > _SETTLED * _EACH:
            break
    return Adapted(fitted, beta)


def _normalised(log_weights: np.ndarray) -> np.ndarray:
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _temperature(log_ratio: np.ndarray, ratios: np.ndarray, enough: float) -> float:
    """The largest inverse temperature, up to one, at which enough rows are effective; a small one where there is none."""
    alive = np.isfinite(ratios) & np.isfinite(log_ratio)

    def effective(beta: float) -> float:
        return effective_sample_size(np.where(alive, log_ratio + beta * np.where(alive, ratios, 0.0), -np.inf))

    if effective(1.0) >= enough:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= enough else (low, middle)
    return low


def _fitted(rows: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator) -> NormalMixture:
    """Normals fitted to weighted rows, in their own coordinates."""
    alive = np.isfinite(log_weights)
    rows, weights = rows[alive], _normalised(log_weights[alive])
    whitening = Whitening.of(rows, weights)
    base: Normal | NormalMixture = Normal(rows.shape[1])
    if (parts := split(weights, rng)) is not None:
        train, test = parts
        white = whitening(rows)
        base, _ = fit_mixture(white[train], weights[train], white[test], weights[test], rng)
    if not isinstance(base, NormalMixture):
        return NormalMixture(np.ones(1), whitening.mean[None], whitening.cholesky[None])
    return NormalMixture(base.shares, whitening.inverse(base.means), whitening.cholesky @ base.cholesky)
