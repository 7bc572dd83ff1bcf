"""Non-precessing waves of the family at fixed frequencies: amplitude and phase of the (2, 2) mode, seen face on.

They serve the view of an event alone, and no weight: a few per cent of a radian will do. LALSimulation is called directly,
for a thousand such waves are made in a second or two and Bilby's conversion of parameters takes longer than a wave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lal
import lalsimulation
import numpy as np
from bilby.gw.conversion import chirp_mass_and_mass_ratio_to_component_masses
from scipy.interpolate import CubicSpline

from ..errors import SimulationError
from ..names import CHIRP_MASS
from ..processes.parallel import Row
from ..waves.binary import spin_along_orbit
from ..waves.coarse.metric import Drawn
from ..waves.coarse.pairs import FrequencyPairs
from .bounds import MASS_RATIO

LOWEST, HIGHEST = 15.0, 2048.0
"""Band of the family's frequencies, in Hz: below, ground-based data of today tell nothing; above, no black hole does."""

_POINTS = 128  # 4% apart: a delay of 2 ms turns the phase by a third of a radian from one to the next at 600 Hz
DISTANCE = 1e25
"""Of all waves, in metres: amplitudes are taken relative to the largest, or scaled afterwards."""

REFERENCE = 20.0
"""Frequency in Hz at which spins are given; those along the orbit are the same at all."""

POINTS = np.geomspace(LOWEST, HIGHEST, _POINTS)
"""The fixed frequencies, (P,) in Hz."""

APPROXIMANT = "IMRPhenomXAS"
"""LALSimulation's name of the waves."""


class Templates:
    """Makes waves at :data:`POINTS`."""

    def __init__(self) -> None:
        self._pairs = FrequencyPairs(POINTS)
        self._frequencies = lal.CreateREAL8Vector(2 * _POINTS)
        self._frequencies.data = self._pairs.both
        self._approximant = lalsimulation.GetApproximantFromString(APPROXIMANT)
        self._arguments = lal.CreateDict()
        matrix = CubicSpline(np.log(POINTS), np.eye(_POINTS)).antiderivative()(np.log(POINTS))
        self._integral = POINTS[:, None] * matrix.T

    def __call__(self, bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes over the largest, and phases in radians that are zero at the first point, (N, P) each.

        Parameters
        ----------
        bodies
            Chirp mass in solar masses, mass ratio, and both spins along the orbit, (N, 4).
        """
        first, second = chirp_mass_and_mass_ratio_to_component_masses(bodies[:, 0], bodies[:, 1])
        rows = np.column_stack([first * lal.MSUN_SI, second * lal.MSUN_SI, bodies[:, 2:]])
        waves = np.array([self._wave(*row) for row in rows]).reshape(len(bodies), 2 * _POINTS)
        amplitudes = np.abs(waves[:, ::2])
        phases = self._pairs.slopes(waves) @ self._integral
        return amplitudes / np.maximum(amplitudes.max(axis=1, keepdims=True), np.finfo(float).tiny), phases

    def _wave(self, heavier: float, lighter: float, first: float, second: float) -> np.ndarray:
        """Of masses in kilograms and spins along the orbit."""
        plus, _ = lalsimulation.SimInspiralChooseFDWaveformSequence(
            0.0, heavier, lighter, 0.0, 0.0, first, 0.0, 0.0, second, REFERENCE, DISTANCE, 0.0,
            self._arguments, self._approximant, self._frequencies,
        )  # fmt: skip
        wave: np.ndarray = plus.data.data
        return wave


def drawn(templates: Templates, bodies: np.ndarray, weights: np.ndarray) -> Drawn:
    """Waves for a metric or a leading mass: :class:`~bilby_flowpe.waves.coarse.metric.Drawn`.

    Parameters
    ----------
    templates
        What makes them.
    bodies
        As for :meth:`Templates.__call__`, (N, 4).
    weights
        Noise weights about the points, (P,).
    """
    amplitudes, phases = templates(bodies)
    with np.errstate(divide="ignore"):
        return Drawn(POINTS, np.log(amplitudes), phases, weights * amplitudes**2)


@dataclass(frozen=True)
class Waves:
    """Waves of rows under the noise of an event, as :mod:`bilby_flowpe.waves.coarse.leading` asks for them."""

    templates: Templates
    weights: np.ndarray

    def changes(self, rows: Sequence[Row]) -> Drawn:
        """Waves of rows at the points."""
        columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        return drawn(self.templates, bodies_of(columns), self.weights)


def bodies_of(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Chirp mass, mass ratio, and spins along the orbit, (N, 4)."""
    masses = [np.asarray(columns[key], dtype=float) for key in (CHIRP_MASS, MASS_RATIO)]
    return np.stack([*masses, *(_spin(columns, number) for number in "12")], axis=1)


def _spin(columns: Mapping[str, np.ndarray], number: str) -> np.ndarray:
    if (found := spin_along_orbit(columns, number)) is None:
        raise SimulationError(
            f"waves of a family have spins, and chi_{number} is missing: give it, or a_{number} and tilt_{number}"
        )
    return found


def row_of(pivot: np.ndarray) -> Row:
    """Chirp mass, mass ratio and spins along the orbit (4,) by name."""
    return dict(zip((CHIRP_MASS, MASS_RATIO, "chi_1", "chi_2"), map(float, pivot), strict=True))
