r"""Masses of both frames, mass ratios, distances and redshifts: their values, and the changes of volume between them.

All are functions of the component masses :math:`m_1, m_2` in the detectors' frame and of the redshift z. A density of
coordinates s is one of coordinates p by

.. math:: \pi(p) = \pi(s) \, |\det \partial s / \partial b| \, / \, |\det \partial p / \partial b|

with :math:`b = (m_1, m_2, z)`, or the masses alone where the redshift is fixed, or z alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bilby.gw.conversion import (
    comoving_distance_to_redshift,
    generate_component_masses,
    luminosity_distance_to_redshift,
)
from bilby.gw.cosmology import get_cosmology
from scipy.interpolate import CubicSpline

from ..binaries import MASSES, SOURCE, is_mass
from ..errors import PriorError
from ..priors import Parameters

DISTANCES = ("luminosity_distance", "comoving_distance", "redshift")
"""Coordinates of the distance."""
_INVERSES = {
    "luminosity_distance": luminosity_distance_to_redshift,
    "comoving_distance": comoving_distance_to_redshift,
}
# Factor by which the range of a spline is wider than the values, so that rounding leaves no value outside.
_WIDER = 1.01
# Number of nodes of a spline in logarithms, which is then good to a relative 1e-10.
_NODES = 400
# Largest curvature density Ok0 (a number without unit) that counts as zero: rounding leaves less.
_FLAT = 1e-9


@dataclass(frozen=True)
class Binaries:
    """Component masses in the detectors' frame in solar masses, and redshifts, (N,) each."""

    mass_1: np.ndarray
    mass_2: np.ndarray
    redshift: np.ndarray

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Binaries:
        """Make binaries from any two coordinates of the masses and one of the distance.

        Raises
        ------
        PriorError
            If such coordinates are missing.
        """
        redshift = redshift_of(parameters)
        detected = {
            key.removesuffix(SOURCE): np.asarray(value, dtype=np.float64)
            * (1 + redshift if key.endswith(SOURCE) else 1.0)
            for key, value in parameters.items()
            if is_mass(key)
        }
        filled = generate_component_masses(dict(detected), require_add=False)
        if "mass_1" not in filled or "mass_2" not in filled:
            raise PriorError(
                f"masses: {sorted(detected)} do not determine both component masses: give two of {list(MASSES)}"
            )
        return cls(filled["mass_1"], filled["mass_2"], redshift)

    def value(self, key: str) -> np.ndarray:
        """Return a coordinate, (N,)."""
        return self._with_gradient(key)[0]

    def log_volume(self, keys: Sequence[str]) -> np.ndarray:
        """Return the log of the determinant of the coordinates' derivatives by the base coordinates, (N,).

        Parameters
        ----------
        keys
            Two coordinates of masses, one of the distance, or all three.
        """
        columns = [*((0, 1) if any(map(is_mass, keys)) else ()), *((2,) if {*keys} & {*DISTANCES} else ())]
        if len(keys) != len(columns):
            raise PriorError(
                f"{sorted(keys)} are not coordinates of a binary: name two of the masses, one of the distance, or all three"
            )
        rows = [[self._with_gradient(key)[1][column] for column in columns] for key in keys]
        matrix = np.stack([np.stack(np.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)
        with np.errstate(divide="ignore"):
            return np.log(np.abs(np.linalg.det(matrix)))

    def _with_gradient(self, key: str) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        first, second, redshift = self.mass_1, self.mass_2, self.redshift
        total, zero = first + second, np.zeros_like(first + redshift)
        if key in DISTANCES:
            value, slope = _distance(key, redshift)
            return value, (zero, zero, slope)
        name = key.removesuffix(SOURCE)
        if name not in MASSES:
            raise PriorError(f"{key!r} is not a coordinate of masses or distance: give some of {[*MASSES, *DISTANCES]}")
        if name == "mass_1":
            value, by_first, by_second = first, zero + 1.0, zero
        elif name == "mass_2":
            value, by_first, by_second = second, zero, zero + 1.0
        elif name == "total_mass":
            value, by_first, by_second = total, zero + 1.0, zero + 1.0
        elif name == "mass_ratio":
            value, by_first, by_second = second / first, -second / first**2, 1 / first
        elif name == "symmetric_mass_ratio":
            value = first * second / total**2
            by_first, by_second = value * (1 / first - 2 / total), value * (1 / second - 2 / total)
        else:
            value = (first * second) ** 0.6 / total**0.2
            by_first, by_second = value * (0.6 / first - 0.2 / total), value * (0.6 / second - 0.2 / total)
        if not key.endswith(SOURCE):
            return value, (by_first, by_second, zero)
        stretch = 1 + redshift
        return value / stretch, (by_first / stretch, by_second / stretch, -value / stretch**2)


def redshift_of(parameters: Mapping[str, Any]) -> np.ndarray:
    """Return the redshifts of a coordinate of the distance, (N,), in Bilby's cosmology.

    Raises
    ------
    PriorError
        If there is no coordinate of the distance.
    """
    if "redshift" in parameters:
        return np.asarray(parameters["redshift"], dtype=np.float64)
    for key, inverse in _INVERSES.items():
        if key in parameters:
            distance = np.asarray(parameters[key], dtype=np.float64)
            near, far = float(inverse(distance.min() / _WIDER)), float(inverse(distance.max() * _WIDER))
            nodes = np.geomspace(near, far, _NODES)
            return np.exp(CubicSpline(np.log(_distance(key, nodes)[0]), np.log(nodes))(np.log(distance)))
    raise PriorError(f"the source frame needs a distance: give one of {list(DISTANCES)}, besides {sorted(parameters)}")


def _distance(key: str, redshift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a coordinate of the distance in Mpc, and its derivative by the redshift."""
    if key == "redshift":
        return redshift, np.ones_like(redshift)
    cosmology = get_cosmology()
    # D_H / E(z): the derivative of the comoving distance along the line of sight.
    slope = cosmology.hubble_distance.to_value("Mpc") * cosmology.inv_efunc(redshift)
    along = _comoving(redshift)
    if key == "comoving_distance":
        return along, slope
    # Without curvature of space, the transverse distance is the one along the line of sight.
    if abs(curvature := float(cosmology.Ok0)) > _FLAT:
        root = np.sqrt(abs(curvature)) / cosmology.hubble_distance.to_value("Mpc")
        across = (np.sinh if curvature > 0 else np.sin)(root * along) / root
        bent = (np.cosh if curvature > 0 else np.cos)(root * along)
    else:
        across, bent = along, 1.0
    return (1 + redshift) * across, across + (1 + redshift) * bent * slope


def _comoving(redshift: np.ndarray) -> np.ndarray:
    """Return comoving distances along the line of sight in Mpc, for many redshifts by a spline: each one is an integral."""
    if redshift.size <= _NODES or not redshift.min() > 0:
        return _exact_comoving(redshift)
    nodes = np.geomspace(redshift.min() / _WIDER, redshift.max() * _WIDER, _NODES)
    return np.exp(CubicSpline(np.log(nodes), np.log(_exact_comoving(nodes)))(np.log(redshift)))


def _exact_comoving(redshift: np.ndarray) -> np.ndarray:
    return np.asarray(get_cosmology().comoving_distance(redshift).to_value("Mpc"))


def as_arrays(parameters: Mapping[str, Any]) -> Parameters:
    """Return parameters as arrays of one length, (N,) each."""
    names = list(parameters)
    return dict(
        zip(names, np.broadcast_arrays(*(np.asarray(parameters[key], dtype=np.float64) for key in names)), strict=True)
    )
