"""Search for missed modes, for posteriors that neither a network nor templates know.

Modes are found among draws of the prior (:mod:`.modes`). Planted modes show which modes these draws would have missed
(:mod:`.planted`). More evenly spread draws are added as long as they could make the chance of a missed mode small
enough, and cost little.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp, ndtr
from scipy.stats import qmc

from ..proposals.event_mixture import NormalMixture
from ..proposals.mixture import Mixture
from ..proposals.parts import Normal
from ..verdict.completeness import SHARE, Completeness
from ..verdict.findings import Thresholds
from .modes import Modes, find_modes, in_normals, log_likelihood, neighbours
from .planted import PLANTED, STANDS_OUT, Found, PriorDraws, Weighed, missed, modes_of
from .search import LocalSearch
from .weighted import WeightedDraws

_FITS = {1: 20.0, 2: 20.0, 3: 10.0}
"""Likelihood, relative to the best one found, of the modes that are looked for in a black box, by number of parameters.

For more parameters it is 1. A mode with a hundredth of the posterior that fits as well as the best draw has a hundredth
of the volume of a single one that was found. With few parameters, some 1e4 draws show smaller ones, too.
"""
_FIRST_MORE = 4096  # evenly spread draws that are added first: a power of two, as required by Sobol's sequence
_HOPELESS = 0.9  # chance of a missed mode above which too many draws would be needed to make it small
_LEAST_MORE = 1024  # Least number of draws that are added: fewer would change the chance little.
_RIDGE = 1e-6  # share of each variance added to it, for directions that the draws hardly span
_HOPE = 3.0  # factor by which the chance expected after more draws may be too large: the expectation is a rough guess


@dataclass(frozen=True)
class _Posterior:
    """The posterior as described by a weighted batch, in the quantiles of the prior.

    Attributes
    ----------
    found
        Its modes.
    log_evidence, best
        Log evidence, and the largest log likelihood.
    places, log_prior_over
        Quantiles of its draws, (N, n), and the log of the prior over the proposal at them, (N,).
    """

    found: list[Found]
    log_evidence: float
    best: float
    places: np.ndarray
    log_prior_over: np.ndarray


class Looking:
    """Search for the modes of one posterior among draws of the prior.

    Parameters
    ----------
    climber
        Evaluates further draws, and climbs, in coordinates in which the prior is a standard normal.
    """

    def __init__(self, climber: LocalSearch) -> None:
        self._climber, self._target, self._chart, self._rng = climber, climber.target, climber.chart, climber.rng
        self._n = len(climber.chart.keys)
        self._base = np.empty((0, self._n))
        self._log_density = np.empty(0)
        self._near = np.empty((0, 0), dtype=int)
        self._metric = np.eye(self._n)
        self._sobol: qmc.Sobol | None = None
        self._modes = Modes()

    @property
    def modes(self) -> NormalMixture | None:
        """The modes that were found, as a normal density for each; ``None`` if there are none."""
        return self._modes.density

    @property
    def draws(self) -> int:
        """Number of draws of the prior among which modes were looked for."""
        return len(self._base)

    @property
    def fit(self) -> float:
        """Likelihood of the modes that are looked for, over that of the best draw.

        With simulated noise, data constrain a parameter about equally well everywhere, so that much narrower modes are
        not expected.
        """
        return 1.0 if self._target.problem.obstacle("simulation") is None else _FITS.get(self._n, 1.0)

    def look(self, base: np.ndarray, log_density: np.ndarray) -> None:
        """Look for modes again, with further draws of the prior.

        Parameters
        ----------
        base
            Draws in the base space of the chart, (N, n).
        log_density
            Log density of the posterior there, up to a constant, (N,).
        """
        sound = np.all(np.isfinite(base), axis=1)
        self._base = np.concatenate([self._base, base[sound]])
        self._log_density = np.concatenate([self._log_density, log_density[sound]])
        self._near = neighbours(ndtr(self._base) @ self._metric)
        self._modes = find_modes(self._base, self._log_density, self._near, self._climber, self._modes)

    @property
    def _count(self) -> int:
        return 0 if self.modes is None else len(self.modes.shares)

    def complete(self, weighted: WeightedDraws, proposal: Mixture, first: int, seconds: float) -> Completeness | None:
        """Return how likely it is that a mode was missed; ``None`` if draws of the prior show one that the batch lacks.

        Parameters
        ----------
        weighted
            A batch of the posterior.
        proposal
            Proposal of the batch.
        first
            Number of draws of the first round, as many as which may be added in any case.
        seconds
            Seconds for further draws, if more fit into this time.
        """
        posterior = self._posterior(weighted)
        if posterior is None:
            return Completeness(1.0, self._in_words)
        chance = self._missed(posterior)
        limit = Thresholds().missed_check
        # From here on, distances between neighbours are measured in widths of the modes.
        self._metric = _whitening(posterior.found)
        added = 0
        while chance > limit and self._modes.complete:
            most = self.most(first, seconds) - added
            more = min(max(added, _FIRST_MORE), most)
            # Draws miss a mode nearly independently: the chance is a power of their number.
            expected = chance ** ((self.draws + most) / max(self.draws, 1))
            if more < _LEAST_MORE or expected > _HOPE * limit or not self._climber.go_on(more):
                break
            base = self._spread(more)
            found = self._climber.evaluated(base)
            if found is None or not len(base):
                break
            added += len(base)
            self.look(base, found)
            if self._lacking(posterior, proposal):
                return None
            chance = self._missed(posterior)
        if not self._modes.complete:
            return Completeness(
                1.0,
                f"{self._in_words}, which show more local maxima than could be examined: no probability can be given",
            )
        return Completeness(chance, self._in_words, self._about, remedy=self._remedy(chance, limit))

    @cached_property
    def _centres(self) -> np.ndarray:
        """Places at which modes are planted: draws of the prior that were not evaluated."""
        sample = self._target.prior.sample(PLANTED, self._rng)
        base, _ = self._chart.forward({key: sample[key] for key in self._chart.keys})
        places: np.ndarray = ndtr(base)
        return places

    @property
    def _in_words(self) -> str:
        modes = f", which showed {self._count} modes," if self._count > 1 else ""
        return f"{self.draws} draws of the prior{modes} and the batch itself"

    @property
    def _about(self) -> str:
        better = "that fits no better than the best draw"
        if self.fit > 1:
            better = f"that fits up to {self.fit:.0f} times better than the best draw"
        return f"of the shape of those found and {better}"

    def most(self, first: int, seconds: float) -> int:
        """Return how many draws of the prior may be added: those of the first round, or more if they fit into the time.

        Parameters
        ----------
        first
            Number of draws of the first round.
        seconds
            Seconds for further draws.
        """
        return max(first, self._affordable(seconds))

    def _affordable(self, seconds: float) -> int:
        each = self._target.meter.seconds_each
        return int(seconds / each) if each > 0 else 0

    def _remedy(self, chance: float, limit: float) -> str:
        """Return how many further draws, in what time, would exclude such modes; empty if these would be too many."""
        if not limit < chance < _HOPELESS:
            return ""
        more = self.draws * (np.log(limit) / np.log(chance) - 1)
        seconds = max(1.0, 2 * more * self._target.meter.seconds_each)
        return f"about {_rough(more)} more draws of the prior would exclude it: give search_time={_rough(seconds)}"

    def _spread(self, size: int) -> np.ndarray:
        """Draw the prior evenly with a scrambled Sobol sequence (Owen 1998); base coordinates, (size, n) or fewer.

        Draws that violate a constraint are left out, because they are not draws of the prior.
        """
        if self._sobol is None:
            self._sobol = qmc.Sobol(self._n, rng=self._rng)
        with warnings.catch_warnings():
            # How many there are depends on the time that is left: any number is even enough to look for modes.
            warnings.filterwarnings("ignore", "The balance properties of Sobol", UserWarning)
            base = in_normals(self._sobol.random(size))
        return base[self._chart.inverse(base, self._rng)[1]]

    def _lacking(self, posterior: _Posterior, proposal: Mixture) -> bool:
        """Return whether the proposal hardly draws at one of the modes, so that weights there would stand out."""
        if self.modes is None:
            return False
        log_density = self._climber.evaluated(self.modes.means)
        if log_density is None:
            return False
        parameters, inside = self._chart.inverse(self.modes.means, self._rng)
        _, log_jacobian = self._chart.forward(parameters)
        log_weights = log_density + log_jacobian - proposal.log_prob(parameters) - posterior.log_evidence
        return bool(np.any(inside & (log_weights > np.log(STANDS_OUT))))

    def _missed(self, posterior: _Posterior) -> float:
        """Return the chance of a missed mode, estimated with planted modes."""
        of_prior = log_likelihood(self._base, self._log_density)
        best = max(posterior.best, float(of_prior.max(initial=-np.inf)))
        log_volume = posterior.log_evidence - best
        looked = PriorDraws(ndtr(self._base), of_prior - best, self._near)
        weighed = Weighed(posterior.places, posterior.log_prior_over - log_volume)
        return missed(posterior.found, log_volume, looked, weighed, self._centres, SHARE, self.fit)

    def _posterior(self, weighted: WeightedDraws) -> _Posterior | None:
        """Describe the posterior by a weighted batch; ``None`` if no draw has weight."""
        base, log_jacobian = self._chart.forward(weighted.draws.parameters)
        sound = np.isfinite(log_jacobian) & np.all(np.isfinite(base), axis=1)
        log_weights = weighted.log_weights[sound]
        base, alive = base[sound], np.isfinite(log_weights)
        if not alive.any() or not self.draws:
            return None
        log_prior = Normal(self._n).log_prob(base) + log_jacobian[sound]
        log_over = log_prior - weighted.draws.log_q[sound]
        weights = np.exp(log_weights[alive] - log_weights[alive].max())
        labels = np.zeros(int(alive.sum()), dtype=int)
        if self.modes is not None:
            labels = np.argmax(self.modes.log_parts(base[alive]), axis=1)
        found = modes_of(ndtr(base[alive]), weights / weights.sum(), labels)
        if not found:
            return None
        log_evidence = float(logsumexp(log_weights[alive]) - np.log(len(weighted.log_weights)))
        return _Posterior(
            found, log_evidence, float(np.max(log_weights[alive] - log_over[alive])), ndtr(base), log_over
        )


def _rough(number: float) -> str:
    """Format a number with one significant digit."""
    return f"{float(f'{number:.1g}'):.0f}"


def _whitening(found: list[Found]) -> np.ndarray:
    """Return the matrix (n, n) that converts rows of quantiles to units of the modes' widths."""
    covariance = np.average([mode.covariance for mode in found], axis=0, weights=[mode.share for mode in found])
    size = np.diag(np.diag(covariance)) * _RIDGE + np.eye(len(covariance)) * 1e-300
    whitening: np.ndarray = np.linalg.inv(np.linalg.cholesky(covariance + size)).T
    return whitening
