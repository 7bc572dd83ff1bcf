r"""Find the wave that is in the data: draws of the prior, and rounds of smaller and smaller steps around the best of them.

Each row's non-precessing wave, seen face on, is filtered with the data of every detector. With :math:`z_k(t)` the filter's
output and :math:`N_k` the template's squared norm in detector k, the log likelihood ratio at the best amplitude and phase in
each detector is

.. math:: \max_t \sum_k \max_{|t_k - t| \le T_k} \frac{|z_k(t_k)|^2}{2 N_k} ,

with arrival times no further apart than light travels. The best row is a reference for coarse waves and a start for a
refinement; it is no detection, and it proves nothing about other modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import ifft
from scipy.ndimage import maximum_filter1d

from ...errors import CoarseObstacle
from ...names import DISTANCE, INCLINATION, PHASE, PLACE, TIME
from ...priors import Parameters, PriorTransform
from ...processes.parallel import Row, make_rows
from ..detectors import Detector, light_travel_time, reach_of
from ..inner_products import Projection
from ..matched_filter import steps_around, steps_in
from .sources import source_of
from .summary import DetectorBins, bins_in_band
from .templates import Templates
from .terms import terms_from

_DRAWS, _DEAR_DRAWS = 2048, 256  # draws of the prior, and where every template is a wave on all frequencies
_ROUNDS = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015)
"""Steps in the prior's coordinates, in which it has unit variance: from half of the prior down to the width of a loud event."""

_BEST, _PER_ROUND = 8, 128  # rows that each round starts from, and rows of a round
_BLOCK = 32  # rows that are filtered at once, which bounds the memory
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
    """

    reference: Row
    log_ratio: float
    columns: Parameters
    log_ratios: np.ndarray
    evaluations: int
    words: str
    seen: tuple[str, ...] = ()


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
    statistic = Statistic(likelihood, detectors, frequencies, window, templates)
    tried = _Tried(transform, statistic)
    tried.add(transform.sample(draws or (_DEAR_DRAWS if templates.dear else _DRAWS), rng))
    moved = np.array([key not in _UNSEEN for key in transform.keys])
    for step in _ROUNDS if moved.any() else ():
        tried.add(tried.around(step * moved, rng))
    return tried.found(window)


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


class Statistic:
    """The log likelihood ratio at the best amplitude, phase and time in each detector.

    Parameters
    ----------
    likelihood
        With its detectors.
    detectors
        Their frequencies and data.
    frequencies
        Those of all detectors together, (F,).
    window
        First and last geocentric time, GPS seconds.
    templates
        On these frequencies.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        detectors: Sequence[DetectorBins],
        frequencies: np.ndarray,
        window: tuple[float, float],
        templates: Templates,
    ) -> None:
        self.templates, self._detectors = templates, detectors
        self._places = [np.searchsorted(frequencies, one.frequencies) for one in detectors]
        # Data over noise power are of the order of 1e20 and more, whose squares single precision cannot hold.
        self._units = [float(np.max(np.abs(one.data), initial=0.0)) for one in detectors]
        self._data = [
            (one.data / (unit or 1)).astype(np.complex64) for one, unit in zip(detectors, self._units, strict=True)
        ]
        duration, start = float(likelihood.interferometers.duration), float(likelihood.interferometers.start_time)
        # Half as many steps as conditionals take: a maximum need not be interpolated.
        self._size = steps_in(duration, float(frequencies[-1])) // 2
        spacing = duration / self._size
        geometry = tuple(Detector.from_interferometer(ifo) for ifo in likelihood.interferometers)
        steps = steps_around(window, reach_of(geometry), start, spacing)
        self._columns = steps % self._size
        self._times = start + steps * spacing
        self._reach = [[int(np.ceil(light_travel_time(a, b) / spacing)) for b in geometry] for a in geometry]

    def __call__(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Log likelihood ratios (N,) and arrival times in GPS seconds at the loudest detector, (N,)."""
        blocks = [self._of_block(rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)]
        return np.concatenate([values for values, _ in blocks]), np.concatenate([times for _, times in blocks])

    def _of_block(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        waves = self.templates(rows)
        powers = np.zeros((len(self._detectors), len(rows), len(self._columns)), dtype=np.float32)
        for power, detector, places, unit, data in zip(
            powers, self._detectors, self._places, self._units, self._data, strict=True
        ):
            if not unit > 0:
                continue
            within = waves[:, places]
            norms = (within.real**2 + within.imag**2) @ detector.weights
            spectrum = np.zeros((len(rows), self._size), dtype=np.complex64)
            spectrum[:, detector.bins] = within.conj() * data
            output = ifft(spectrum, axis=1, norm="forward", overwrite_x=True)[:, self._columns]
            factor = np.where(norms > 0, unit / np.sqrt(2 * np.maximum(norms, np.finfo(float).tiny)), 0)
            power[:] = (np.abs(output) * factor[:, None]) ** 2
        loudest = np.argmax(powers.max(axis=2), axis=0)
        values, times = np.full(len(rows), -np.inf), np.zeros(len(rows))
        for number, first in enumerate(loudest):
            total = powers[first, number].astype(np.float64)
            for other in range(len(powers)):
                if other != first:
                    total += maximum_filter1d(powers[other, number], 2 * self._reach[first][other] + 1)
            best = int(np.argmax(total))
            if total[best] > 0:
                values[number], times[number] = total[best], self._times[best]
        return values, times


class _Tried:
    """All rows of a search, and their values."""

    def __init__(self, transform: PriorTransform, statistic: Statistic) -> None:
        self._transform, self._statistic = transform, statistic
        self._pieces: list[Parameters] = []
        self._values, self._times = np.zeros(0), np.zeros(0)

    def add(self, columns: Parameters) -> None:
        """Evaluate further rows."""
        if not len(next(iter(columns.values()))):
            return
        values, times = self._statistic(make_rows(self._transform.fixed, columns))
        self._pieces.append(columns)
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
