r"""Find the wave that is in the data: draws of the prior, and rounds of smaller and smaller steps around the best of them.

Each row's non-precessing wave, seen face on, is filtered with the data of every detector. With :math:`z_k(t)` the filter's
output and :math:`N_k` the template's squared norm in detector k, the log likelihood ratio at the best amplitude and phase in
each detector is

.. math:: \max_t \sum_k \max_{|t_k - t| \le T_k} \frac{|z_k(t_k)|^2}{2 N_k} ,

with arrival times no further apart than light travels. The best row is a reference for coarse waves; the draws of the prior
are the bank in which other modes are looked for, and waves drawn afresh say what it can see (:mod:`.matches`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ...errors import CoarseObstacle
from ...names import DISTANCE, INCLINATION, PHASE, PLACE, TIME
from ...priors import Parameters, PriorTransform
from ...processes.parallel import Row, make_rows
from ..inner_products import Projection
from .bank import Bank
from .matches import Matched, Planted, Thinned
from .sources import source_of
from .statistic import Statistic
from .summary import DetectorBins, bins_in_band
from .templates import Templates
from .terms import terms_from

_DRAWS, _DEAR_DRAWS = 4096, 256  # draws of the prior, and where every template is a wave on all frequencies
_ROUNDS = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015)
"""Steps in the prior's coordinates, in which it has unit variance: from half of the prior down to the width of a loud event."""

_BEST, _PER_ROUND = 8, 128  # rows that each round starts from, and rows of a round
# The bank grows by factors of two, up to this size, while waves of a match below the first figure are more than the second
# share, and the last doubling has brought their number down by the third.
_LARGEST, _POOR, _FEW, _GAIN = 2**14, 0.7, 0.003, 0.2
_NEARLY, _FAR, _OTHERS = 12.0, 0.5, 4  # in the statistic; in the prior's coordinates; number of rows that are named
_UNSEEN = (TIME, *PLACE, DISTANCE, PHASE, INCLINATION, "phi_12", "phi_jl")  # what the statistic does not depend on
_PROBED, _PROBE_SIZE = 4, 64  # draws and frequencies at which the source is tried
# Of every wave's squared signal-to-noise ratio: a search does without the rest, which high frequencies have.
_POWER = 0.98


@dataclass(frozen=True)
class Found:
    """What a search has found.

    Attributes
    ----------
    reference
        All parameters of the best row, its time that of the signal's arrival.
    log_ratio
        Its log likelihood ratio, at the best amplitude and phase in each detector.
    columns
        Search parameters of all rows that were tried, (N,) each.
    log_ratios
        Of these, (N,); -inf where a row has no wave.
    evaluations
        Number of templates made.
    words
        What made them.
    seen
        Parameters that the ratios may depend on.
    bank
        What tells how modes were looked for; ``None`` where a template is a wave on all frequencies, which takes too long.
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
        A plain one, on all frequencies of the data.
    transform
        The prior.
    orders
        ``m`` of all terms that turn with the phase; none where the wave does not turn so.
    window
        First and last geocentric time, GPS seconds.
    rng
        Generator.
    coarse
        Approximant of LALSimulation that makes the waves in place of the likelihood's own.
    draws
        Number of draws of the prior; by the price of a wave when left out.

    Raises
    ------
    CoarseObstacle
        If no row has a wave, or the source has none to offer (:func:`.sources.source_of`).
    """
    probed = make_rows(transform.fixed, transform.sample(_PROBED, rng))
    chosen = source_of(likelihood.waveform_generator, probed, coarse)
    projections = [Projection(interferometer) for interferometer in likelihood.interferometers]
    detectors, frequencies = bins_in_band(projections, chosen.band, _PROBE_SIZE)
    probe = frequencies[np.linspace(0, len(frequencies) - 1, _PROBE_SIZE).astype(int)]
    sampled = make_rows(transform.fixed, transform.sample(_PROBE_SIZE, rng))
    terms = terms_from(chosen.model, orders, probed, probe)
    highest = _highest(Templates(likelihood.waveform_generator, terms, probe, probed[0])(sampled), probe, detectors)
    detectors, frequencies = bins_in_band(projections, (chosen.band[0], highest), 1)
    templates = Templates(likelihood.waveform_generator, terms, frequencies, probed[0])
    thinned = Thinned(detectors, frequencies, float(likelihood.interferometers.duration))
    statistic = Statistic(likelihood, detectors, frequencies, window, templates, thinned.kept)
    tried = _Tried(transform, statistic)
    tried.add(transform.sample(draws or (_DEAR_DRAWS if templates.dear else _DRAWS), rng))
    bank = None
    # What is measured, or tried beside, does not change the draws of the rounds.
    (own,) = rng.spawn(1)
    if not templates.dear:
        few = Templates(likelihood.waveform_generator, terms, thinned.frequencies, probed[0])
        planted = Planted.of(thinned, few, transform, chosen.model, likelihood.interferometers, own)
        matched = tried.grown(planted, own) if draws is None else planted.matched(tried.waves)
        bank = Bank(tried.size, matched, statistic, few, thinned, transform.fixed)
        tried.forget_waves()
    moved = np.array([key not in _UNSEEN for key in transform.keys])
    for step in _ROUNDS if moved.any() else ():
        tried.add(tried.around(step * moved, rng))
    return replace(tried.found(window), bank=bank, others=tried.others(moved))


def _highest(waves: np.ndarray, probe: np.ndarray, detectors: Sequence[DetectorBins]) -> float:
    """Frequency up to which all of some waves (N, F), given at probed frequencies, have most of their power."""
    power = np.zeros(waves.shape)
    for one in detectors:
        if len(one.bins):
            power += np.abs(waves) ** 2 * np.interp(probe, one.frequencies, one.weights, left=0.0, right=0.0)
    # Probed frequencies are evenly spaced.
    below = np.cumsum(power, axis=1)
    reached = np.argmax(below >= _POWER * below[:, -1:], axis=1)
    return float(probe[min(int(reached.max()) + 1, len(probe) - 1)])


class _Tried:
    """All rows of a search, and their values."""

    def __init__(self, transform: PriorTransform, statistic: Statistic) -> None:
        self._transform, self._statistic = transform, statistic
        self._pieces: list[Parameters] = []
        self._values, self._times = np.zeros(0), np.zeros(0)
        self._waves: list[np.ndarray] = []

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self._values)

    @property
    def waves(self) -> np.ndarray:
        """Templates at few frequencies, (N, J)."""
        self._waves = [np.concatenate(self._waves)]
        return self._waves[0]

    def grown(self, planted: Planted, rng: np.random.Generator) -> Matched:
        """Draw further rows of the prior while they improve on how well planted waves are matched; how well they are then."""
        before, now = None, planted.matched(self.waves)
        while self.size < _LARGEST and (poor := now.share_below(_POOR)) > _FEW:
            before = before or planted.matched(self.waves[: self.size // 2])
            if poor > (1 - _GAIN) * before.share_below(_POOR):
                break  # what is left is not for want of templates
            self.add(self._transform.sample(self.size, rng))
            before, now = now, planted.matched(self.waves)
        return now

    def forget_waves(self) -> None:
        """Free the memory of the templates."""
        self._waves = []

    def add(self, columns: Parameters) -> None:
        """Evaluate further rows."""
        if not len(next(iter(columns.values()))):
            return
        values, times, waves = self._statistic(make_rows(self._transform.fixed, columns))
        self._pieces.append(columns)
        self._waves.append(waves)
        self._values, self._times = np.append(self._values, values), np.append(self._times, times)

    def _columns(self) -> Parameters:
        return {key: np.concatenate([piece[key] for piece in self._pieces]) for key in self._transform.keys}

    def around(self, steps: np.ndarray, rng: np.random.Generator) -> Parameters:
        """Rows around the best so far, inside the prior."""
        best = np.argsort(-self._values)[:_BEST]
        centres = self._transform.to_unconstrained({key: column[best] for key, column in self._columns().items()})
        starts = centres[np.arange(_PER_ROUND) % len(best)]
        columns = self._transform.from_unconstrained(starts + steps * rng.standard_normal(starts.shape))
        inside = self._transform.satisfies(columns)
        return {key: column[inside] for key, column in columns.items()}

    def others(self, moved: np.ndarray) -> tuple[Row, ...]:
        """Rows that fit nearly as well as the best, one after the other the one that is farthest from all before."""
        columns = self._columns()
        close = np.flatnonzero(self._values > self._values.max() - _NEARLY)
        places = self._transform.to_unconstrained({key: column[close] for key, column in columns.items()})[:, moved]
        apart = np.linalg.norm(places - places[np.argmax(self._values[close])], axis=1)
        chosen: list[Row] = []
        while len(chosen) < _OTHERS and apart.max() > _FAR:
            index = int(np.argmax(apart))
            chosen.append({**self._transform.fixed, **{key: float(x[close[index]]) for key, x in columns.items()}})
            apart = np.minimum(apart, np.linalg.norm(places - places[index], axis=1))
        return tuple(chosen)

    def found(self, window: tuple[float, float]) -> Found:
        """The best row and all others."""
        best = int(np.argmax(self._values))
        if not np.isfinite(self._values[best]):
            raise CoarseObstacle(
                f"none of the {len(self._values)} rows that were tried has a wave in the detectors' bands: check "
                "minimum_frequency and maximum_frequency of waveforms and detectors, or set coarse=False"
            )
        columns = self._columns()
        reference = {**self._transform.fixed, **{key: float(column[best]) for key, column in columns.items()}}
        if TIME in columns:
            reference[TIME] = float(np.clip(self._times[best], *window))
            columns[TIME] = np.clip(self._times, *window)
        return Found(
            reference,
            float(self._values[best]),
            columns,
            self._values,
            len(self._values),
            self._statistic.templates.words,
            tuple(key for key in columns if key not in _UNSEEN),
        )
