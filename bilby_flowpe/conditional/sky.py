r"""Candidates for arrival time and place in the sky, from what each detector sees.

Given the waveform, each detector's matched filter says when the signal came, and two arrival times say on which cone about the
line between two detectors the source lies. So the time at the loudest detector is drawn from its filter's output, the time at
the next one from its own within the light-travel time, and the angle around the line at random, or from the outputs of the
other detectors. In the frame fixed to the Earth the arrival times :math:`t_1, t_2` and the angle :math:`\alpha` measure the
sky by

.. math:: dt_1 \, dt_2 \, d\alpha = T_{12} \, dt_1 \, d\Omega = T_{12} \cos\delta \, dt \, d\alpha_{\rm RA} \, d\delta ,

:math:`T_{12}` being the light-travel time. Each candidate's density is known: what the filters leave out costs efficiency and
no exactness.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import lal
import numpy as np
from bilby.core.prior import Prior

from ..densities import Cells, cells_of, spread
from ..names import DEC, RA, TIME
from ..processes.parallel import Row
from ..waves.detectors import Detector, light_travel_time, sidereal_time

_TEMPER = 0.8  # of the filter's output in the exponent: the tails are to be wider than the likelihood's
_EVEN = 0.1  # share of arrival times that the filter has no say in
_REACH = 25.0
_FINEST, _PER_WIDTH, _FAR = 32, 4.0, 32
_AROUND = 128
_APART = 1e-3  # seconds of light travel between detectors, from which on the cone that they span says something
_MOST, _ROUNDING = np.array([0.05, 0.95]), 1e-9
_WIDE = 0.25  # of the whole sky, from which on arrival times find the place better than the prior does


@dataclass(frozen=True)
class Sky:
    """Candidates.

    Attributes
    ----------
    ra, dec, time
        Places and geocentric times, (M,) each.
    arrival
        Arrival times at the detectors, in steps of the filter's output from its start, (D, M).
    antenna
        Antenna responses to plus and cross waves of polarisation angle zero, (D, 2, M).
    log_ratio
        Log prior over density of what was drawn, (M,).
    """

    ra: np.ndarray
    dec: np.ndarray
    time: np.ndarray
    arrival: np.ndarray
    antenna: np.ndarray
    log_ratio: np.ndarray


class SkyProposal:
    """Draws candidates.

    Parameters
    ----------
    detectors
        Geometry of each.
    priors
        Those of what is drawn, among right ascension, declination and time; the others are taken from the row.
    log_scale
        What normalises their densities.
    origin
        GPS time of the first value of the filters' outputs.
    spacing
        Seconds between these.
    """

    def __init__(
        self,
        detectors: tuple[Detector, ...],
        priors: Mapping[str, Prior],
        log_scale: Mapping[str, float],
        origin: float,
        spacing: float,
    ) -> None:
        self._detectors, self._priors, self._log_scale = detectors, dict(priors), dict(log_scale)
        self._origin, self._spacing = origin, spacing
        # Detectors at one site tell nothing of the place by their times.
        apart = {
            (one, other)
            for one in range(len(detectors))
            for other in range(len(detectors))
            if light_travel_time(detectors[one], detectors[other]) > _APART
        }
        self._frames = {pair: _frame(*(detectors[index] for index in pair)) for pair in apart}
        self._by_arrival = bool(apart) and TIME in priors and _covers_the_sky(priors)

    def draw(self, exponents: np.ndarray, size: int, row: Row, rng: np.random.Generator) -> Sky:
        """``size`` candidates.

        Parameters
        ----------
        exponents
            Half the squared matched-filter signal-to-noise ratio of each detector, (D, T).
        size
            Number of candidates, M.
        row
            With the values of what is not drawn.
        rng
            Generator.
        """
        order = [int(index) for index in np.argsort(-exponents.max(axis=1))]
        if self._by_arrival:
            pair = next(pair for pair in itertools.product(order, order) if pair in self._frames)
            ra, dec, time, log_q = self._from_arrival(exponents, pair, size, rng)
        else:
            ra, dec, time, log_q = self._from_prior(exponents[order[0]], order[0], size, row, rng)
        log_prior = -log_q
        for key, column in ((TIME, time), (RA, ra), (DEC, dec)):
            if key in self._priors and (self._by_arrival or key == TIME):
                log_prior = log_prior + self._priors[key].ln_prob(column) + self._log_scale[key]
        since = time - self._origin
        arrival = np.stack([since + detector.delay(ra, dec, time) for detector in self._detectors]) / self._spacing
        antenna = np.stack([np.stack(detector.antenna(ra, dec, np.zeros(1), time)) for detector in self._detectors])
        # Beyond the filters' outputs there is no prior either.
        inside = np.all((arrival > 1) & (arrival < exponents.shape[1] - 3), axis=0)
        return Sky(ra, dec, time, arrival, antenna, np.where(inside, log_prior, -np.inf))

    def _from_arrival(
        self, exponents: np.ndarray, pair: tuple[int, int], size: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Places and times from arrival times at two detectors and, with more, the angle from the others."""
        first, second = pair
        rest = [index for index in range(len(exponents)) if index not in pair]
        cells = [self._cells(exponents[index]) for index in (first, second)]
        one = cells[0].quantile(spread(size, rng))
        frame, travel = self._frames[first, second]
        ends = [cells[1].share(one + sign * travel) for sign in (-1, 1)]
        room = np.maximum(ends[1] - ends[0], 1e-12)
        other = cells[1].quantile(ends[0] + spread(size, rng) * room)
        log_q = cells[0].log_density(one) + cells[1].log_density(other) - np.log(room) + np.log(travel)
        cosine = np.clip(-(other - one) / travel, -1.0, 1.0)
        angle, log_angle = self._around(exponents, first, rest, one, (cosine, frame), rng)
        place = _direction(cosine, angle, frame)
        time = self._origin + one + place @ self._detectors[first].vertex / lal.C_SI
        dec = np.arcsin(np.clip(place[:, 2], -1.0, 1.0))
        # The copy within the prior, which spans one turn at most.
        least = self._priors[RA].minimum
        ra = least + (np.arctan2(place[:, 1], place[:, 0]) + sidereal_time(time) - least) % (2 * np.pi)
        return ra, dec, time, log_q + log_angle + np.log(np.cos(dec))

    def _around(
        self,
        exponents: np.ndarray,
        first: int,
        rest: list[int],
        one: np.ndarray,
        cone: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Angles around the line between two detectors and their log density, (M,) each."""
        cosine, frame = cone
        shares = spread(len(one), rng)
        if not rest:
            return 2 * np.pi * shares, np.full(len(one), -np.log(2 * np.pi))
        angles = 2 * np.pi * (np.arange(_AROUND) + 0.5) / _AROUND
        places = _direction(cosine[:, None], angles, frame)
        log_heights = np.zeros((len(one), _AROUND))
        grid = np.arange(exponents.shape[1]) * self._spacing
        for index in rest:
            delay = -(places @ (self._detectors[index].vertex - self._detectors[first].vertex)) / lal.C_SI
            log_heights += _TEMPER * np.interp(one[:, None] + delay, grid, exponents[index])
        heights = np.exp(log_heights - log_heights.max(axis=1, keepdims=True))
        heights = (1 - _EVEN) * heights / heights.sum(axis=1, keepdims=True) + _EVEN / _AROUND
        # What of the share is left within its cell is uniform there, and independent of the cell.
        cell, within = cells_of(heights, shares * np.cumsum(heights, axis=1)[:, -1])
        return 2 * np.pi * (cell + within) / _AROUND, np.log(heights[np.arange(len(one)), cell] * _AROUND / (2 * np.pi))

    def _from_prior(
        self, exponents: np.ndarray, detector: int, size: int, row: Row, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Places from their prior, or as they are known, and the time from one detector; the density is that of the time."""
        ra, dec = (
            np.asarray(self._priors[key].rescale(spread(size, rng))) if key in self._priors else np.full(size, row[key])
            for key in (RA, DEC)
        )
        if TIME not in self._priors:
            return ra, dec, np.full(size, row[TIME]), np.zeros(size)
        cells = self._cells(exponents)
        one = cells.quantile(spread(size, rng))
        # The delay is that at the time of the arrival: it moves by 1e-9 s in between.
        time = self._origin + one - self._detectors[detector].delay(ra, dec, self._origin + one)
        return ra, dec, time, cells.log_density(one)

    def _cells(self, exponent: np.ndarray) -> Cells:
        """Density of the arrival time in seconds from the output's start, (T,), in cells as narrow as its peak asks for."""
        tempered = _TEMPER * exponent
        near = tempered > tempered.max() - _REACH
        near = near[:-1] | near[1:]
        peak = int(np.clip(np.argmax(tempered), 1, len(tempered) - 2))
        curvature = max(2 * tempered[peak] - tempered[peak - 1] - tempered[peak + 1], 1e-9)
        pieces = int(np.clip(np.ceil(_PER_WIDTH * np.sqrt(curvature)), 1, _FINEST))
        # Where nothing is, cells are wide.
        marks = near.copy()
        marks[1:] |= near[:-1]
        marks[::_FAR] = True
        starts = np.flatnonzero(marks)
        counts = np.where(near[starts], pieces, 1)
        begun = np.cumsum(counts) - counts
        within = (np.arange(counts.sum()) - np.repeat(begun, counts)) / np.repeat(counts, counts)
        edges = np.append(np.repeat(starts, counts) + within, len(near))
        return Cells.of(edges * self._spacing, interpolated(tempered, 0.5 * (edges[:-1] + edges[1:])), _EVEN)


def interpolated(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (..., T) between their places, (..., M), by the cubic through four neighbours."""
    cell = np.clip(np.floor(places).astype(int), 1, values.shape[-1] - 3)
    t = places - cell
    weights = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    return sum(weight * values[..., cell + step] for step, weight in zip((-1, 0, 1, 2), weights, strict=True))


def _covers_the_sky(priors: Mapping[str, Prior]) -> bool:
    """Whether priors of both angles name every place once at most, and most of them lie over much of the sky."""
    if RA not in priors or DEC not in priors:
        return False
    ra, dec = priors[RA], priors[DEC]
    once = ra.maximum - ra.minimum <= 2 * np.pi + _ROUNDING
    once = once and dec.minimum >= -np.pi / 2 - _ROUNDING and dec.maximum <= np.pi / 2 + _ROUNDING
    turn, height = (np.ptp(scale(prior.rescale(_MOST))) for prior, scale in ((ra, np.asarray), (dec, np.sin)))
    return bool(once and turn * height > np.ptp(_MOST) ** 2 * _WIDE * 4 * np.pi)


def _frame(first: Detector, second: Detector) -> tuple[np.ndarray, float]:
    """Axes (3, 3), the third along the line to the second detector, and the light-travel time in seconds."""
    line = second.vertex - first.vertex
    line = line / np.linalg.norm(line)
    across = np.cross(line, np.eye(3)[np.argmin(np.abs(line))])
    across = across / np.linalg.norm(across)
    return np.stack([across, np.cross(line, across), line]), light_travel_time(first, second)


def _direction(cosine: np.ndarray, angle: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) at so much from the third axis and around it."""
    sine = np.sqrt(np.maximum(1 - cosine**2, 0.0))
    return (
        (sine * np.cos(angle))[..., None] * frame[0]
        + (sine * np.sin(angle))[..., None] * frame[1]
        + (cosine + 0 * angle)[..., None] * frame[2]
    )
