"""Coordinates for a signal and a density in them, improved in turns.

The best-measured phase (:mod:`bilby_flowpe.proposals.leading_chart`) is found near the rows of a search. In the
coordinates that follow from it, normal densities are adapted to the statistic (:mod:`.adapted`). Near draws of these,
the phase is found again, now where the posterior is, and so on.
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

# Largest number of generations in each turn; in the first one, the phase is known roughly. Turns end after the third if
# the path has reached its end; after a search that ended ten units below the largest statistic, there are more.
_GENERATIONS, _LEAST_TURNS = (4, 8, 8, 8, 8, 8, 8, 8), 3
_ROWS = 400  # rows at which the phase is fitted: ten times the number of terms of the polynomial
_AROUND = 1.5  # factor on the standard deviations of the density for these rows, because its tails matter, too
# factor on the standard deviations of the result, because parameters that a search ignores shift the others
_WIDER = 1.3
_ARRIVED = 0.5  # Inverse temperature, or share of the path to the statistic, below which the density is not used.
# nats of the statistic: coarse waves about a row that is so far below the best are not accurate for the posterior
_FAR_ABOVE = 3.0
_SEED = 20261130  # any number: the same in every run of an event


@dataclass(frozen=True)
class SearchDensity:
    """Coordinates, and a density in them that is adapted to the statistic.

    Attributes
    ----------
    chart
        The coordinates.
    density
        Density over all coordinates; those that do not affect the statistic keep their prior.
    templates
        Number of templates that were needed.
    better
        All parameters of a row whose statistic is far above that of the best row of the search, if there is one.
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
    """Return coordinates with the best-measured phase, and a density that is adapted to the statistic in them.

    Parameters
    ----------
    bank
        Bank, which computes the statistic.
    columns, log_ratios, weights
        Rows of the search, (N,) each, their statistic, and tempered weights, which sum to one.
    seen
        Mask of the coordinates that affect the statistic, (n,).
    chart
        The prior's coordinates.
    transform
        The prior.

    Returns
    -------
    SearchDensity or None
        ``None`` if no chirp mass can be replaced, an edge of its prior cuts the signal, or the density does not reach
        the statistic.
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
        "Coordinates: the chirp mass is replaced by its distance from the value that keeps the best-measured phase, "
        f"given mass ratio, spins and tides (accurate to {turns.radians:.2g} radians of phase)"
    )
    better = None
    if found.value > log_ratios[best] + _FAR_ABOVE:
        at_best, _ = turns.surface.columns(found.best[None])
        better = {**reference, **{key: float(at_best[key][0]) for key in chart.keys}}
    return SearchDensity(turns.chart, over_all(found.density, seen, _WIDER), turns.templates, better)


class _Turns:
    """Makes coordinates from rows, and a density in these coordinates."""

    def __init__(
        self, bank: Bank, chart: BinaryChart, transform: PriorTransform, seen: np.ndarray, reference: Row, value: float
    ) -> None:
        self._stage, self._plain, self._transform, self._seen = bank.stages[-1], chart, transform, seen
        self._reference, self._value = reference, value
        self._density: NormalMixture | None = None
        self.chart, self.radians, self.templates = chart, np.inf, 0
        self.surface = Surface(self._stage, chart, transform, seen)

    def made(self, about: Parameters, generations: int) -> Adapted | None:
        """Make the next density; ``None`` if the phase cannot be found."""
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
    """Extend a density to all coordinates, broadened; coordinates that do not affect the statistic keep their prior."""
    count = len(density.shares)
    means, cholesky = np.zeros((count, len(seen))), np.tile(np.eye(len(seen)), (count, 1, 1))
    means[:, seen] = density.means
    cholesky[np.ix_(np.arange(count), seen, seen)] = wider * density.cholesky
    return NormalMixture(density.shares, means, cholesky)
