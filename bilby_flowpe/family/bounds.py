"""Families of binaries: their parameters and ranges."""

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
    """A family of binaries, defined by ranges of its parameters.

    Attributes
    ----------
    name
        Name of the family.
    keys
        Parameters that a network of the family draws.
    chirp_mass
        Least and largest detector-frame chirp mass, in solar masses.
    mass_ratio
        Least mass ratio.
    spin
        Largest spin magnitude.
    snr
        Least and largest signal-to-noise ratio of the training data.
    detectors
        Names of the detectors, some of which each event has; empty for any detectors.
    highest
        Highest frequency of the data that is used, in Hz.
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
        """True if spins may have any direction."""
        return self.keys == PRECESSING

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Family:
        """Make a family from the values of :meth:`to_dict`."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)

    @cached_property
    def prior(self) -> PriorTransform:
        """Prior of the training: Bilby's defaults, except for a chirp mass that is uniform in its logarithm."""
        masses = {
            CHIRP_MASS: LogUniform(*self.chirp_mass),
            MASS_RATIO: UniformInComponentsMassRatio(self.mass_ratio, 1.0),
        }
        return PriorTransform(
            PriorDict({**masses, **(self._spins_of_any_direction() if self.precesses else self._along())})
        )

    @cached_property
    def along(self) -> PriorTransform:
        """Prior of the same ranges for spins along the orbit."""
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
"""Families of binaries by their names."""
