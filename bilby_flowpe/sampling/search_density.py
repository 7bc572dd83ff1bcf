"""Coordinates of a signal and a density in them, by turns: each makes the other better.

The best-measured phase (:mod:`bilby_flowpe.proposals.leading_chart`) is found about the rows of a search; in these coordinates
normals are adapted to the statistic (:mod:`.adapted`); about draws of these it is found again, where the posterior is and
nowhere else, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.core.utils import logger

from ..names import CHIRP_MASS
from ..priors import Parameters, PriorTransform
from ..processes.parallel import Row
from ..proposals.binary_chart import BinaryChart
from ..proposals.event_flow import Whitening
from ..proposals.event_mixture import NormalMixture
from ..proposals.event_quantiles import reaches_edges
from ..proposals.leading_chart import LeadingChart, can_lead
from ..waves.coarse.bank import Bank
from ..waves.coarse.leading import leading_mass
from .adapted import Adapted, adapted, metric_density
from .hills import Surface

# Generations of each turn: the first is about a curve that is known roughly. Turns end at the third, where the path is gone to
# its end; after a search that has ended ten units below the largest statistic there are more.
_GENERATIONS, _LEAST_TURNS = (4, 8, 8, 8, 8, 8, 8, 8), 3
_ROWS = 400  # about which the phase is found: ten times the terms of the polynomial
_AROUND = 1.5  # times the standard deviations of the density: its tails count, too
_WIDER = 1.3  # of the standard deviations in what is drawn: parameters that a search does not see move the others
_ARRIVED = 0.5  # of the path to the statistic: below it the density is of something else
_FAR_ABOVE = 3.0  # in the statistic: coarse waves about a row that is so far below are not those of the posterior
_SEED = 20261130  # any number: the same in every run of an event


@dataclass(frozen=True)
class SearchDensity:
    """Coordinates and a density in them.

    Attributes
    ----------
    chart
        The coordinates.
    density
        Over all of them, what a search does not see as in the prior.
    templates
        Number of templates that it took.
    better
        All parameters of a row whose statistic is far above that of the best row of the search, where there is one.
    """

    chart: BinaryChart
    density: NormalMixture
    templates: int = 0
    better: Row | None = None


def search_density(
    bank: Bank,
    columns: Parameters,
    log_ratios: np.ndarray,
    weights: np.ndarray,
    seen: np.ndarray,
    chart: BinaryChart,
    transform: PriorTransform,
) -> SearchDensity | None:
    """Return coordinates with the best-measured phase, and a density that is adapted to the statistic in these.

    Parameters
    ----------
    bank
        What tells the statistic.
    columns, log_ratios, weights
        Rows of the search, (N,) each, their statistic, and tempered weights, which sum to one.
    seen
        Which coordinates the statistic depends on, (n,).
    chart
        The prior's coordinates.
    transform
        The prior.

    Returns
    -------
    SearchDensity or None
        ``None`` where there is no chirp mass to replace, an edge of its prior cuts the signal, or the density does not become
        one of the statistic.
    """
    if not can_lead(transform, chart.keys) or not seen[chart.keys.index(CHIRP_MASS)]:
        return None
    rng = np.random.default_rng(_SEED)
    best = int(np.argmax(log_ratios))
    reference = {**bank.fixed, **{key: float(column[best]) for key, column in columns.items()}}
    some = np.unique(rng.choice(len(weights), _ROWS, p=weights))
    about = {key: column[some] for key, column in columns.items()}
    turns = _Turns(bank, chart, transform, seen, reference, float(log_ratios[best]))
    found = None
    for turn, generations in enumerate(_GENERATIONS):
        if found is not None and found.arrived >= 1 and turn >= _LEAST_TURNS:
            break
        if (found := turns.made(about, generations)) is None:
            return None
        about, inside = turns.surface.columns(found.density.broadened(_AROUND).draw(_ROWS, rng))
        about = {key: column[inside] for key, column in about.items()}
        if not inside.any():
            return None
    mass, _ = chart.forward({key: about[key] for key in chart.keys})
    at = chart.keys.index(CHIRP_MASS)
    if found is None or found.arrived < _ARRIVED or reaches_edges(mass[:, [at]], np.zeros(len(mass))):
        return None
    logger.info(
        "Coordinates: in the place of the chirp mass stands its distance from the value at which the signal's phase stays "
        f"as measured, given mass ratio, spins and tides (good to {turns.radians:.2g} radians of phase)"
    )
    better = None
    if found.value > log_ratios[best] + _FAR_ABOVE:
        at_best, _ = turns.surface.columns(found.best[None])
        better = {**reference, **{key: float(at_best[key][0]) for key in chart.keys}}
    return SearchDensity(turns.chart, over_all(found.density, seen, _WIDER), turns.templates, better)


class _Turns:
    """Makes coordinates about rows, and a density in these."""

    def __init__(
        self, bank: Bank, chart: BinaryChart, transform: PriorTransform, seen: np.ndarray, reference: Row, value: float
    ) -> None:
        self._stage, self._plain, self._transform, self._seen = bank.stages[-1], chart, transform, seen
        self._reference, self._value = reference, value
        self._density: NormalMixture | None = None
        self.chart, self.radians, self.templates = chart, np.inf, 0
        self.surface = Surface(self._stage, chart, transform, seen)

    def made(self, about: Parameters, generations: int) -> Adapted | None:
        """The next density; ``None`` where the phase cannot be found."""
        keys = self._plain.keys
        leading = leading_mass(self._stage, about, self._reference)
        if leading is None:
            return None
        self.chart, self.radians = LeadingChart(self._transform, keys, leading, leading.scale), leading.radians
        self.surface = Surface(self._stage, self.chart, self._transform, self._seen)
        if self._density is None:
            place, _ = self.chart.forward({key: np.array([self._reference[key]]) for key in keys})
            first = metric_density(self.surface, place[0, self._seen], self._value)
        else:
            base, log_jacobian = self.chart.forward({key: about[key] for key in keys})
            base = base[np.isfinite(log_jacobian)][:, self._seen]
            whitening = Whitening.of(base, np.full(len(base), 1 / len(base)))
            first = NormalMixture(np.ones(1), whitening.mean[None], whitening.cholesky[None])
        found = adapted(self.surface, first, generations)
        self._density = found.density
        self.templates += self.surface.templates + leading.templates
        return found


def over_all(density: NormalMixture, seen: np.ndarray, wider: float) -> NormalMixture:
    """A density over what a search sees as one over all coordinates, broadened; what it does not see is as in the prior."""
    count = len(density.shares)
    means, cholesky = np.zeros((count, len(seen))), np.tile(np.eye(len(seen)), (count, 1, 1))
    means[:, seen] = density.means
    cholesky[np.ix_(np.arange(count), seen, seen)] = wider * density.cholesky
    return NormalMixture(density.shares, means, cholesky)
