r"""Candidates of arrival time and sky position for many waves at once, from what each detector sees.

Given the wave, each detector's matched filter says when the signal came, and two arrival times say on which cone about the line
between two detectors the source lies. So the time at the louder detector is drawn from its filter's output, the time at the
other one from its own within the light-travel time, and the angle around the line at random, or from the outputs of further
detectors. In the frame fixed to the Earth the arrival times :math:`t_1, t_2` and the angle :math:`\alpha` measure the sky by

.. math:: dt_1 \, dt_2 \, d\alpha = T_{12} \, dt_1 \, d\Omega = T_{12} \cos\delta \, dt \, d\alpha_{\rm RA} \, d\delta ,

:math:`T_{12}` being the light-travel time. Each candidate's density is known, so that approximations in the filters make the
sampling less efficient, but the result stays exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import lal
import numpy as np
from bilby.core.prior import Prior

from ...names import DEC, RA, TIME
from ...waves.detectors import Detector, light_travel_time, sidereal_time
from .arrival_times import ArrivalTimes
from .arrivals import EVEN, Arrivals, Third

# Seconds of light travel, below which two detectors are too close for their arrival times to locate a source
_APART = 1e-3
# Quantiles between which most of a prior lies, and the rounding error in radians that the bounds of a full sky may have.
_MOST, _ROUNDING = np.array([0.05, 0.95]), 1e-9
_WIDE = 0.25  # fraction of the whole sky below which places drawn from a prior are better than those from arrival times

Values = Mapping[str, np.ndarray]
"""Parameters of N rows by name, (N,) each."""


@dataclass(frozen=True)
class Skies:
    """Candidates of sky position and time: M for each of N rows, seen by D detectors.

    Attributes
    ----------
    ra, dec, time
        Places and geocentric times, (N, M) each.
    arrival
        Arrival times at the detectors, in steps of the filters' outputs from their start, (N, D, M).
    antenna
        Antenna responses to plus and cross waves of polarisation angle zero, (N, D, 2, M).
    log_ratio
        Log prior over density of what was drawn, (N, M).
    """

    ra: np.ndarray
    dec: np.ndarray
    time: np.ndarray
    arrival: np.ndarray
    antenna: np.ndarray
    log_ratio: np.ndarray


def spread_rows(rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw stratified uniform numbers (N, M): one from each of M equal parts of [0, 1), in random order for each row."""
    return (rng.permuted(np.tile(np.arange(size), (rows, 1)), axis=1) + rng.random((rows, size))) / size


class SkyBlocks:
    """Generator of candidates of sky position and time for many rows at once.

    Parameters
    ----------
    detectors
        Geometry of each detector.
    priors
        Priors of the parameters that are drawn, among right ascension, declination and time; others are taken from the rows.
    log_scale
        Logarithms of the factors that normalise their densities.
    origin
        GPS time of the first value of the filters' outputs.
    spacing
        Seconds between these.
    """

    _shares = staticmethod(spread_rows)  # uniform numbers that places and times are made of

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
        count = len(detectors)
        travel = {
            (one, other): light_travel_time(detectors[one], detectors[other])
            for one, other in itertools.permutations(range(count), 2)
        }
        # Arrival times at detectors of one site do not locate a source.
        self._pairs = np.array([pair for pair, seconds in travel.items() if seconds > _APART]).reshape(-1, 2)
        self._travel = np.array([travel[one, other] for one, other in self._pairs.tolist()])
        self._frames = np.array([_frame(detectors[one], detectors[other]) for one, other in self._pairs.tolist()])
        self._vertices = np.stack([detector.vertex for detector in detectors])
        self._by_arrival = len(self._pairs) > 0 and TIME in priors and _covers_the_sky(priors)

    def draw(self, exponents: np.ndarray, size: int, values: Values, rng: np.random.Generator) -> Skies:
        """Draw ``size`` candidates for every row.

        Parameters
        ----------
        exponents
            Half the squared matched-filter signal-to-noise ratio of each detector, (N, D, T).
        size
            Number of candidates, M.
        values
            The rows' values of parameters that are not drawn, (N,) each.
        rng
            Generator of random numbers.
        """
        ra, dec, time, log_q = self._places(exponents, size, values, rng)
        log_prior = -log_q
        for key, column in ((TIME, time), (RA, ra), (DEC, dec)):
            if key in self._priors and (self._by_arrival or key == TIME):
                of_key = np.asarray(self._priors[key].ln_prob(column.ravel())).reshape(column.shape)
                log_prior = log_prior + of_key + self._log_scale[key]
        since = time - self._origin
        delays = [detector.delay(ra, dec, time) for detector in self._detectors]
        arrival = np.stack([since + delay for delay in delays], axis=1) / self._spacing
        zero = np.zeros(1)
        antenna = np.stack(
            [np.stack(detector.antenna(ra, dec, zero, time), axis=1) for detector in self._detectors], axis=1
        )
        # Beyond the filters' outputs there is no prior either.
        inside = np.all((arrival > 1) & (arrival < exponents.shape[-1] - 3), axis=1)
        return Skies(ra, dec, time, arrival, antenna, np.where(inside, log_prior, -np.inf))

    def _places(
        self, exponents: np.ndarray, size: int, values: Values, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw right ascensions, declinations and geocentric times; return them and their log density, (N, M) each."""
        if self._by_arrival:
            return self._from_arrival(self._arrivals(exponents), size, rng)
        return self._from_prior(exponents, size, values, rng)

    def _arrivals(self, exponents: np.ndarray) -> Arrivals:
        """Choose the detectors whose arrival times locate each row's source, and return the densities of these times."""
        row = np.arange(len(exponents))
        loudest = exponents.max(axis=2)
        one, other = self._pairs[:, 0], self._pairs[:, 1]
        score = loudest[:, one] + loudest[:, other]
        # Of the two orders of a pair, the one that begins with the louder detector.
        pair = np.argmax(np.where(loudest[:, one] >= loudest[:, other], score, -np.inf), axis=1)
        first, second = one[pair], other[pair]
        travel, frames = self._travel[pair][:, None] / self._spacing, self._frames[pair]
        times = ArrivalTimes(exponents[row, first]), ArrivalTimes(exponents[row, second])
        found = Arrivals(first, travel, frames, times, self._spacing)
        if len(self._detectors) < 3:
            return found
        # The delay is linear in the axes of the frame: along the line, and across it as the cosine of an angle.
        levers = -np.einsum("nai,ndi->nda", frames, self._vertices - self._vertices[first][:, None]) / lal.C_SI
        # A detector on the line, or at the site of one of the two, does not constrain the angle.
        tells = np.hypot(levers[..., 0], levers[..., 1]) > _APART
        third = np.argmax(np.where(tells, loudest, -np.inf), axis=1)
        lever = levers[row, third][..., None] / self._spacing
        return replace(found, third=Third(tells[row, third][:, None], lever, ArrivalTimes(exponents[row, third])))

    def _from_arrival(self, arrivals: Arrivals, size: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Draw sky positions and times from arrival times at two detectors and, with more, the angle from a third."""
        rows, travel, frames = len(arrivals.first), arrivals.travel, arrivals.frames
        at_first = arrivals.times[0].quantile(self._shares(rows, size, rng))
        below, room = arrivals.room(at_first)
        at_second = arrivals.times[1].quantile(np.minimum(below + self._shares(rows, size, rng) * room, 1.0))
        cosine = np.clip((at_first - at_second) / travel, -1.0, 1.0)
        angle = self._around(arrivals, at_first, cosine, rng)
        place = _direction(cosine, angle, frames)
        vertices = self._vertices[arrivals.first]
        time = self._origin + at_first * self._spacing + np.einsum("nmi,ni->nm", place, vertices) / lal.C_SI
        dec = np.arcsin(np.clip(place[..., 2], -1.0, 1.0))
        # The copy within the prior, which spans one turn at most.
        least = self._priors[RA].minimum
        ra = least + (np.arctan2(place[..., 1], place[..., 0]) + sidereal_time(time) - least) % (2 * np.pi)
        return ra, dec, time, arrivals.log_density(at_first, at_second, cosine, angle, dec)

    def _around(
        self, arrivals: Arrivals, at_first: np.ndarray, cosine: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw angles around the line between two detectors, (N, M).

        The arrival time at the loudest of the other detectors is drawn from its filter, and leaves two angles.
        """
        rows, size = cosine.shape
        even, third = 2 * np.pi * self._shares(rows, size, rng), arrivals.third
        if third is None:
            return even
        middle, reach = third.span(at_first, cosine)
        below, room = third.room(middle, reach)
        at_third = third.times.quantile(np.minimum(below + self._shares(rows, size, rng) * room, 1.0))
        turn = np.arccos(np.clip((at_third - middle) / reach, -1.0, 1.0))
        angle = third.zero + np.where(rng.random((rows, size)) < 0.5, turn, -turn)
        return np.where((rng.random((rows, size)) < EVEN) | ~third.told, even, angle) % (2 * np.pi)

    def _from_prior(
        self, exponents: np.ndarray, size: int, values: Values, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw sky positions from their prior, unless they are fixed, and times from one detector's filter.

        The density returned is that of the time.
        """
        rows = len(exponents)
        ra, dec = (
            np.asarray(self._priors[key].rescale(self._shares(rows, size, rng)))
            if key in self._priors
            else np.broadcast_to(values[key][:, None], (rows, size))
            for key in (RA, DEC)
        )
        if TIME not in self._priors:
            return ra, dec, np.broadcast_to(values[TIME][:, None], (rows, size)), np.zeros((rows, size))
        loudest = np.argmax(exponents.max(axis=2), axis=1)
        times = ArrivalTimes(exponents[np.arange(rows), loudest])
        at_first = times.quantile(self._shares(rows, size, rng))
        arrival = self._origin + at_first * self._spacing
        # The delay is that at the time of the arrival: it moves by 1e-9 s in between.
        delay = np.empty((rows, size))
        for index in np.unique(loudest):
            some = loudest == index
            delay[some] = self._detectors[index].delay(ra[some], dec[some], arrival[some])
        return ra, dec, arrival - delay, np.log(times.density(at_first) / self._spacing)


def _covers_the_sky(priors: Mapping[str, Prior]) -> bool:
    """Tell whether the priors of both sky angles name no place twice, and have most of their mass over much of the sky."""
    if RA not in priors or DEC not in priors:
        return False
    ra, dec = priors[RA], priors[DEC]
    once = ra.maximum - ra.minimum <= 2 * np.pi + _ROUNDING
    once = once and dec.minimum >= -np.pi / 2 - _ROUNDING and dec.maximum <= np.pi / 2 + _ROUNDING
    turn, height = (np.ptp(scale(prior.rescale(_MOST))) for prior, scale in ((ra, np.asarray), (dec, np.sin)))
    return bool(once and turn * height > np.ptp(_MOST) ** 2 * _WIDE * 4 * np.pi)


def _frame(first: Detector, second: Detector) -> np.ndarray:
    """Return the axes (3, 3) of a frame whose third axis points from the first detector to the second."""
    line = second.vertex - first.vertex
    line = line / np.linalg.norm(line)
    across = np.cross(line, np.eye(3)[np.argmin(np.abs(line))])
    across = across / np.linalg.norm(across)
    return np.stack([across, np.cross(line, across), line])


def _direction(cosine: np.ndarray, angle: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return unit vectors (N, M, 3) by the cosine from the third axis of each row's frame and the angle around it."""
    sine = np.sqrt(np.maximum(1 - cosine**2, 0.0))
    axes = np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1)
    return axes @ frames
