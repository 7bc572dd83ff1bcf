r"""Precessing waves of the family at the fixed frequencies, and a statistic of them for binned data.

For each order m, the mode (m, m) in the co-precessing frame is taken, which precession mixes with others. Relative to
the phase that it has for spins along the orbit, it varies slowly. Each detector sees its own mixture of the two
polarisations. With :math:`b_m` the products of the polarisations with the data relative to order m, :math:`G_m` those
with each other, and an orbital phase :math:`\phi`, the log likelihood ratio at the best mixture is

.. math:: \max_\phi \sum_d \max_t \tfrac12 \, b^\dagger (G + \epsilon)^{-1} b , \quad
    b = \sum_m e^{-i (m - 2) \phi} b_m(t) , \quad G = \sum_m G_m .

The mixtures are free and complex, more than any place in the sky allows; this is good enough for a proposal.
"""

from __future__ import annotations

from collections.abc import Sequence

import lal
import lalsimulation
import numpy as np
from bilby.gw.conversion import bilby_to_lalsimulation_spins, chirp_mass_and_mass_ratio_to_component_masses

from ..names import CHIRP_MASS, INCLINATION
from ..priors import Parameters
from ..processes.parallel import Row
from .binned import Binned
from .bounds import MASS_RATIO
from .pivot import TURNS
from .templates import DISTANCE, POINTS, REFERENCE

_APPROXIMANT = lalsimulation.GetApproximantFromString("IMRPhenomXPHM")
ORDERS = (2, 3, 4)
"""Orders m of the harmonics: those whose modes (m, m) IMRPhenomXPHM has."""

# Phases of the orbit that are tried: half of a step is a quarter of a radian.
_PHASES = np.exp(1j * np.linspace(0, 2 * np.pi, 12, endpoint=False))
_RIDGE = 0.02
"""Share of the trace of the polarisations' products added to their diagonal: two nearly equal polarisations then count
as one."""


def polarisations(row: Row, phase: float, frequencies: lal.REAL8Vector, arguments: lal.Dict) -> np.ndarray:
    """Return the polarisations (2, F) for a row of the family's parameters.

    Parameters
    ----------
    row
        Parameters of the family, and of the inclination.
    phase
        Orbital phase at the reference frequency, in radians.
    frequencies
        Frequencies in Hz, (F,).
    arguments
        Arguments of LALSimulation, for example the modes.
    """
    masses = [
        mass * lal.MSUN_SI for mass in chirp_mass_and_mass_ratio_to_component_masses(row[CHIRP_MASS], row[MASS_RATIO])
    ]
    angles = (row[key] for key in (INCLINATION, "phi_jl", "tilt_1", "tilt_2", "phi_12", "a_1", "a_2"))
    inclination, *spins = bilby_to_lalsimulation_spins(*angles, *masses, REFERENCE, phase)
    plus, cross = lalsimulation.SimInspiralChooseFDWaveformSequence(
        phase, *masses, *spins, REFERENCE, DISTANCE, inclination, arguments, _APPROXIMANT, frequencies
    )
    return np.stack([plus.data.data, cross.data.data])


class PrecessingTemplates:
    """Makes precessing waves at the fixed frequencies."""

    def __init__(self) -> None:
        self._frequencies = lal.CreateREAL8Vector(len(POINTS))
        self._frequencies.data = POINTS
        self._arguments = [_mode_of(order) for order in ORDERS]

    def __call__(self, columns: Parameters) -> np.ndarray:
        """Return polarisations of each order (N, M, 2, P) for the family's parameters, (N,) each; zero if a wave fails."""
        count = len(columns[CHIRP_MASS])
        waves = np.zeros((count, len(ORDERS), 2, len(POINTS)), dtype=complex)
        for index in range(count):
            row = {key: float(column[index]) for key, column in columns.items()}
            try:
                waves[index] = [polarisations(row, 0.0, self._frequencies, one) for one in self._arguments]
            except RuntimeError:
                # The likelihood's own waveform decides whether there is a wave; here the row is left out.
                continue
        return np.nan_to_num(waves)


def _mode_of(order: int) -> lal.Dict:
    """Return LALSimulation's arguments for the mode (m, m) alone."""
    arguments, modes = lal.CreateDict(), lalsimulation.SimInspiralCreateModeArray()
    for sign in (1, -1):
        lalsimulation.SimInspiralModeArrayActivateMode(modes, order, sign * order)
    lalsimulation.SimInspiralWaveformParamsInsertModeArray(arguments, modes)
    return arguments


def statistic(orders: Sequence[Binned], waves: np.ndarray) -> np.ndarray:
    """Return log likelihood ratios (N,) of waves (N, M, 2, P) for data relative to the phase of each order."""
    largest = np.abs(waves).max(axis=(1, 2, 3), keepdims=True)
    there = largest[:, 0, 0, 0] > 0
    scaled = waves / np.where(largest > 0, largest, 1)
    turns = [scaled[:, index].conj() * np.exp(1j * binned.phases) for index, binned in enumerate(orders)]
    values = np.zeros((len(_PHASES), len(waves)))
    for detector in range(len(orders[0].data)):
        weights = orders[0].weights[detector]
        products = [
            (conjugates * binned.data[detector]).astype(np.complex64) @ TURNS
            for conjugates, binned in zip(turns, orders, strict=True)
        ]
        norms = np.einsum("nmip,p,nmjp->nij", scaled.conj(), weights, scaled, optimize=True)
        trace = np.einsum("nii->n", norms).real
        norms += (_RIDGE * np.maximum(trace, np.finfo(float).tiny))[:, None, None] * np.eye(2)
        # With the inverse Cholesky factor, the quadratic form is a sum of squares.
        roots = np.linalg.inv(np.linalg.cholesky(norms)).astype(np.complex64)
        white = [np.matmul(roots, one) for one in products]
        for index, phase in enumerate(_PHASES):
            total = sum(
                (phase.conj() ** (order - 2)).astype(np.complex64) * one
                for order, one in zip(ORDERS, white, strict=True)
            )
            values[index] += 0.5 * np.sum(total.real**2 + total.imag**2, axis=1).max(axis=1)
    return np.where(there, values.max(axis=0), -np.inf)
