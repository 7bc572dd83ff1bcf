r"""Coordinates in which a network's density is defined.

Most parameters are transformed by the prior (:mod:`bilby_flowpe.priors`). The arrival time is replaced by its difference from
the pivot's, compressed by an inverse hyperbolic sine so that a quiet signal whose peak was missed remains possible; the phase,
if the network has it, by its difference from the pivot's phase. If the data stay the same under a reflection of a parameter,
or under a change of the phase by pi, the parameter is folded: the network sees one copy, the copy of each draw is chosen at
random, and the density gets a factor one half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from ..errors import ConfigurationError
from ..names import DISTANCE, INCLINATION, PHASE, TIME
from ..priors import Parameters, PriorTransform
from .amplitude import AmplitudeCoordinates
from .pivot import Pivot

Arrival = Callable[[Parameters], np.ndarray]
"""Function that returns arrival times (N, D) in seconds from the start of the grid."""

_LOG_2PI = np.log(2 * np.pi)  # twice the constant term of a normal density's logarithm, in nats
_FIXED_POINT_STEPS = 3  # steps from arrival to geocentric time: each reduces the error by a factor of a million
_FAR_TIME = 1000.0  # seconds from the pivot, besides ten widths of the prior, beyond which a draw is rejected
_FAR = 30.0  # units of a standardised coordinate beyond which a draw is rejected: no parameter value is so far out


@dataclass(frozen=True)
class CoordinateConfig:
    """Choice of a network's coordinates.

    Attributes
    ----------
    keys
        Parameters of the network's density, in order; the others are drawn in another way.
    relative_time
        True if the arrival time is relative to the pivot.
    phase_order
        ``m`` of a signal proportional to ``exp(i m phase)`` if the phase is among the keys and relative to the pivot's angle,
        else 0.
    fold_phase
        True if the phase is folded to a range of pi.
    folded
        Other parameters that are folded, since the data do not change if they are reflected in their prior.
    response
        Antenna response of the single detector, for the joint coordinates of distance and inclination
        (:mod:`bilby_flowpe.representation.amplitude`); the inclination is then folded.
    """

    keys: tuple[str, ...]
    relative_time: bool = False
    phase_order: int = 0
    fold_phase: bool = False
    folded: tuple[str, ...] = ()
    response: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, for JSON."""
        response = list(self.response) if self.response else None
        return {**asdict(self), "keys": list(self.keys), "folded": list(self.folded), "response": response}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CoordinateConfig:
        """Restore a configuration from the output of :meth:`to_dict`."""
        response = tuple(values["response"]) if values["response"] else None
        return cls(**{**values, "keys": tuple(values["keys"]), "folded": tuple(values["folded"]), "response": response})


class Coordinates:
    """Map between parameters and a network's standardised coordinates.

    Parameters
    ----------
    transform
        The prior.
    config
        Choice of coordinates.
    arrival
        Function that returns arrival times, needed for a time relative to the pivot.

    Attributes
    ----------
    location, scale : ndarray
        Mean and standard deviation by which coordinates are standardised, (n,) each.
    time_scale : float
        Width in seconds inside which the time coordinate is linear.
    """

    def __init__(self, transform: PriorTransform, config: CoordinateConfig, arrival: Arrival | None = None) -> None:
        if config.relative_time:
            if arrival is None:
                raise ConfigurationError(
                    "relative_time=True needs arrival times, which these data do not have: set relative_time=False"
                )
            self.arrival: Arrival = arrival
        unknown = [key for key in config.keys if key not in transform.keys]
        if unknown:
            raise ConfigurationError(
                f"keys={list(config.keys)}: {unknown} are not among the search parameters {list(transform.keys)}"
            )
        self.transform = transform
        self.config = config
        self.time_scale = 1.0
        self.location = np.zeros(len(config.keys))
        self.scale = np.ones(len(config.keys))
        special: tuple[str, ...] = (TIME,) if config.relative_time else ()
        special += (PHASE,) if config.phase_order else ()
        self._amplitude: AmplitudeCoordinates | None = None
        if config.response is not None:
            special += (DISTANCE, INCLINATION)
            priors = transform.priors
            self._amplitude = AmplitudeCoordinates(priors[DISTANCE], priors[INCLINATION], config.response)
        self._plain = tuple(key for key in config.keys if key not in special)

    @property
    def period(self) -> float:
        """Range of the relative phase in radians."""
        return np.pi if self.config.fold_phase else 2 * np.pi

    @property
    def log_copies(self) -> float:
        """Logarithm of the number of exact copies that folding identifies."""
        folds = len(self.config.folded) + int(self.config.fold_phase) + int(self._amplitude is not None)
        return float(np.log(2.0)) * folds

    def standardise(self, parameters: Parameters, pivot: Pivot | None) -> None:
        """Choose location and scale from training draws."""
        if self.config.relative_time:
            difference = self._time_difference(parameters, pivot)
            self.time_scale = float(4 * 1.4826 * np.median(np.abs(difference - np.median(difference)))) or 1.0
        raw, _ = self._raw(parameters, pivot)
        self.location, self.scale = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-9)

    def to_network(self, parameters: Parameters, pivot: Pivot | None) -> tuple[torch.Tensor, np.ndarray]:
        """Return coordinates (N, n) float32 and ``log |d coordinates / d parameters|`` (N,), not counting copies."""
        raw, log_jacobian = self._raw(parameters, pivot)
        standardised = (raw - self.location) / self.scale
        return torch.as_tensor(standardised, dtype=torch.float32), log_jacobian - np.sum(np.log(self.scale))

    def from_network(
        self, theta: torch.Tensor, pivot: Pivot | None, rng: np.random.Generator
    ) -> tuple[Parameters, np.ndarray, np.ndarray]:
        """Return parameters, a mask of rows inside the prior (N,), and ``log |d coordinates / d parameters|`` (N,).

        ``rng`` chooses the copies of folded parameters.
        """
        raw = theta.double().numpy() * self.scale + self.location
        size = len(raw)
        # Draws far out in the tails of a broadened flow correspond to no value of a parameter.
        sound = np.all(np.abs(raw) < _FAR, axis=1)
        raw = np.where(sound[:, None], raw, 0.0)
        v = np.zeros((size, self.transform.ndim))
        for index, key in enumerate(self.config.keys):
            if key in self.config.folded:
                column = ndtri_exp(log_ndtr(raw[:, index]) - np.log(2.0))
                v[:, self.transform.keys.index(key)] = column * rng.choice([-1.0, 1.0], size=size)
            elif key in self._plain:
                v[:, self.transform.keys.index(key)] = raw[:, index]
        parameters = self.transform.from_unconstrained(v)
        inside = np.ones(size, dtype=bool)
        if self._amplitude is not None:
            first, second = (raw[:, self.config.keys.index(key)] for key in (DISTANCE, INCLINATION))
            parameters[DISTANCE], parameters[INCLINATION], within = self._amplitude.inverse(first, second, rng)
            inside &= within
        if self.config.phase_order:
            offset = self.period * (ndtr(raw[:, self.config.keys.index(PHASE)]) - 0.5)
            phase = offset + self._phase_centre(pivot)
            if self.config.fold_phase:
                phase += np.pi * rng.integers(2, size=size)
            parameters[PHASE] = phase % (2 * np.pi)
        if self.config.relative_time:
            prior = self.transform.priors[TIME]
            reach = _FAR_TIME + 10 * (prior.maximum - prior.minimum)
            offset = self.time_scale * np.sinh(raw[:, self.config.keys.index(TIME)])
            sound &= np.abs(offset) < reach
            inside &= self._place(parameters, _known(pivot).time.numpy() + np.clip(offset, -reach, reach))
        inside &= self.transform.satisfies(parameters) & sound
        _, log_jacobian = self._raw(parameters, pivot, raw)
        kept = {key: parameters[key] for key in self.config.keys}
        return kept, inside, log_jacobian - np.sum(np.log(self.scale))

    def _place(self, parameters: Parameters, wanted: np.ndarray) -> np.ndarray:
        """Set the geocentric time for arrivals ``wanted`` at the first detector, and tell which rows are inside the prior."""
        prior = self.transform.priors[TIME]
        middle = 0.5 * (prior.minimum + prior.maximum)
        trial = {**parameters, TIME: np.full(len(wanted), middle)}
        for _ in range(_FIXED_POINT_STEPS):
            # The delay changes with the Earth's rotation, by parts in a million of the time: each step corrects for it.
            trial[TIME] = trial[TIME] + wanted - self.arrival(trial)[:, 0]
        parameters[TIME] = trial[TIME]
        return (trial[TIME] >= prior.minimum) & (trial[TIME] <= prior.maximum)

    def _time_difference(self, parameters: Parameters, pivot: Pivot | None) -> np.ndarray:
        return self.arrival(parameters)[:, 0] - _known(pivot).time.numpy()

    def _phase_centre(self, pivot: Pivot | None) -> np.ndarray:
        """Return the middle of the relative phase's range; without folding, the two modes are pi / 2 on either side."""
        return _known(pivot).phase(self.config.phase_order) + (0.0 if self.config.fold_phase else np.pi / 2)

    def _raw(
        self, parameters: Parameters, pivot: Pivot | None, known: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates before standardisation (computed unless ``known``) and their log Jacobian."""
        size = len(parameters[self.config.keys[0]])
        median = self.transform.from_median()
        filled = {key: parameters[key] if key in parameters else np.full(size, median[key]) for key in median}
        v = self.transform.to_unconstrained(filled)
        log_jacobian = self.transform.log_jacobian(filled, v, self._plain)
        raw = np.empty((size, len(self.config.keys)))
        if self._amplitude is not None:
            distance, inclination, log_amplitude = self._amplitude.forward(
                parameters[DISTANCE], parameters[INCLINATION]
            )
            log_jacobian += log_amplitude + self.transform.log_scale[DISTANCE] + self.transform.log_scale[INCLINATION]
            v[:, self.transform.keys.index(DISTANCE)] = distance
            v[:, self.transform.keys.index(INCLINATION)] = inclination
        for index, key in enumerate(self.config.keys):
            if key == TIME and self.config.relative_time:
                stretched = self._time_difference(parameters, pivot) / self.time_scale
                raw[:, index] = np.arcsinh(stretched)
                log_jacobian -= np.log(self.time_scale) + 0.5 * np.log1p(stretched**2)
            elif key == PHASE and self.config.phase_order:
                offset = (parameters[PHASE] - self._phase_centre(pivot)) / self.period
                unit = np.clip((offset + 0.5) % 1.0, 1e-15, 1 - 1e-15)
                raw[:, index] = ndtri(unit) if known is None else known[:, index]
                log_jacobian += 0.5 * raw[:, index] ** 2 + 0.5 * _LOG_2PI - np.log(self.period)
            else:
                column = v[:, self.transform.keys.index(key)]
                if key in self.config.folded:
                    folded = ndtri_exp(log_ndtr(-np.abs(column)) + np.log(2.0))
                    log_jacobian += np.log(2.0) - 0.5 * column**2 + 0.5 * folded**2
                    column = folded
                raw[:, index] = column
        return raw, log_jacobian


def _known(pivot: Pivot | None) -> Pivot:
    """Return the pivot, or raise an error if there is none although coordinates are relative to it."""
    if pivot is None:
        raise ConfigurationError("relative_time=True and phase_order need a pivot: use representation='aligned'")
    return pivot
