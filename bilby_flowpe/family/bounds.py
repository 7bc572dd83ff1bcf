"""Families of binaries: their parameters, and the ranges of these."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from bilby.core.prior import LogUniform, PriorDict, Sine, Uniform
from bilby.gw.prior import AlignedSpin, UniformInComponentsMassRatio

from ..names import CHIRP_MASS, INCLINATION
from ..priors import PriorTransform

MASS_RATIO = "mass_ratio"
ALIGNED = (CHIRP_MASS, MASS_RATIO, "chi_1", "chi_2")
PRECESSING = (CHIRP_MASS, MASS_RATIO, "a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl", INCLINATION)


@dataclass(frozen=True)
class Family:
    """Ranges of a family.

    Attributes
    ----------
    name
        Of the family.
    keys
        Parameters that a network of it draws.
    chirp_mass
        Least and largest, in solar masses, as detectors see it.
    mass_ratio
        Least.
    spin
        Largest magnitude.
    snr
        Least and largest signal-to-noise ratio of what networks are trained on.
    detectors
        Names of the detectors among which each event has some; any, if there are none.
    highest
        Frequency in Hz up to which data are looked at.
    """

    name: str
    keys: tuple[str, ...]
    chirp_mass: tuple[float, float] = (5.0, 100.0)
    mass_ratio: float = 1 / 18
    spin: float = 0.99
    snr: tuple[float, float] = (6.0, 60.0)
    detectors: tuple[str, ...] = ()
    highest: float = 2048.0

    @property
    def precesses(self) -> bool:
        """Whether spins may have any direction."""
        return self.keys == PRECESSING

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Family:
        """The inverse of :meth:`to_dict`."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)

    @cached_property
    def prior(self) -> PriorTransform:
        """Prior of what networks are trained on: Bilby's defaults, but for a chirp mass that is even in its logarithm."""
        masses = {
            CHIRP_MASS: LogUniform(*self.chirp_mass),
            MASS_RATIO: UniformInComponentsMassRatio(self.mass_ratio, 1.0),
        }
        return PriorTransform(
            PriorDict({**masses, **(self._spins_of_any_direction() if self.precesses else self._along())})
        )

    @cached_property
    def along(self) -> PriorTransform:
        """The same for spins along the orbit."""
        return Family(self.name, ALIGNED, self.chirp_mass, self.mass_ratio, self.spin).prior

    def _along(self) -> dict[str, object]:
        return {key: AlignedSpin(Uniform(0, self.spin), Uniform(-1, 1)) for key in ("chi_1", "chi_2")}

    def _spins_of_any_direction(self) -> dict[str, object]:
        angles = {key: Uniform(0, 2 * np.pi) for key in ("phi_12", "phi_jl")}
        spins = {key: Uniform(0, self.spin) for key in ("a_1", "a_2")}
        return {**spins, **{key: Sine() for key in ("tilt_1", "tilt_2")}, **angles, INCLINATION: Sine()}


FAMILIES = {
    family.name: family
    for family in (
        Family("bbh-aligned", ALIGNED),
        Family("bbh-precessing", PRECESSING, detectors=("H1", "L1", "V1"), highest=1024.0),
    )
}
"""Families by name."""
