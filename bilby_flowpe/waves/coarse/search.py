r"""Search for the wave that is in the data: draws from the prior, and rounds of smaller and smaller steps around the best.

Each row's non-precessing wave, seen face on, is filtered with the data of every detector. With :math:`z_k(t)` the filter's
output and :math:`N_k` the template's squared norm in detector k, the log likelihood ratio at the best amplitude and phase in
each detector is

.. math:: \max_t \sum_k \max_{|t_k - t| \le T_k} \frac{|z_k(t_k)|^2}{2 N_k} ,

with arrival times no further apart than light travels. The best row is the reference of coarse waves. The draws from the prior
are the bank in which other modes are sought, and waves drawn afresh measure what this bank can find (:mod:`.matches`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ...errors import CoarseObstacle
from ...names import DISTANCE, INCLINATION, PHASE, PLACE, TIME
from ...priors import Parameters, PriorTransform
from ...processes.parallel import Row, make_rows
from ..inner_products import Projection
from .bank import Bank, Stage
from .matches import Matched, Planted, Thinned
from .metric import Changes
from .rounds import Around, Tried
from .sources import source_of
from .statistic import Statistic
from .summary import DetectorBins, bins_in_band
from .templates import Grid, Shapes, Templates
from .terms import terms_from

# Draws from the prior; fewer where every template is a wave on all frequencies, which takes long.
_DRAWS, _DEAR_DRAWS = 4096, 256
_DEAR_ROUNDS, _DEAR_BEST, _DEAR_PER_ROUND = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015), 8, 128
"""Steps of rounds where templates have no metric, rows that each round starts from, and rows of a round.

Steps are in coordinates in which the prior has unit variance: from half of the prior down to the width of a loud event.
"""

# Largest size of the bank, which grows by factors of two while the fraction of waves whose match is below 0.7 exceeds 0.003,
# and as long as the last doubling has reduced this fraction by at least 0.2 of itself.
_LARGEST, _POOR, _FEW, _GAIN = 2**14, 0.7, 0.003, 0.2
# Factor between the lowest frequencies of two stages, most stages, waves by which they are chosen, and the fraction of these
# waves without a match of 0.7 above which a higher frequency is tried. Each factor of 1.6 leaves out about half of the cycles.
_HIGHER, _AT_MOST, _TO_CHOOSE, _TOO_MANY = 1.6, 5, 160, 0.06
_LEAST_POWER = 0.2  # median fraction of the squared signal-to-noise ratio that filtered frequencies must have
# Other rows that are returned: within 12 of the best statistic, at least 0.5 apart in coordinates in which the prior has unit
# variance, and at most four of them.
_NEARLY, _FAR, _OTHERS = 12.0, 0.5, 4
# Parameters that the statistic does not depend on.
_UNSEEN = (TIME, *PLACE, DISTANCE, PHASE, INCLINATION, "phi_12", "phi_jl")
_PROBED, _PROBE_SIZE = 4, 64  # draws and frequencies at which the source is tested
# Fraction of every wave's squared signal-to-noise ratio that a search filters; the rest is at high frequencies.
_POWER = 0.98
# Seconds of data from which on a larger fraction is filtered: long signals are light binaries, with tides and mergers at high
# frequencies.
_LONG, _POWER_OF_LONG = 16.0, 0.9995
_BLOCK = 64  # templates that are computed at once, which bounds the memory


@dataclass(frozen=True)
class Found:
    """Result of a search: the best row, all rows tried, and the bank of templates.

    Attributes
    ----------
    reference
        All parameters of the best row, with the arrival time of the signal as its time.
    log_ratio
        Log likelihood ratio of the best row, at the best amplitude and phase in each detector.
    columns
        Search parameters of all rows that were tried, (N,) each.
    log_ratios
        Log likelihood ratios of these rows, (N,); -inf where a row has no wave.
    evaluations
        Number of templates that were computed.
    words
        Description of the source model that computed them.
    seen
        Parameters that the ratios may depend on.
    bank
        Templates drawn from the prior, by which it is known how modes were sought; ``None`` where a template is a wave on all
        frequencies, which takes too long.
    others
        All parameters of rows that fit nearly as well as the best and are far from it.
    """

    reference: Row
    log_ratio: float
    columns: Parameters
    log_ratios: np.ndarray
    evaluations: int
    words: str
    seen: tuple[str, ...] = ()
    bank: Bank | None = None
    others: tuple[Row, ...] = ()


def find_reference(
    likelihood: GravitationalWaveTransient,
    transform: PriorTransform,
    orders: Sequence[int],
    window: tuple[float, float],
    rng: np.random.Generator,
    coarse: str | None = None,
    draws: int | None = None,
) -> Found:
    """Search the prior for the wave that fits the data best.

    Parameters
    ----------
    likelihood
        Plain likelihood, on all frequencies of the data.
    transform
        The prior.
    orders
        Orders ``m`` of all terms ``exp(i m phase)``; empty if the wave is not such a sum.
    window
        First and last geocentric time, GPS seconds.
    rng
        Generator of random numbers.
    coarse
        Approximant of LALSimulation that computes the waves in place of the likelihood's own.
    draws
        Number of draws from the prior; by default it depends on how long a wave takes.

    Raises
    ------
    CoarseObstacle
        If no row has a wave, or there is no source of coarse waves (:func:`.sources.source_of`).
    """
    probed = make_rows(transform.fixed, transform.sample(_PROBED, rng))
    chosen = source_of(likelihood.waveform_generator, probed, coarse)
    projections = [Projection(interferometer) for interferometer in likelihood.interferometers]
    detectors, frequencies = bins_in_band(projections, chosen.band, _PROBE_SIZE)
    probe = frequencies[np.linspace(0, len(frequencies) - 1, _PROBE_SIZE).astype(int)]
    sampled = make_rows(transform.fixed, transform.sample(_PROBE_SIZE, rng))
    terms = terms_from(chosen.model, orders, probed, probe)
    of_band = Templates(likelihood.waveform_generator, terms, probe, probed[0])
    duration = float(likelihood.interferometers.duration)
    waves = of_band.on(Grid(of_band, probe), of_band.shapes(sampled))
    compared, highest = (_highest(waves, probe, detectors, power) for power in (_POWER, _powers(duration)))
    detectors, frequencies = bins_in_band(projections, (chosen.band[0], highest), 1)
    templates = Templates(likelihood.waveform_generator, terms, frequencies, probed[0])
    some = templates.shapes(sampled)

    def stage(lowest: float) -> Stage:
        within = [one.above(lowest) for one in detectors]
        statistic = Statistic(likelihood, within, frequencies[frequencies >= lowest], window, templates, some)
        return Stage(lowest, statistic, Changes(templates, within), transform.fixed)

    last = Tried(stage(float(frequencies[0])), transform.keys)
    moved = np.array([key not in _UNSEEN for key in transform.keys])
    if templates.dear:
        last.add(transform.sample(draws or _DEAR_DRAWS, rng))
        for step in _DEAR_ROUNDS if moved.any() else ():
            last.add(_around(last, transform, step * moved, rng))
        return _found(last, transform, window, moved)
    thinned = Thinned(*bins_in_band(projections, (chosen.band[0], compared), 1), duration)
    few = _OnGrid(templates, thinned)
    drawn = _Drawn(transform, templates, few)
    drawn.add(draws or _DRAWS, rng)
    # Measurements have their own random numbers, so that they do not change the draws of the rounds.
    (own,) = rng.spawn(1)
    planted = Planted.of(thinned, few, transform, chosen.model, likelihood.interferometers, own)
    lowest = _lowest(planted, drawn, last.stage) if draws is None else [last.stage.lowest]
    stages = [last] if len(lowest) == 1 else [*(Tried(stage(one), transform.keys) for one in lowest[:-1]), last]
    matched = _grown(planted, drawn, lowest[0], draws is None, own)
    size = drawn.size
    for columns, shapes in drawn.pieces:
        stages[0].put(columns, *stages[0].stage.statistic.of(shapes))
    bank_columns = stages[0].columns
    bank = Bank(size, stages[0].values, matched, tuple(one.stage for one in stages), few, thinned, transform.fixed)
    if moved.any():
        around = Around(transform, moved)
        for before, after in pairwise(stages):
            after.follow(before, around, rng)
        last.settle(around, rng)
    evaluations = sum(one.size for one in stages)
    if len(stages) > 1:
        # The draws are rows of the search, without a value at all frequencies.
        columns, values, times = last.columns, last.values, last.times
        last = Tried(last.stage, transform.keys)
        last.put(bank_columns, np.full(size, -np.inf), np.zeros(size))
        last.put(columns, values, times)
    return replace(_found(last, transform, window, moved), bank=bank, evaluations=evaluations)


class _OnGrid:
    """Function that computes templates at a few frequencies."""

    def __init__(self, templates: Templates, thinned: Thinned) -> None:
        self._templates, self._grid = templates, Grid(templates, thinned.frequencies)

    def __call__(self, rows: Sequence[Row]) -> np.ndarray:
        """Return templates (N, J) of rows."""
        return self.of(self._templates.shapes(rows))

    def of(self, shapes: Shapes) -> np.ndarray:
        """Return templates (N, J) of these shapes."""
        blocks = [shapes[start : start + _BLOCK] for start in range(0, shapes.size, _BLOCK)]
        return np.concatenate([self._templates.on(self._grid, block) for block in blocks])


class _Drawn:
    """Draws from the prior, and their templates."""

    def __init__(self, transform: PriorTransform, templates: Templates, few: _OnGrid) -> None:
        self._transform, self._templates, self._few = transform, templates, few
        self.pieces: list[tuple[Parameters, Shapes]] = []
        self._waves: list[np.ndarray] = []

    @property
    def size(self) -> int:
        """Number of draws so far."""
        return sum(shapes.size for _, shapes in self.pieces)

    @property
    def waves(self) -> np.ndarray:
        """Templates at few frequencies, (N, J)."""
        self._waves = [np.concatenate(self._waves)]
        return self._waves[0]

    def add(self, size: int, rng: np.random.Generator) -> None:
        """Draw further rows and compute their templates."""
        columns = self._transform.sample(size, rng)
        shapes = self._templates.shapes(make_rows(self._transform.fixed, columns))
        self.pieces.append((columns, shapes))
        self._waves.append(self._few.of(shapes))


def _lowest(planted: Planted, drawn: _Drawn, stage: Stage) -> list[float]:
    """Choose the lowest frequencies of the stages of a search, from the first stage to the last.

    Draws from the prior are filtered from the first of them on; the last one is that of the data.
    """
    tried = stage.lowest * _HIGHER ** np.arange(_AT_MOST if stage.statistic.shortens else 1)
    poor: list[float] = []
    for lowest in tried:
        matched = planted.matched(drawn.waves, lowest, _TO_CHOOSE)
        if not len(matched.power) or (poor and np.median(matched.power) < _LEAST_POWER):
            break
        poor.append(matched.share_below(_POOR))
        if poor[-1] <= _TOO_MANY:
            break
    # The lowest of those that are as good as the best.
    good = int(np.argmax(np.array(poor) <= max(_TOO_MANY, min(poor, default=0.0)))) if poor else 0
    return [float(one) for one in tried[good::-1]]


def _grown(planted: Planted, drawn: _Drawn, lowest: float, may: bool, rng: np.random.Generator) -> Matched:
    """Draw further rows of the prior while they improve the matches to planted waves; return the final matches."""
    before, now = None, planted.matched(drawn.waves, lowest)
    while may and drawn.size < _LARGEST and (poor := now.share_below(_POOR)) > _FEW:
        before = before or planted.matched(drawn.waves[: drawn.size // 2], lowest)
        if poor > (1 - _GAIN) * before.share_below(_POOR):
            break  # more templates do not help the waves that are left
        size = drawn.size
        drawn.add(size, rng)
        before, now = now, now.joined(planted.matched(drawn.waves[size:], lowest), size)
    return now


def _powers(duration: float) -> float:
    """Return the fraction of every wave's power that is filtered, for data of this duration in seconds."""
    return _POWER_OF_LONG if duration >= _LONG else _POWER


def _highest(waves: np.ndarray, probe: np.ndarray, detectors: Sequence[DetectorBins], share: float) -> float:
    """Return the frequency below which each of some waves (N, F), at probed frequencies, has this fraction of its power."""
    power = np.zeros(waves.shape)
    for one in detectors:
        if len(one.bins):
            power += np.abs(waves) ** 2 * np.interp(probe, one.frequencies, one.weights, left=0.0, right=0.0)
    # Probed frequencies are evenly spaced.
    below = np.cumsum(power, axis=1)
    reached = np.argmax(below >= share * below[:, -1:], axis=1)
    return float(probe[min(int(reached.max()) + 1, len(probe) - 1)])


def _around(tried: Tried, transform: PriorTransform, steps: np.ndarray, rng: np.random.Generator) -> Parameters:
    """Draw rows around the best so far, inside the prior, with steps in its coordinates."""
    columns, values = tried.best(_DEAR_BEST)
    if not len(values):
        return {key: np.zeros(0) for key in transform.keys}
    starts = transform.to_unconstrained(columns)[np.arange(_DEAR_PER_ROUND) % len(values)]
    rows = transform.from_unconstrained(starts + steps * rng.standard_normal(starts.shape))
    inside = transform.satisfies(rows)
    return {key: column[inside] for key, column in rows.items()}


def _others(tried: Tried, transform: PriorTransform, moved: np.ndarray) -> tuple[Row, ...]:
    """Return rows that fit nearly as well as the best, each the farthest from all chosen before it."""
    columns, values = tried.columns, tried.values
    close = np.flatnonzero(values > values.max() - _NEARLY)
    places = transform.to_unconstrained({key: column[close] for key, column in columns.items()})[:, moved]
    apart = np.linalg.norm(places - places[np.argmax(values[close])], axis=1)
    chosen: list[Row] = []
    while len(chosen) < _OTHERS and apart.max() > _FAR:
        index = int(np.argmax(apart))
        chosen.append({**transform.fixed, **{key: float(x[close[index]]) for key, x in columns.items()}})
        apart = np.minimum(apart, np.linalg.norm(places - places[index], axis=1))
    return tuple(chosen)


def _found(tried: Tried, transform: PriorTransform, window: tuple[float, float], moved: np.ndarray) -> Found:
    """Return the best row and all others as the result of a search."""
    best = int(np.argmax(tried.values))
    if not np.isfinite(tried.values[best]):
        raise CoarseObstacle(
            f"none of the {tried.size} parameter sets tried by the search has a wave in the detectors' bands: check "
            "minimum_frequency and maximum_frequency of waveforms and detectors, or set coarse=False"
        )
    columns = dict(tried.columns)
    reference = {**transform.fixed, **{key: float(column[best]) for key, column in columns.items()}}
    others = _others(tried, transform, moved)
    if TIME in columns:
        reference[TIME] = float(np.clip(tried.times[best], *window))
        columns[TIME] = np.clip(tried.times, *window)
    seen = tuple(key for key in columns if key not in _UNSEEN)
    words = tried.stage.statistic.templates.words
    value = float(tried.values[best])
    return Found(reference, value, columns, tried.values, tried.size, words, seen, others=others)
