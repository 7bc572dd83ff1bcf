"""Densities of sky position and time from the arrival times of many waves at two detectors, and at a third."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrival_times import ArrivalTimes

EVEN = 0.1  # share of the angles around the line that is spread evenly
LEAST_ROOM = 1e-12  # smallest probability or time step that is divided by


@dataclass(frozen=True)
class Third:
    """Constraint from a third detector's arrival times on the angle around the line between the two others.

    Attributes
    ----------
    told
        True for rows in which the third detector constrains the angle, (N, 1).
    lever
        Delay of its arrival, in time steps, for a source on each of the three axes of the line's frame, (N, 3, 1).
    times
        Densities of the arrival times at the third detector.
    """

    told: np.ndarray
    lever: np.ndarray
    times: ArrivalTimes

    @property
    def zero(self) -> np.ndarray:
        """Angle around the line at which the signal arrives last at the third detector, (N, 1)."""
        return np.arctan2(self.lever[:, 1], self.lever[:, 0])

    def span(self, at_first: np.ndarray, cosine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the middle of the arrival times over all angles, and the half width of their range, (N, M) each."""
        middle = at_first + self.lever[:, 2] * cosine
        reach = np.hypot(self.lever[:, 0], self.lever[:, 1]) * np.sqrt(np.maximum(1 - cosine**2, 0.0))
        return middle, np.maximum(reach, LEAST_ROOM)

    def room(self, middle: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of arrival times below the range, and within it, (N, M) each."""
        below, above = (self.times.share(middle + sign * reach) for sign in (-1, 1))
        return below, np.maximum(above - below, LEAST_ROOM)

    def density(self, at_first: np.ndarray, cosine: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Return the probability density of the angles, (N, M)."""
        middle, reach = self.span(at_first, cosine)
        _, room = self.room(middle, reach)
        slope = reach * np.abs(np.sin(angle - self.zero))
        density = self.times.density(middle + reach * np.cos(angle - self.zero)) * slope / (2 * room)
        return np.where(self.told, (1 - EVEN) * density + EVEN / (2 * np.pi), 1 / (2 * np.pi))


@dataclass(frozen=True)
class Arrivals:
    """Arrival times of each row at two detectors, the first the louder, and at a third.

    The light-travel time between the two is in steps, (N, 1); the frame has their line as its third axis, (N, 3, 3).
    """

    first: np.ndarray
    travel: np.ndarray
    frames: np.ndarray
    times: tuple[ArrivalTimes, ArrivalTimes]
    spacing: float
    third: Third | None = None

    def room(self, at_first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the second detector's probability of times before those that light travel allows, and within them."""
        below, above = (self.times[1].share(at_first + sign * self.travel) for sign in (-1, 1))
        return below, np.maximum(above - below, LEAST_ROOM)

    def log_density(
        self, at_first: np.ndarray, at_second: np.ndarray, cosine: np.ndarray, angle: np.ndarray, dec: np.ndarray
    ) -> np.ndarray:
        """Return the log density in right ascension, declination and geocentric time, (N, M)."""
        _, room = self.room(at_first)
        density = self.times[0].density(at_first) * self.times[1].density(at_second)
        log_q = np.log(density * self.travel / (room * self.spacing))
        log_angle = np.full(angle.shape, -np.log(2 * np.pi))
        if self.third is not None:
            log_angle = np.log(self.third.density(at_first, cosine, angle))
        return log_q + log_angle + np.log(np.maximum(np.cos(dec), LEAST_ROOM))
