"""Response of detectors to a wave: antenna patterns and arrival times, for arrays of sky positions.

The conventions are Bilby's (:func:`bilby.gw.utils.get_polarization_tensor`), whose own functions take one position at a
time.
"""

from __future__ import annotations

from dataclasses import dataclass

import lal
import numpy as np
from bilby.gw.detector import Interferometer

_MORE = 2e-4  # seconds that are added to the longest delay from the geocentre, as a margin


def direction(phi: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return unit vectors (N, 3) to sky positions in the frame that rotates with the Earth.

    ``phi`` is the right ascension minus the sidereal time, in radians.
    """
    return np.stack(np.broadcast_arrays(np.cos(dec) * np.cos(phi), np.cos(dec) * np.sin(phi), np.sin(dec)), -1)


@dataclass(frozen=True)
class Detector:
    """Geometry of one interferometer.

    Attributes
    ----------
    name
        Bilby's name of it.
    tensor
        Detector tensor, shape (3, 3).
    vertex
        Position from the geocentre in metres, shape (3,).
    reference_time
        GPS time at which the antenna response is taken; ``None`` for the arrival time of each signal.
    """

    name: str
    tensor: np.ndarray
    vertex: np.ndarray
    reference_time: float | None = None

    @classmethod
    def from_interferometer(cls, interferometer: Interferometer) -> Detector:
        """Return the geometry of one of Bilby's interferometers."""
        return cls(
            name=interferometer.name,
            tensor=np.asarray(interferometer.geometry.detector_tensor, dtype=np.float64),
            vertex=np.asarray(interferometer.geometry.vertex, dtype=np.float64),
            reference_time=getattr(interferometer, "reference_time", None),
        )

    def antenna(
        self, ra: np.ndarray, dec: np.ndarray, psi: np.ndarray, time: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""Return :math:`F_+` and :math:`F_\times`, (N,) each, for waves from ``ra``, ``dec`` (radians) at GPS ``time``."""
        if self.reference_time is not None:
            time = np.full_like(np.asarray(time, dtype=np.float64), self.reference_time)
        phi = np.asarray(ra) - sidereal_time(time)
        theta = np.pi / 2 - np.asarray(dec)
        zero = np.zeros_like(phi * theta)
        u = np.stack([np.cos(phi) * np.cos(theta), np.sin(phi) * np.cos(theta), -np.sin(theta) + zero], axis=-1)
        v = np.stack([-np.sin(phi) + zero, np.cos(phi) + zero, zero], axis=-1)
        sin_psi, cos_psi = np.sin(psi)[..., None], np.cos(psi)[..., None]
        m = -u * sin_psi - v * cos_psi
        n = -u * cos_psi + v * sin_psi
        mm, nn, mn = (np.einsum("...i,ij,...j->...", a, self.tensor, b) for a, b in ((m, m), (n, n), (m, n)))
        return mm - nn, 2 * mn

    def delay(self, ra: np.ndarray, dec: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the arrival time at the detector minus that at the geocentre, in seconds, (N,)."""
        phi = np.asarray(ra) - sidereal_time(time)
        return -(direction(phi, dec) @ self.vertex) / lal.C_SI


def at_angle(psi: np.ndarray, plus: np.ndarray, cross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Return :math:`F_+` and :math:`F_\times` at polarisation angles ``psi`` from those at polarisation angle zero."""
    cosine, sine = np.cos(2 * psi), np.sin(2 * psi)
    return plus * cosine + cross * sine, cross * cosine - plus * sine


def sidereal_time(time: np.ndarray) -> np.ndarray:
    """Return Greenwich mean sidereal time in radians at GPS ``time``, extrapolated linearly from the earliest of the times."""
    time = np.asarray(time, dtype=np.float64)
    first = float(np.min(time))
    # LAL rounds whole seconds to 3e-9 rad: with a minute's lever the rate is good to 1e-10 rad/s.
    at_first, later = (lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(first + step)) for step in (0.0, 60.0))
    return at_first + (time - first) * (later - at_first) / 60.0


def light_travel_time(first: Detector, second: Detector) -> float:
    """Return the light-travel time between two detectors in seconds, the largest difference of their arrival times."""
    return float(np.linalg.norm(first.vertex - second.vertex) / lal.C_SI)


def reach_of(detectors: tuple[Detector, ...]) -> float:
    """Return the light-travel time from the Earth's centre to the farthest detector in seconds, plus a small margin."""
    return float(max(np.linalg.norm(detector.vertex) for detector in detectors) / lal.C_SI) + _MORE
