"""Pairs of mass parameters that users sample in, and their conversion to chirp mass and mass ratio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from bilby.gw.conversion import (
    chirp_mass_and_mass_ratio_to_component_masses,
    chirp_mass_and_mass_ratio_to_total_mass,
    component_masses_to_chirp_mass,
    total_mass_and_mass_ratio_to_component_masses,
)

from ..names import CHIRP_MASS
from ..priors import Parameters
from ..processes.parallel import Row
from ..waves.binary import spin_along_orbit
from .bounds import MASS_RATIO

_Pair = tuple[np.ndarray, np.ndarray]


def _of_components(first: np.ndarray, second: np.ndarray) -> tuple[_Pair, np.ndarray]:
    mass = component_masses_to_chirp_mass(first, second)
    # In logarithms the map preserves areas.
    return (mass, second / first), np.log(mass) - 2 * np.log(first)


def _of_total(total: np.ndarray, ratio: np.ndarray) -> tuple[_Pair, np.ndarray]:
    mass = component_masses_to_chirp_mass(*total_mass_and_mass_ratio_to_component_masses(ratio, total))
    return (mass, ratio), np.log(mass) - np.log(total)


def _total(mass: np.ndarray, ratio: np.ndarray) -> _Pair:
    return chirp_mass_and_mass_ratio_to_total_mass(mass, ratio), ratio


def _same(mass: np.ndarray, ratio: np.ndarray) -> tuple[_Pair, np.ndarray]:
    return (mass, ratio), np.zeros(len(mass))


@dataclass(frozen=True)
class Masses:
    """A pair of mass parameters, with its conversion to chirp mass and mass ratio.

    Attributes
    ----------
    keys
        Names of the two parameters.
    to_family
        Function that returns chirp mass and mass ratio, and the log of the Jacobian.
    from_family
        The inverse of this function.
    """

    keys: tuple[str, str]
    to_family: Callable[[np.ndarray, np.ndarray], tuple[_Pair, np.ndarray]]
    from_family: Callable[[np.ndarray, np.ndarray], _Pair]

    @classmethod
    def of(cls, keys: tuple[str, ...]) -> Masses:
        """Return the pair that is among some keys; that of the family if there is no other."""
        return next((pair for pair in PAIRS if {*pair.keys} <= {*keys}), PAIRS[0])

    def of_family(self, parameters: Parameters) -> tuple[Parameters, np.ndarray]:
        """Return parameters with chirp mass and mass ratio, and the log of the Jacobian, (N,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            (mass, ratio), log_jacobian = self.to_family(*(np.asarray(parameters[key]) for key in self.keys))
        return {**parameters, CHIRP_MASS: mass, MASS_RATIO: ratio}, log_jacobian

    def asked(self, columns: Parameters) -> Parameters:
        """Return parameters with this pair in place of chirp mass and mass ratio."""
        pair = self.from_family(columns[CHIRP_MASS], columns[MASS_RATIO])
        others = {key: value for key, value in columns.items() if key not in (CHIRP_MASS, MASS_RATIO)}
        return others | dict(zip(self.keys, pair, strict=True))

    def row(self, row: Row) -> Row:
        """Return a row with chirp mass, mass ratio, and spins along the orbit."""
        columns, _ = self.of_family({key: np.array([value]) for key, value in row.items()})
        spins = {f"chi_{number}": spin_along_orbit(columns, number) for number in "12"}
        # A wave from outside the family is replaced by one at its edge.
        ratio = np.minimum(columns[MASS_RATIO], 1 / columns[MASS_RATIO])
        found = {**columns, MASS_RATIO: ratio, **{key: value for key, value in spins.items() if value is not None}}
        return {key: float(value[0]) for key, value in found.items()}


PAIRS = (
    Masses((CHIRP_MASS, MASS_RATIO), _same, lambda mass, ratio: (mass, ratio)),
    Masses(("mass_1", "mass_2"), _of_components, chirp_mass_and_mass_ratio_to_component_masses),
    Masses(("total_mass", MASS_RATIO), _of_total, _total),
)
"""Pairs of mass parameters that networks of families can be used with."""
