r"""The chirp mass at which a long signal keeps its best-measured phase, given all other parameters that shape the wave.

A signal of thousands of cycles measures one combination of its parameters far better than any other: the one that changes the
phase as the chirp mass does. With :math:`\Phi(f)` the phase of a non-precessing wave, :math:`p(f)` its share of the squared
signal-to-noise ratio at each frequency, and

.. math:: \langle a, b \rangle = \sum_f p(f)\, a(f)\, b(f)

after the parts that a change of phase or time can produce were subtracted from both, this combination is
:math:`\mu = \langle \partial \Phi / \partial \ln M_c,\, \Phi - \Phi_0 \rangle`. (Post-Newtonian formulas of such combinations:
Morisaki and Raymond 2020; Lee, Morisaki and Tagoshi 2022. Here the phases are those of the waveform itself.) Given mass ratio,
spins and tides, :math:`\mu` has the value of a reference at one chirp mass :math:`M^*_c`. Over the part of the prior where the
posterior can be, its logarithm is a polynomial of low degree in the symmetric mass ratio, the spins along the orbit and the
tides: it is found for some hundred waves, and fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Protocol

import numpy as np

from ...names import CHIRP_MASS
from ...priors import Parameters
from ...processes.parallel import Row, make_rows
from ..binary import SHAPES, variables_of
from .bank import Stage
from .metric import Drawn

_DEGREE = 3  # of the polynomial: `radians` of a fit says what it leaves of the phase; a higher degree needs more waves
_STEPS = 5  # steps of Newton's method, each of which squares the error
# Step of ln M_c for the derivative of the phase: small against the change that turns the phase by a radian
_DIFFERENCE = 1e-6
_FAR = 0.3  # largest difference in units of ln M_c from the reference, within which a solution is sought
_RADIANS = 10.0  # root mean square change of the phase, in radians, that corresponds to one unit of the coordinate
_RIDGE = 1e-12  # relative size of a term that keeps the fit solvable where variables are nearly dependent


@dataclass(frozen=True)
class LeadingMass:
    """Logarithm of the chirp mass that keeps the best-measured phase, as a polynomial in other parameters.

    Attributes
    ----------
    fixed
        Values of fixed parameters that it depends on.
    low, high
        Range of each of the polynomial's variables where it was fitted, (V,); beyond it, the value at the edge is used.
    powers
        Numbers of the variables that are multiplied in each term.
    coefficients
        Coefficient of each term.
    scale
        Change of the logarithm that changes the phase by ten radians (root mean square).
    radians
        Root mean square of the phase error of the polynomial, in radians.
    templates
        Number of templates that were computed for the fit.
    """

    fixed: Row
    low: np.ndarray
    high: np.ndarray
    powers: tuple[tuple[int, ...], ...]
    coefficients: np.ndarray
    scale: float
    radians: float
    templates: int = 0

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the logarithm of the chirp mass in solar masses, (N,)."""
        variables = variables_of({**self.fixed, **columns})
        return self._terms(variables) @ self.coefficients

    def _terms(self, variables: np.ndarray) -> np.ndarray:
        return _terms(variables, self.low, self.high, self.powers)


def _powers(count: int, highest: int) -> tuple[tuple[int, ...], ...]:
    return tuple(one for degree in range(highest + 1) for one in combinations_with_replacement(range(count), degree))


def _terms(variables: np.ndarray, low: np.ndarray, high: np.ndarray, powers: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Return the products of the variables, scaled to their range, (N, T)."""
    width = np.where(high > low, high - low, 1.0)
    scaled = 2 * (np.clip(variables, low, high) - low) / width - 1
    return np.stack([np.prod(scaled[:, list(one)], axis=1) for one in powers], axis=1)


def leading_mass(stage: Stage, columns: Parameters, best: Row) -> LeadingMass | None:
    """Fit the chirp mass that keeps the best-measured phase of a reference.

    Parameters
    ----------
    stage
        Computes templates.
    columns
        Search parameters of rows at which the fit has to be good, (N,) each.
    best
        All parameters of the reference.

    Returns
    -------
    LeadingMass or None
        ``None`` if the chirp mass, or everything else that shapes the wave, is fixed, or if solutions were found for too few
        rows.
    """
    fixed = {key: value for key, value in stage.fixed.items() if key in SHAPES}
    if CHIRP_MASS not in columns or not {*SHAPES} & {*columns}:
        return None
    measured = Measured(stage, best)
    logs, good = measured.solved(make_rows(stage.fixed, columns))
    return fitted_mass(measured, fixed, {key: column[good] for key, column in columns.items()}, logs[good], _DEGREE)


def fitted_mass(
    measured: Measured, fixed: Row, columns: Parameters, logs: np.ndarray, degree: int
) -> LeadingMass | None:
    """Fit a polynomial to logarithms of the chirp mass that were found for some rows.

    Parameters
    ----------
    measured
        Phases with which the logarithms were found.
    fixed
        Parameters of the polynomial that are the same for all rows.
    columns
        Other parameters of the rows, (N,) each.
    logs
        Logarithms of the chirp mass in solar masses, (N,).
    degree
        Degree of the polynomial.

    Returns
    -------
    LeadingMass or None
        ``None`` if there are too few rows.
    """
    variables = variables_of({**fixed, **columns})
    powers = _powers(variables.shape[1], degree)
    if len(logs) < 2 * len(powers):
        return None
    low, high = variables.min(axis=0), variables.max(axis=0)
    design = _terms(variables, low, high, powers)
    gram = design.T @ design
    coefficients = np.linalg.solve(gram + _RIDGE * np.trace(gram) * np.eye(len(gram)), design.T @ logs)
    scatter = float(np.sqrt(np.mean((design @ coefficients - logs) ** 2)))
    return LeadingMass(
        fixed, low, high, powers, coefficients, measured.scale, _RADIANS * scatter / measured.scale, measured.templates
    )


class Waves(Protocol):
    """Protocol of sources of waves for rows: a stage of a search, or the waves of a family of binaries."""

    def changes(self, rows: Sequence[Row], /) -> Drawn:
        """Return the waves of rows at a few frequencies."""
        ...


class Measured:
    """Best-measured phase of waves relative to that of a reference."""

    def __init__(self, stage: Waves, best: Row) -> None:
        self._stage, self.templates = stage, 0
        self._mass = float(best[CHIRP_MASS])
        drawn = self._drawn([best] * 3, np.array([0.0, -_DIFFERENCE, _DIFFERENCE]))
        self._roots = np.sqrt(drawn.power[0] / drawn.power[0].sum())
        free = np.stack([np.ones(len(self._roots)), drawn.frequencies]) * self._roots
        self._basis = np.linalg.qr(free.T)[0]
        self._reference = drawn.phases[0]
        slope = self._free_of((drawn.phases[2] - drawn.phases[1]) / (2 * _DIFFERENCE))
        size = float(np.linalg.norm(slope))
        self._slope, self.scale = slope / size**2, _RADIANS / size

    def _drawn(self, rows: Sequence[Row], shifts: np.ndarray) -> Drawn:
        """Return templates of rows at chirp masses that are shifted from the reference's."""
        masses = self._mass * np.exp(shifts)
        self.templates += len(rows)
        return self._stage.changes([{**row, CHIRP_MASS: float(mass)} for row, mass in zip(rows, masses, strict=True)])

    def _free_of(self, phases: np.ndarray) -> np.ndarray:
        """Return weighted phases (..., F) without the part that an overall phase and a time can produce."""
        weighted = phases * self._roots
        return weighted - (weighted @ self._basis) @ self._basis.T

    def solved(
        self, rows: Sequence[Row], steps: int = _STEPS, begin: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solve for the logarithms of the chirp mass, (N,); return them and for which rows a solution was found.

        Parameters
        ----------
        rows
            All parameters but the chirp mass, which is ignored.
        steps
            Number of steps of Newton's method.
        begin
            Logarithms of the chirp mass to start from, (N,); that of the reference by default.
        """
        shifts = np.zeros(len(rows)) if begin is None else np.clip(begin - np.log(self._mass), -_FAR, _FAR)
        last = np.full(len(rows), np.inf)
        for _ in range(steps):
            drawn = self._drawn(rows, shifts)
            last = self._free_of(drawn.phases - self._reference) @ self._slope
            there = np.isfinite(last) & np.any(drawn.power > 0, axis=1)
            shifts = np.clip(shifts - np.where(there, last, 0.0), -_FAR, _FAR)
        good = there & (np.abs(last) < 1e-3 * self.scale) & (np.abs(shifts) < _FAR)
        return np.log(self._mass) + shifts, good
