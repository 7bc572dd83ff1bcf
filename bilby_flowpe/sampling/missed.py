r"""Probability that both templates and draws have missed a mode.

A mode that holds a share s of the evidence Z, and fills the share V of the prior of the parameters that are not drawn
conditionally, has the likelihood :math:`s Z / V`, averaged over the mode and over all parameters that are drawn
conditionally. The best draw has :math:`Z / V_0`. The ratio of this average to the likelihood at the best sky position,
time, phase, distance and orientation is nearly the same for all signals with the same detectors and priors; the
statistic of a search is the likelihood at its best. That of the mode is therefore

.. math:: l = l_0 + \ln s + \ln(V_0 / V) - \delta ,

with the statistic :math:`l_0` of the best template and an allowance :math:`\delta`. The metric of templates
(:mod:`.hills`) gives the ratio of the volumes of a mode at two places; the true volume may be up to ten times larger or
smaller. Waves drawn anew from the prior (:mod:`bilby_flowpe.waves.coarse.matches`) are used as such planted modes, each
with the probability that the prior of its distance has at l. A planted mode is missed if

- fewer than a few draws are in it, of those of all rounds and of the final batch, :math:`n_r` with the density :math:`q_r`:
  their number is a Poisson variable of mean :math:`V \sum_r n_r q_r / \pi`; and
- it would have made no template of the bank a local maximum that is climbed. A template with a match m to the planted mode has
  the statistic :math:`(m \sqrt{2 l} + \sqrt{1 - m^2}\, \nu)^2 / 2`, with a normal variable :math:`\nu` for the noise. This has
  to be above the template's statistic in the data, above that of its neighbours, and above the level of the climbs.

Wide modes are found by draws, narrow ones are loud.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp
from scipy.stats import poisson

from ..names import DISTANCE
from ..priors import Parameters, PriorTransform
from ..proposals.mixture import Mixture, marginal_log_prob
from ..proposals.parts import FromPrior
from ..verdict.completeness import SHARE, Completeness
from ..waves.coarse.bank import Bank
from ..waves.coarse.matches import Matched
from .hills import Hills
from .weighing import Target
from .weighted import WeightedDraws

_ALLOWANCE = 3.0  # nats: room for a sky position or a time that is worse known by this factor, about 20
_ENOUGH_DRAWS = 5  # draws that a mode needs to influence a fit
_WIDTHS = np.geomspace(0.1, 10.0, 9)  # factors on the volume of a mode by the metric of templates
_SEED = 20261130  # seed of the noise, which has to be the same in every run; any other would do
_LATENT = 8  # draws of the latent variables for each row
_POWER = 0.98  # share of a wave's power that templates use
_MOST_MEASURED = 300  # planted modes whose width is measured; if more are not seen, fewer are planted
_LIFTED = 1.0
"""Nats by which a statistic has to be above all that it is compared with: room for small errors of both values."""


@dataclass(frozen=True)
class Looked:
    """Templates, climbs and draws with which modes were looked for.

    Attributes
    ----------
    bank
        Templates drawn from the prior.
    ratios
        Statistic of the templates, (B,).
    hills
        Result of the climbs from their local maxima.
    keys
        Parameters that the proposal draws; all others are drawn conditionally.
    draws
        Proposals, and the number of draws of each.
    words
        Names of the parameters on which templates depend.
    """

    bank: Bank
    ratios: np.ndarray
    hills: Hills
    keys: tuple[str, ...]
    draws: tuple[tuple[Mixture, int], ...]
    words: str


def completeness_of(looked: Looked, log_volume: float, transform: PriorTransform) -> Completeness:
    """Return how likely it is that both templates and draws have missed a mode.

    Parameters
    ----------
    looked
        Templates, climbs and draws with which modes were looked for.
    log_volume
        Log of the share of the prior that the posterior fills (:func:`volume_of`).
    transform
        The prior.
    """
    hills = looked.hills
    draws = sum(size for _, size in looked.draws)
    words = f"{looked.bank.size} templates, {hills.climbs} climbs from the best of them, and {draws} draws"
    matched = looked.bank.matched
    if not np.isfinite(log_volume) or not len(matched.loudness):
        return Completeness(1.0, words)
    highest = float(hills.values.max()) + np.log(SHARE) - _ALLOWANCE
    if lost := _not_drawn(looked, highest, log_volume, transform):
        return Completeness(
            1.0, f"{words}, hardly any of which are at {lost} of {len(hills.values)} modes that templates show"
        )
    keys = looked.keys
    # Waves that are seen even with the lowest possible statistic, that of a mode filling the whole prior, need no
    # width.
    some = np.flatnonzero(~_lifted(looked, np.full(len(matched.loudness), highest + log_volume)))
    if len(some) > _MOST_MEASURED:
        looked = replace(looked, bank=replace(looked.bank, matched=matched.first(int(some[_MOST_MEASURED]))))
        matched, some = looked.bank.matched, some[:_MOST_MEASURED]
    own = {key: matched.columns[key][some] for key in keys}
    density = _density(looked, own, transform)
    smaller = hills.surface.log_volumes(own, float(hills.values.max())) - hills.volumes[0]
    chances = []
    for width in _WIDTHS:
        log_ratio, by_draws = np.full(len(matched.loudness), highest - np.log(width)), np.ones(len(matched.loudness))
        log_ratio[some] -= smaller
        volume = np.minimum(width * np.exp(log_volume + smaller), 1.0)
        by_draws[some] = poisson.cdf(_ENOUGH_DRAWS - 1, volume * density)
        unseen = np.zeros(len(by_draws), dtype=bool)
        unseen[some] = ~_lifted(looked, log_ratio)[some]
        chances.append(_share(_weights(matched, log_ratio, transform), by_draws * unseen))
    return Completeness(max(chances), words, f"apart from those found in {looked.words}")


def _density(looked: Looked, own: Parameters, transform: PriorTransform) -> np.ndarray:
    """Return the density of all draws over that of the prior, times their number, at rows, (N,)."""
    log_prior = FromPrior(transform, looked.keys).log_prob(own)[:, 0]
    total = np.zeros(len(log_prior))
    for proposal, size in looked.draws:
        # With latent variables, the density of the parameters is an estimate, which is rather too low.
        log_prob = marginal_log_prob(proposal, own, _LATENT, np.random.default_rng(_SEED))
        total += size * np.exp(log_prob - log_prior)
    return total


def _not_drawn(looked: Looked, highest: float, log_volume: float, transform: PriorTransform) -> int:
    """Return the number of hills that may be modes with a relevant share, and from which no proposal has drawn enough."""
    hills, lost = looked.hills, 0
    for index, value in enumerate(hills.values):
        smaller = float(hills.volumes[index] - hills.volumes[0])
        if value < highest - smaller:
            continue
        drawn = np.exp(log_volume + smaller) * np.mean(_density(looked, hills.drawn(index), transform))
        lost += bool(drawn < _ENOUGH_DRAWS)
    return lost


def _share(weights: np.ndarray, missed: np.ndarray) -> float:
    """Return the share of planted modes that are missed, by Laplace's rule of succession, which is never zero."""
    if not weights.sum() > 0:
        return 1.0
    effective = weights.sum() ** 2 / np.sum(weights**2)
    return float((effective * (weights @ missed) / weights.sum() + 1) / (effective + 2))


def _lifted(looked: Looked, log_ratio: np.ndarray) -> np.ndarray:
    """Return which planted modes of log likelihood ratios (N,) would have made a template a climbed local maximum, (N,)."""
    matched, hills = looked.bank.matched, looked.hills
    snr = np.sqrt(2 * _POWER * np.maximum(log_ratio, 0.0))[:, None]
    matches = matched.found
    noise = np.random.default_rng(_SEED).standard_normal((len(matches), 1))
    statistic = 0.5 * np.maximum(matches * snr + np.sqrt(np.maximum(1 - matches**2, 0)) * noise, 0) ** 2
    compared = np.maximum(np.maximum(looked.ratios, hills.around), hills.level)[matched.candidates]
    return np.any(statistic > compared + _LIFTED, axis=1)


def _weights(matched: Matched, log_ratio: np.ndarray, transform: PriorTransform) -> np.ndarray:
    """Return the prior probability of every planted wave at log likelihood ratios (N,), up to a constant, (N,)."""
    if DISTANCE not in transform.independent_keys():
        return matched.weights
    distances = matched.loudness / np.sqrt(2 * np.maximum(log_ratio, 1.0))
    return matched.weights * distances * np.nan_to_num(transform.priors[DISTANCE].prob(distances))


def volume_of(weighted: WeightedDraws, target: Target) -> float:
    """Return the log of the share of the prior that the posterior fills: the evidence over the best draw's likelihood."""
    by_coarse = weighted.by_coarse()
    log_prior = FromPrior(target.prior, target.keys).log_prob(weighted.draws.parameters)[:, 0]
    alive = np.isfinite(by_coarse.log_weights) & np.isfinite(log_prior)
    if not alive.any():
        return -np.inf
    best = np.max(by_coarse.log_target[alive] - log_prior[alive])
    return float(logsumexp(by_coarse.log_weights[alive]) - np.log(len(alive)) - best)
