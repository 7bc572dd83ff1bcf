r"""How likely it is that a mode was missed where templates and draws of the prior looked for modes.

A mode that holds a share s of the evidence Z, and fills the share V of the prior of what is not drawn conditionally, has the
likelihood :math:`s Z / V`, averaged over it and over all that is drawn conditionally. The best draw's is :math:`Z / V_0`. What
that average takes off a likelihood at its best sky position, time, phase, distance and orientation is nearly the same for
signals of one set of detectors and priors; the statistic of a search is the likelihood at its best. That of the mode is
therefore

.. math:: l(V) = l_0 + \ln s + \ln(V_0 / V) - \delta ,

with :math:`l_0` the best template's and :math:`\delta` an allowance. A mode is missed if

- of n draws of the prior fewer than a few fall into it: a Poisson variable of mean :math:`n V`; and
- no template is lifted above the level down to which local maxima of the bank were climbed (:mod:`.hills`). A template of
  match m has the statistic :math:`(m \sqrt{2 l} + \sqrt{1 - m^2}\, \nu)^2 / 2` with a normal :math:`\nu`, which is the noise's.
  Matches are those of waves drawn afresh (:mod:`bilby_flowpe.waves.coarse.matches`), each as probable as the prior of its
  distance has it at l.

Wide modes are met by draws, narrow ones are loud. The chance is the largest product of both over all V: no width is assumed.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import poisson

from ..names import DISTANCE
from ..priors import PriorTransform
from ..proposals.parts import FromPrior
from ..verdict.completeness import SHARE, Completeness
from ..waves.coarse.bank import Bank
from .hills import Hills
from .weighing import Target
from .weighted import WeightedDraws

_ALLOWANCE = 3.0  # nats: a sky position or a time that is worse known by this factor, about 20
_ENOUGH_DRAWS = 5  # draws that a mode needs to have a say in a fit
_VOLUMES = np.geomspace(1.0, 1e-9, 91)  # of the prior
_SEED = 20261130  # any number: the same noise in every run
_POWER = 0.98  # of a wave's power: templates do without the rest


def completeness_of(
    bank: Bank, hills: Hills, weighted: WeightedDraws, target: Target, draws: int, words: str
) -> Completeness:
    """Return how likely it is that templates and draws of the prior have both missed a mode.

    Parameters
    ----------
    bank
        The templates.
    hills
        What climbs from their local maxima have found.
    weighted
        A batch of the posterior.
    target
        The posterior.
    draws
        Draws of the prior that the likelihood has weighed.
    words
        Parameters that the templates depend on, in words.
    """
    looked = f"{bank.size} templates, of which {hills.climbs} were climbed from, and {draws} draws from the prior"
    about = f"apart from those found in {words}"
    log_volume = volume_of(weighted, target)
    if not np.isfinite(log_volume):
        return Completeness(1.0, looked)
    highest = float(hills.values.max()) + np.log(SHARE) + log_volume - _ALLOWANCE
    chances = [
        float(poisson.cdf(_ENOUGH_DRAWS - 1, draws * volume))
        * unseen(bank, hills.level, highest - np.log(volume), target.prior)
        for volume in _VOLUMES
    ]
    return Completeness(max(chances), looked, about)


def volume_of(weighted: WeightedDraws, target: Target) -> float:
    """Logarithm of the share of the prior that the posterior fills: the evidence over the best draw's likelihood."""
    by_coarse = weighted.by_coarse()
    log_prior = FromPrior(target.prior, target.keys).log_prob(weighted.draws.parameters)[:, 0]
    alive = np.isfinite(by_coarse.log_weights) & np.isfinite(log_prior)
    if not alive.any():
        return -np.inf
    best = np.max(by_coarse.log_target[alive] - log_prior[alive])
    return float(logsumexp(by_coarse.log_weights[alive]) - np.log(len(alive)) - best)


def unseen(bank: Bank, level: float, log_ratio: float, transform: PriorTransform) -> float:
    """Share of the prior's waves of a log likelihood ratio that would lift no template above a level.

    Parameters
    ----------
    bank
        The templates.
    level
        Statistic above which a template has been looked at.
    log_ratio
        Log likelihood ratio of the waves, at their best.
    transform
        The prior.
    """
    if log_ratio <= 0:
        return 1.0
    matches, snr = bank.matched.matches, np.sqrt(2 * log_ratio)
    noise = np.random.default_rng(_SEED).standard_normal(len(matches))
    found = 0.5 * (matches * np.sqrt(_POWER) * snr + np.sqrt(np.maximum(1 - matches**2, 0)) * noise) ** 2
    weights = bank.matched.weights
    if DISTANCE in transform.independent_keys():
        distances = bank.matched.loudness / snr
        weights = weights * distances * np.nan_to_num(transform.priors[DISTANCE].prob(distances))
    if not weights.sum() > 0:
        # No wave of the prior is as loud.
        return 0.0
    effective = weights.sum() ** 2 / np.sum(weights**2)
    # By Laplace's rule of succession: none of few is not never.
    return float((effective * weights[found < level].sum() / weights.sum() + 1) / (effective + 2))
