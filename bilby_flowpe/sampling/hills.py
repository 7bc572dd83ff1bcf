r"""The hills of a search's statistic: possible modes of a gravitational wave's posterior in masses and spins.

The statistic is climbed from all draws of the prior at which it is a local maximum among neighbours, and every separate
hill becomes a component of a proposal. Steps are scaled to the change of templates: with the derivatives of a template
along each coordinate, minus what phase and time can compensate, the statistic l decreases by half a unit at a distance
of one in the metric

.. math:: G_{ab} = 2 l \, \frac{\mathrm{Re} \langle \partial_a T | \partial_b T \rangle}{\langle T | T \rangle} .

In the base space of the chart, the prior is a standard normal, and :math:`(G + 1)^{-1}` is the covariance of a mode
there. The highest local maximum from which no climb started is called the *level*: any template above it has been
examined.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from bilby.core.utils import logger
from scipy.spatial import cKDTree

from ..priors import Parameters, PriorTransform
from ..proposals.binary_chart import BinaryChart
from ..proposals.event_mixture import NormalMixture
from ..proposals.parts import FromPrior
from ..waves.coarse.bank import Bank, Stage
from ..waves.coarse.metric import metric_of

# Largest numbers of climbs and of hills, which limit the templates needed and the components of the proposal.
_MOST_CLIMBS, _MOST_HILLS = 160, 16
# Local maxima are climbed if they could belong to a signal that is weaker than the best statistic by the first number,
# and whose match with its best template is above the quantile given by the second number.
_LESS, _POOREST = 40.0, 0.003
_NEIGHBOURS_EACH = 2  # neighbours for each coordinate above which a local maximum has to be
_STEPS = (2.0, 1.4, 1.0, 0.7)  # steps of the generations of a climb, in standard deviations of the mode
_MORE_STEPS = (*_STEPS, 1.0, 0.7, 0.7, 0.5, 0.5, 0.35)
"""Steps, in standard deviations of the mode, for climbs that start with fewer frequencies and so farther from the
top."""

_EACH = 16  # Rows drawn around a climber in a generation: the best of them is its next place.
# If templates are filtered from higher frequencies first: steps of the generations there, steps once lower frequencies
# are added, rows of each of the latter, and the largest number of climbs, which is lower because each takes many more
# templates.
_LOWERED, _AFTERWARDS, _EACH_LOWERED, _MOST_LOWERED = (2.0, 1.0), (1.0, 0.5), 32, 40
# step for derivatives of templates, in standard deviations of the prior: far below the widths of modes
_DIFFERENCE = 1e-3
_SAME = 2.0  # distance in standard deviations up to which two places count as the same hill
_ON_THE_WAY, _DIP = ((0.2, 0.4, 0.6, 0.8), 1.0)
"""Points between two tops, as parts of the way, and the decrease of the statistic there, in nats, that separates two
hills."""

_WIDER = 2.0  # factor on a mode's standard deviations, because parameters that the search ignores shift the others
_OF_A_HILL = 64  # Draws of a hill that estimate how densely it has been drawn from: enough for a mean.
_WORTH = 15.0  # nats of log mass below the largest one at which a hill is left out: its mass is below 1e-6 of that
# part of the shares that is equal for all hills, and the temperature by which masses are flattened for the rest
_EQUAL, _TEMPERATURE = 0.5, 5.0
_SEED = 20261130  # any number: the hills of an event are the same in every run


@dataclass(frozen=True)
class Hills:
    """Hills of the statistic that were found by climbs.

    Attributes
    ----------
    density
        A normal density for each hill, in the base space of the chart; coordinates that do not affect the statistic
        keep their prior.
    values
        Statistic at the top of each hill, (K,).
    level
        Statistic above which every local maximum of the bank was climbed.
    around
        Largest statistic among the neighbours of each draw of the bank, (B,), above which it is a local maximum.
    volumes
        Log of the share of the prior that each hill fills, by the metric of templates, (K,).
    climbs, templates
        Number of climbs, and of the templates that they needed.
    surface
        The statistic and the metric over the coordinates that affect it.
    """

    density: NormalMixture
    values: np.ndarray
    level: float
    around: np.ndarray
    volumes: np.ndarray
    climbs: int
    templates: int
    surface: Surface

    def drawn(self, index: int) -> Parameters:
        """Draw from the mode at a hill, (N,) each; coordinates that do not affect the statistic are as in the prior."""
        n = len(self.surface.seen)
        white = np.random.default_rng(_SEED).standard_normal((_OF_A_HILL, n))
        white[:, self.surface.seen] /= _WIDER
        base = self.density.means[index] + white @ self.density.cholesky[index].T
        parameters, inside = self.surface.chart.inverse(base, np.random.default_rng(_SEED))
        return {key: column[inside] for key, column in parameters.items()}


@dataclass
class Climber:
    """A climb's present place, in the coordinates that affect the statistic."""

    place: np.ndarray
    value: float

    @property
    def height(self) -> float:
        """Sum of the statistic and the log prior, which is maximised."""
        return self.value - 0.5 * float(self.place @ self.place)


class Surface:
    """The statistic and the metric of templates over some coordinates of a chart, at one stage of a search."""

    def __init__(self, stage: Stage, chart: BinaryChart, transform: PriorTransform, seen: np.ndarray) -> None:
        self._stage, self.chart, self.seen = stage, chart, seen
        self._others = transform.from_median()
        self.templates = 0

    def columns(self, places: np.ndarray) -> tuple[Parameters, np.ndarray]:
        """Return parameters at places (N, n), with the median of all others, and a mask of the rows inside the prior."""
        base = np.zeros((len(places), len(self.seen)))
        base[:, self.seen] = places
        parameters, inside = self.chart.inverse(base, np.random.default_rng(_SEED))
        filled = {key: np.full(len(places), value) for key, value in self._others.items()}
        return filled | parameters, inside

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Return the statistic (N,), -inf outside the prior."""
        columns, inside = self.columns(places)
        self.templates += len(places)
        return np.where(inside, self._stage.ratios(columns), -np.inf)

    def log_targets(self, places: np.ndarray) -> np.ndarray:
        """Return the log density of the prior, up to a constant, and the statistic, (2, N); -inf outside."""
        columns, inside = self.columns(places)
        self.templates += len(places)
        ratios = np.where(inside, self._stage.ratios(columns), -np.inf)
        keys = self.chart.keys
        own = {key: columns[key] for key in keys}
        with np.errstate(invalid="ignore"):
            log_prior = FromPrior(self.chart.transform, keys).log_prob(own)[:, 0] - self.chart.forward(own)[1]
        return np.stack([np.where(inside & np.isfinite(log_prior), log_prior, -np.inf), ratios])

    def precision(self, climber: Climber) -> np.ndarray:
        """Return the inverse covariance of a mode at a place."""
        n = len(climber.place)
        # Steps go inwards, because there is nothing beyond the edge of a prior.
        steps = _DIFFERENCE * np.where(climber.place > 0, -1.0, 1.0)
        places = climber.place + np.concatenate([np.zeros((1, n)), np.diag(steps)])
        self.templates += len(places)
        metric = metric_of(self._stage.drawn(self.columns(places)[0]), steps)
        return np.eye(n) if metric is None else 2 * max(climber.value, 0.0) * metric + np.eye(n)

    def log_volumes(self, columns: Parameters, value: float) -> np.ndarray:
        """Return the log of the share of the prior that a mode with this statistic would fill at each row, (N,)."""
        base = self.chart.forward({key: columns[key] for key in self.chart.keys})[0][:, self.seen]
        return np.array([_log_volume(place, self.precision(Climber(place, value))) for place in base])


def find_hills(
    bank: Bank, columns: Parameters, ratios: np.ndarray, seen: np.ndarray, chart: BinaryChart, transform: PriorTransform
) -> Hills | None:
    """Climb the statistic from the local maxima of a bank of templates.

    Parameters
    ----------
    bank
        The bank, whose draws of the prior are the first rows.
    columns, ratios
        All rows of the search, and their statistic, (N,).
    seen
        Mask of the chart's coordinates that affect the statistic, (n,).
    chart
        Coordinates in which the prior is a standard normal.
    transform
        The prior.

    Returns
    -------
    Hills or None
        ``None`` if fewer rows than needed have a statistic.
    """
    surfaces = [Surface(stage, chart, transform, seen) for stage in bank.stages]
    first, surface, rng = surfaces[0], surfaces[-1], np.random.default_rng(_SEED)
    base, log_jacobian = chart.forward({key: columns[key] for key in chart.keys})
    there = np.isfinite(log_jacobian) & np.all(np.isfinite(base), axis=1)
    base, among = base[:, seen], np.flatnonzero(there[: bank.size] & np.isfinite(bank.values))
    around = _NEIGHBOURS_EACH * base.shape[1] + 1
    if len(among) <= around:
        return None
    highest_of_all = int(np.argmax(np.where(there, ratios, -np.inf)))
    best = Climber(base[highest_of_all], float(ratios[highest_of_all]))
    root = np.linalg.cholesky(first.precision(best))
    base, ratios = base[among], bank.values[among]
    _, near = cKDTree(base @ root).query(base @ root, k=around + 1)
    near_best = np.full(bank.size, np.inf)
    near_best[among] = ratios[near[:, 1:]].max(axis=1)
    highest = np.flatnonzero(ratios >= near_best[among])
    highest = highest[np.argsort(-ratios[highest])]
    floor = max(best.value - _LESS, 0.0) * float(np.quantile(bank.matched.found.max(axis=1), _POOREST)) ** 2
    wanted = int(np.sum(ratios[highest] > floor))
    most = _MOST_CLIMBS if len(surfaces) == 1 else _MOST_LOWERED
    level = floor if wanted <= most else float(ratios[highest[most]])
    starts = highest[: min(wanted, most)]
    climbers = [Climber(base[start], float(ratios[start])) for start in starts]
    logger.info(f"Looking for all modes: {len(climbers) + 1} templates of the search climb to the maxima near them")
    for before, after in pairwise(surfaces):
        climbers = _lowered(before, after, climbers, rng)
    steps = _STEPS if len(surfaces) == 1 else _MORE_STEPS
    tops = _distinct(surface, _climbed(surface, [best, *climbers], rng, steps))
    precisions = [surface.precision(top) for top in tops]
    masses = np.array([top.height - 0.5 * np.linalg.slogdet(one)[1] for top, one in zip(tops, precisions, strict=True)])
    order = [int(index) for index in np.argsort(-masses) if masses[index] > masses.max() - _WORTH]
    level = max([level, *(tops[index].value for index in order[_MOST_HILLS:])])
    order = order[:_MOST_HILLS]
    shares = np.exp((masses[order] - masses.max()) / _TEMPERATURE)
    density = NormalMixture(
        (1 - _EQUAL) * shares / shares.sum() + _EQUAL / len(order),
        np.stack([_whole(tops[index].place, seen) for index in order]),
        np.stack([_whole_root(precisions[index], seen) for index in order]),
    )
    values = np.array([tops[index].value for index in order])
    volumes = np.array([_log_volume(tops[index].place, precisions[index]) for index in order])
    templates = sum(one.templates for one in surfaces)
    return Hills(density, values, level, near_best, volumes, len(starts), templates, surface)


def _lowered(before: Surface, after: Surface, climbers: list[Climber], rng: np.random.Generator) -> list[Climber]:
    """Climb with templates filtered from a higher frequency on, and then with those from a lower one."""
    if not climbers:
        return []
    climbers = _climbed(before, climbers, rng, _LOWERED)
    n = len(climbers[0].place)
    for step in _AFTERWARDS:
        roots = [np.linalg.cholesky(np.linalg.inv(before.precision(climber))) for climber in climbers]
        white = rng.standard_normal((len(climbers), _EACH_LOWERED, n))
        places = np.stack(
            [one.place + step * each @ root.T for one, each, root in zip(climbers, white, roots, strict=True)]
        )
        places = np.concatenate([np.stack([one.place for one in climbers])[:, None], places], axis=1)
        values = after(places.reshape(-1, n)).reshape(len(climbers), -1)
        highest = np.argmax(values - 0.5 * np.sum(places**2, axis=2), axis=1)
        climbers = [
            Climber(at[index], float(value[index])) for at, value, index in zip(places, values, highest, strict=True)
        ]
    return climbers


def _climbed(
    surface: Surface, climbers: list[Climber], rng: np.random.Generator, steps: tuple[float, ...] = _STEPS
) -> list[Climber]:
    """Climb for some generations, and leave out climbers that come close to a higher one."""
    for step in steps:
        roots = [np.linalg.cholesky(np.linalg.inv(surface.precision(climber))) for climber in climbers]
        n = len(climbers[0].place)
        places = np.stack(
            [
                climber.place + step * rng.standard_normal((_EACH, n)) @ root.T
                for climber, root in zip(climbers, roots, strict=True)
            ]
        )
        values = surface(places.reshape(-1, n)).reshape(len(climbers), _EACH)
        heights = values - 0.5 * np.sum(places**2, axis=2)
        for climber, at, value, height in zip(climbers, places, values, heights, strict=True):
            index = int(np.argmax(height))
            if height[index] > climber.height:
                climber.place, climber.value = at[index], float(value[index])
        climbers = _apart(climbers, [np.linalg.inv(root) for root in roots])
    return climbers


def _apart(climbers: list[Climber], whitening: list[np.ndarray]) -> list[Climber]:
    """Leave out every climber that is close to a higher one."""
    kept: list[int] = []
    for index in sorted(range(len(climbers)), key=lambda number: -climbers[number].height):
        steps = [climbers[index].place - climbers[other].place for other in kept]
        near = (np.linalg.norm(whitening[other] @ step) for other, step in zip(kept, steps, strict=True))
        if not any(distance < _SAME for distance in near):
            kept.append(index)
    return [climbers[index] for index in kept]


def _distinct(surface: Surface, climbers: list[Climber]) -> list[Climber]:
    """Keep the climbers that a dip of the statistic separates from every higher one, the highest first."""
    kept: list[Climber] = []
    for climber in sorted(climbers, key=lambda one: -one.height):
        if kept:
            along = np.array(_ON_THE_WAY)[:, None]
            lines = np.concatenate([other.place + along * (climber.place - other.place) for other in kept])
            heights = (surface(lines) - 0.5 * np.sum(lines**2, axis=1)).reshape(len(kept), -1)
            if np.any(heights.min(axis=1) > climber.height - _DIP):
                continue
        kept.append(climber)
    return kept


def _log_volume(place: np.ndarray, precision: np.ndarray) -> float:
    """Return the log of the standard normal prior's integral times exp(-x^T G x / 2) about a place; precision is G + 1."""
    n = len(place)
    moved = (precision - np.eye(n)) @ np.linalg.solve(precision, place)
    return float(-0.5 * np.linalg.slogdet(precision)[1] - 0.5 * place @ moved)


def _whole(place: np.ndarray, seen: np.ndarray) -> np.ndarray:
    whole = np.zeros(len(seen))
    whole[seen] = place
    return whole


def _whole_root(precision: np.ndarray, seen: np.ndarray) -> np.ndarray:
    root = np.eye(len(seen))
    root[np.ix_(seen, seen)] = _WIDER * np.linalg.cholesky(np.linalg.inv(precision))
    return root
