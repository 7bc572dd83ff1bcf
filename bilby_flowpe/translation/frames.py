r"""Sky and time in the user's frame (angles to a pair of detectors, time at a detector), and in that of networks.

Networks know right ascension, declination and geocentric time. Both sets of parameters are equivalent, and a density is
converted by :math:`\sin(\mathrm{zenith}) \, d\mathrm{zenith} \, d\mathrm{azimuth} = \cos(\mathrm{dec}) \, d\mathrm{dec}
\, d\mathrm{ra}`. The rotation of the Earth during the passage of the wave changes times by parts in a million, which is
neglected.
"""

from __future__ import annotations

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Cosine, DeltaFunction, PriorDict, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.utils import zenith_azimuth_to_theta_phi

from ..errors import SimulationError
from ..kinds.recognise import frame_of
from ..names import DEC, RA, SKY, TIME
from ..priors import Parameters, PriorTransform, copied
from ..waves.detectors import Detector, direction, sidereal_time

_ANGLES = ("zenith", "azimuth")
_LIGHT_TRAVEL = 0.0214  # seconds that light travels from the Earth's centre to its surface, rounded up


class Frame:
    """Converts parameters and densities from one frame to the other.

    If the priors lack a parameter of the frame and have that of the sky instead, the likelihood takes the latter, as
    Bilby does: for example priors of right ascension and declination with ``reference_frame="H1L1"``, or of the
    geocentric time with ``time_reference="H1"``.

    Parameters
    ----------
    likelihood
        A likelihood with ``reference_frame`` and ``time_reference``.
    priors
        Priors of its parameters.

    Raises
    ------
    SimulationError
        If a parameter of sky or time has a conditional, constrained or unbounded prior, or is fixed while a parameter
        that it depends on is sampled.
    """

    def __init__(self, likelihood: GravitationalWaveTransient, priors: PriorDict) -> None:
        transform = PriorTransform(priors)
        self._fixed = transform.fixed
        known = {*transform.keys, *self._fixed}
        self._pair = None if likelihood.reference_frame == "sky" else likelihood.reference_frame
        if not {*_ANGLES} <= known and {*SKY} <= known:
            self._pair = None
        self._time = TIME if likelihood.time_reference == "geocent" else f"{likelihood.time_reference}_time"
        if self._time not in known and TIME in known and self._pair is None:
            self._time = TIME
        self._detector = Detector.from_interferometer(likelihood.reference_ifo) if self._time != TIME else None
        self._turn = None if self._pair is None else _rotation(self._pair)
        self._own = (*(_ANGLES if self._pair is not None else ()), *((self._time,) if self._detector else ()))
        self._check(transform)
        self._asked = PriorTransform(PriorDict({key: priors[key] for key in self._own})) if self._searched else None
        self._known = self._plain_only(transform)

    @property
    def _searched(self) -> tuple[str, ...]:
        return tuple(key for key in self._own if key not in self._fixed)

    def plain_priors(self, priors: PriorDict) -> PriorDict:
        """Return ``priors`` with right ascension, declination and geocentric time, whose ranges cover those of the user's."""
        plain = copied(priors)
        for key in self._own:
            plain.pop(key, None)
        for key, prior in self._known.items():
            plain[key] = prior
        return plain

    def back(self, parameters: Parameters) -> Parameters:
        """Return the parameters (N,) in the user's frame."""
        known = {
            **self._fixed,
            **{key: prior.peak for key, prior in self._known.items() if prior.is_fixed},
            **parameters,
        }
        ra, dec, geocentric = (np.asarray(known[key], dtype=np.float64) for key in (*SKY, TIME))
        asked, time = {key: value for key, value in parameters.items() if key not in self._known}, geocentric
        if self._detector:
            # The delay is that at the time of arrival: within it, it changes by 3e-8 s, a tenth of the resolution of
            # GPS times.
            time = geocentric + self._detector.delay(ra, dec, geocentric)
            asked[self._time] = time
        if self._pair is not None:
            asked["zenith"], asked["azimuth"] = self._to_pair(ra, dec, time)
        return {key: value for key, value in asked.items() if key not in self._fixed}

    def log_ratio(self, plain: Parameters, asked: Parameters) -> np.ndarray:
        """Return the log density (N,) of the user's prior in the plain parameters, over that of the plain prior."""
        if self._asked is None:
            return np.zeros(1)
        log_ratio = self._asked.log_prob({key: asked[key] for key in self._searched})
        for key, prior in self._known.items():
            if not prior.is_fixed:
                log_ratio = log_ratio - prior.ln_prob(plain[key])
        if self._pair is not None:
            with np.errstate(divide="ignore"):
                log_ratio = log_ratio + np.log(np.cos(plain[DEC])) - np.log(np.sin(asked["zenith"]))
        return log_ratio

    def _check(self, transform: PriorTransform) -> None:
        for key in sorted({*self._own, self._time}):
            if key not in {*transform.keys, *self._fixed}:
                raise SimulationError(f"priors lack {key!r}, which the likelihood's frame requires: give it a prior")
        tied = [key for key in self._searched if key not in transform.independent_keys()]
        if tied:
            raise SimulationError(
                f"the priors of {tied} are conditional or tied by a constraint: give them independent priors"
            )
        where = _ANGLES if self._pair is not None else SKY
        fixed = [key for key in where if key in self._fixed]
        if len(fixed) == 1 or (fixed and self._pair is not None):
            raise SimulationError(
                f"priors fix {fixed} in the frame of the likelihood: give it reference_frame='sky' and fix ra and dec, or give "
                "both angles priors"
            )
        if self._time in self._fixed and not fixed:
            raise SimulationError(
                f"priors fix {self._time!r} while the sky position is searched: fix geocent_time with "
                "time_reference='geocent', or give it a prior"
            )
        if self._time not in self._fixed:
            prior = transform.priors[self._time]
            if not np.all(np.isfinite([prior.minimum, prior.maximum])):
                raise SimulationError(f"priors[{self._time!r}]={prior!r} has no finite range: use a truncated one")

    def _plain_only(self, transform: PriorTransform) -> PriorDict:
        """Return priors of the plain parameters that replace those of the user's."""
        priors = {}
        if self._pair is not None:
            priors = {RA: Uniform(0, 2 * np.pi, name=RA, boundary="periodic"), DEC: Cosine(name=DEC)}
        if (detector := self._detector) is None:
            return PriorDict(priors)
        if self._time in self._fixed:
            priors[TIME] = DeltaFunction(self._geocentric(detector, self._fixed[self._time]), name=TIME)
            return PriorDict(priors)
        asked = transform.priors[self._time]
        low, high = float(asked.minimum), float(asked.maximum)
        if self._pair is None and RA in self._fixed:
            low, high = (self._geocentric(detector, time) for time in (low, high))
        else:
            low, high = low - _LIGHT_TRAVEL, high + _LIGHT_TRAVEL
        priors[TIME] = Uniform(low, high, name=TIME)
        return PriorDict(priors)

    def _geocentric(self, detector: Detector, time: float) -> float:
        """Return the geocentric time of an arrival time at the reference detector, for the fixed sky position."""
        ra, dec = (np.array([self._fixed[key]]) for key in SKY)
        return time - float(detector.delay(ra, dec, np.array([time]))[0])

    def _to_pair(self, ra: np.ndarray, dec: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, z = np.moveaxis(direction(ra - sidereal_time(time), dec) @ self._turn, -1, 0)
        return np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x) % (2 * np.pi)


def needs_frame(likelihood: Likelihood) -> bool:
    """Return whether a likelihood's sky or time parameters differ from right ascension, declination and geocentric time."""
    frame, time = frame_of(likelihood)
    return frame != "sky" or time != "geocent"


def _rotation(pair: object) -> np.ndarray:
    """Return the matrix (3, 3) whose columns are the axes of the pair's frame in that of the Earth, by Bilby's conversion."""
    axes = ((np.pi / 2, 0.0), (np.pi / 2, np.pi / 2), (0.0, 0.0))
    columns = []
    for zenith, azimuth in axes:
        theta, phi = zenith_azimuth_to_theta_phi(zenith, azimuth, pair)
        columns.append([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    return np.array(columns).T
