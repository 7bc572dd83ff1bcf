"""Places and times with pairs of angles: their inner products with the data, all at once, and the choice of some of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..names import DEC, RA, TIME
from .sky import Sky, interpolated


@dataclass(frozen=True)
class Candidates:
    """Places and times, each with all pairs of angles.

    Attributes
    ----------
    sky
        M places and times.
    angles
        Polarisation angles and, if drawn, inclinations, (G,) each.
    averaged
        Log likelihood averaged over phase and distance, nearly, (M, G).
    log_weights
        The same times prior over density, (M, G).
    """

    sky: Sky
    angles: dict[str, np.ndarray]
    averaged: np.ndarray
    log_weights: np.ndarray

    def choose(self, size: int, rng: np.random.Generator, temper: float = 1.0) -> tuple[np.ndarray, np.ndarray, float]:
        """``size`` candidates by a power of their weights, which evens them.

        Returns
        -------
        places, turns
            Numbers of places and of pairs, (size,) each.
        log_mean
            Logarithm of the mean of that power of the weights.
        """
        log_weights = temper * self.log_weights
        top = float(log_weights.max())
        below = np.cumsum(np.exp(log_weights - top).ravel())
        chosen = np.searchsorted(below, rng.random(size) * below[-1], side="right")
        places, turns = np.divmod(np.minimum(chosen, len(below) - 1), log_weights.shape[1])
        return places, turns, float(np.log(below[-1] / len(below)) + top)

    def values(self, place: int, turn: int, keys: Iterable[str]) -> dict[str, float]:
        """Parameters of one candidate."""
        found = {RA: self.sky.ra[place], DEC: self.sky.dec[place], TIME: self.sky.time[place]}
        found |= {key: column[turn] for key, column in self.angles.items()}
        return {key: float(found[key]) for key in keys}


def products_of(
    series: np.ndarray,
    norms: np.ndarray,
    arrival: np.ndarray,
    antenna: np.ndarray,
    coefficients: np.ndarray,
    phase_known: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Moduli of the inner product and squared norms of all candidates with all turns, (M, G) each.

    Where the phase is known, real parts take the place of moduli.

    With :math:`F_+^0` and :math:`F_\times^0` of polarisation angle zero, a signal is :math:`(F_+^0 \cos 2\psi + F_\times^0 \sin
    2\psi) h_+ + (F_\times^0 \cos 2\psi - F_+^0 \sin 2\psi) h_\times`: four terms, whose products are made once a candidate.
    """
    inner = np.zeros((arrival.shape[1], 4), dtype=np.complex128)
    square = np.zeros((arrival.shape[1], 4, 4))
    modes = np.array([0, 0, 1, 1])
    for of_detector, norm, times, (plus, cross) in zip(series, norms, arrival, antenna, strict=True):
        response = np.stack([plus, cross, cross, -plus], axis=1)
        inner += response * interpolated(of_detector, times)[modes].T
        square += response[:, :, None] * response[:, None, :] * norm[np.ix_(modes, modes)]
    rows, columns = np.triu_indices(4)
    twice = np.where(rows == columns, 1.0, 2.0)
    pairs = coefficients[rows] * coefficients[columns] * twice[:, None]
    whole = inner @ coefficients
    return whole.real if phase_known else np.abs(whole), square[:, rows, columns] @ pairs
