"""Non-precessing waves of the family at fixed frequencies: amplitude and phase of the (2, 2) mode, seen face on.

They are used for the view of an event only, and for no weight, so that an error of a few hundredths of a radian is
tolerable. LALSimulation is called directly, because a thousand such waves take a second or two, and Bilby's conversion
of parameters takes longer than a wave.
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
"""Band of the family's frequencies, in Hz: ground-based detectors see little below it, and no black hole above it."""

_POINTS = 128  # points, 4% apart: a delay of 2 ms changes the phase by a third of a radian between two points at 600 Hz
DISTANCE = 1e25
"""Distance of all waves in metres; any would do, because amplitudes are used relative to the largest or scaled later."""

REFERENCE = 20.0
"""Frequency in Hz at which spins are given; spins along the orbit do not depend on it."""

POINTS = np.geomspace(LOWEST, HIGHEST, _POINTS)
"""The fixed frequencies, (P,) in Hz."""

APPROXIMANT = "IMRPhenomXAS"
"""Name of the waveform model in LALSimulation."""


class Templates:
    """Makes waves at the fixed frequencies :data:`POINTS`."""

    def __init__(self) -> None:
        self._pairs = FrequencyPairs(POINTS)
        self._frequencies = lal.CreateREAL8Vector(2 * _POINTS)
        self._frequencies.data = self._pairs.both
        self._approximant = lalsimulation.GetApproximantFromString(APPROXIMANT)
        self._arguments = lal.CreateDict()
        matrix = CubicSpline(np.log(POINTS), np.eye(_POINTS)).antiderivative()(np.log(POINTS))
        self._integral = POINTS[:, None] * matrix.T

    def __call__(self, bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return amplitudes over the largest, and phases in radians, zero at the first point, (N, P) each.

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
        """Return the wave for masses in kilograms and spins along the orbit, (2 P,)."""
        plus, _ = lalsimulation.SimInspiralChooseFDWaveformSequence(
            0.0, heavier, lighter, 0.0, 0.0, first, 0.0, 0.0, second, REFERENCE, DISTANCE, 0.0,
            self._arguments, self._approximant, self._frequencies,
        )  # fmt: skip
        wave: np.ndarray = plus.data.data
        return wave


def drawn(templates: Templates, bodies: np.ndarray, weights: np.ndarray) -> Drawn:
    """Return waves for a metric or a leading mass, as :class:`~bilby_flowpe.waves.coarse.metric.Drawn`.

    Parameters
    ----------
    templates
        Object that makes waves.
    bodies
        As in :meth:`Templates.__call__`, (N, 4).
    weights
        Noise weights at the points, (P,).
    """
    amplitudes, phases = templates(bodies)
    with np.errstate(divide="ignore"):
        return Drawn(POINTS, np.log(amplitudes), phases, weights * amplitudes**2)


@dataclass(frozen=True)
class Waves:
    """Waves of rows with the noise of an event, in the form that :mod:`bilby_flowpe.waves.coarse.leading` uses."""

    templates: Templates
    weights: np.ndarray

    def changes(self, rows: Sequence[Row]) -> Drawn:
        """Return waves of rows at the points."""
        columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        return drawn(self.templates, bodies_of(columns), self.weights)


def bodies_of(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return chirp mass, mass ratio, and spins along the orbit, (N, 4)."""
    masses = [np.asarray(columns[key], dtype=float) for key in (CHIRP_MASS, MASS_RATIO)]
    return np.stack([*masses, *(_spin(columns, number) for number in "12")], axis=1)


def _spin(columns: Mapping[str, np.ndarray], number: str) -> np.ndarray:
    if (found := spin_along_orbit(columns, number)) is None:
        raise SimulationError(
            f"waves of a family have spins, and chi_{number} is missing: give it, or a_{number} and tilt_{number}"
        )
    return found


def row_of(pivot: np.ndarray) -> Row:
    """Return chirp mass, mass ratio and spins along the orbit, (4,), by their names."""
    return dict(zip((CHIRP_MASS, MASS_RATIO, "chi_1", "chi_2"), map(float, pivot), strict=True))
