"""Candidates of sky position, time and orientation for many waves at once: averaged likelihoods, and a choice by weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .skies import Skies

_AT_ONCE = 2**15  # candidates whose averages are looked up together: their arrays stay in a processor's cache

Average = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Log likelihood averaged over phase and distance, as a function of inner products and squared norms of one shape."""


@dataclass(frozen=True)
class CandidateBlock:
    """Candidates of N rows: M sky positions with times, each combined with G pairs of angles.

    Attributes
    ----------
    skies
        Places and times.
    angles
        Polarisation angles and, if drawn, inclinations, (N, G) each.
    averaged
        Log likelihood averaged over phase and distance, nearly, (N, M, G).
    log_weights
        The same times prior over density, (N, M, G).
    """

    skies: Skies
    angles: dict[str, np.ndarray]
    averaged: np.ndarray
    log_weights: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """True for rows that have a candidate of nonzero weight, (N,)."""
        return np.isfinite(self.log_weights.max(axis=(1, 2)))

    def choose(
        self, size: int, rng: np.random.Generator, temper: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Choose ``size`` candidates of every row with probability proportional to a power of their weights.

        A power ``temper`` below one makes the probabilities more even.

        Returns
        -------
        places, turns
            Numbers of places and of pairs, (N, size) each.
        log_mean
            Logarithm of the mean of that power of the weights, (N,).
        """
        rows, _, pairs = self.log_weights.shape
        log_weights = temper * self.log_weights.reshape(rows, -1)
        top = log_weights.max(axis=1)
        top = np.where(np.isfinite(top), top, 0.0)
        below = np.cumsum(np.exp(log_weights - top[:, None]), axis=1)
        total = below[:, -1]
        count = below.shape[1]
        chosen = choose_rows(below / np.maximum(total, 1e-300)[:, None], rng.random((rows, size)))
        places, turns = np.divmod(chosen, pairs)
        with np.errstate(divide="ignore"):
            return places, turns, np.log(total / count) + top


def choose_rows(below: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the cell numbers (N, K) in which cumulative shares (N, J), which end at one, reach ``shares`` (N, K) in [0, 1)."""
    rows, cells = below.shape
    row = np.arange(rows)[:, None]
    # Each row's shares lie between its own whole number and the next: one search serves for all rows.
    found = np.searchsorted((np.minimum(below, 1.0) + row).ravel(), (shares + row).ravel(), side="right")
    return np.clip(found.reshape(shares.shape) - row * cells, 0, cells - 1)


def averages_of(
    series: np.ndarray,
    norms: np.ndarray,
    antenna: np.ndarray,
    coefficients: np.ndarray,
    average: Average,
    phase_known: bool = False,
) -> np.ndarray:
    r"""Return the averaged log likelihoods of all candidates with all pairs of angles, (N, M, G).

    With :math:`F_+^0` and :math:`F_\times^0` of polarisation angle zero, a signal is :math:`(F_+^0 \cos 2\psi + F_\times^0 \sin
    2\psi) h_+ + (F_\times^0 \cos 2\psi - F_+^0 \sin 2\psi) h_\times`: four terms, whose products are made once a candidate.

    Parameters
    ----------
    series
        Inner products of both polarisations with the data at the arrival times, (N, D, 2, M).
    norms
        Those of the polarisations with each other, real, (N, D, 2, 2).
    antenna
        Antenna responses as in :class:`.skies.Skies`, (N, D, 2, M).
    coefficients
        Coefficients of the four terms for each pair of angles, (N, 4, G).
    average
        Function of inner products and squared norms.
    phase_known
        True if the average is a function of the real part of an inner product, not of its modulus.
    """
    plus, cross = antenna[:, :, 0], antenna[:, :, 1]
    rows, _, size = plus.shape
    terms = (plus * series[:, :, 0], cross * series[:, :, 0], cross * series[:, :, 1], -plus * series[:, :, 1])
    inner = np.stack([term.sum(axis=1) for term in terms], axis=-1)
    responses, polarisation = (plus, cross, cross, -plus), (0, 0, 1, 1)
    first, second = np.triu_indices(4)
    squares = np.empty((rows, size, len(first)))
    for index, (one, other) in enumerate(zip(first, second, strict=True)):
        norm = norms[:, :, polarisation[one], polarisation[other]]
        product = np.einsum("ndm,ndm,nd->nm", responses[one], responses[other], norm)
        squares[..., index] = product if one == other else 2 * product
    pairs = coefficients[:, first] * coefficients[:, second]
    averaged = np.empty((rows, size, coefficients.shape[-1]))
    block = max(1, _AT_ONCE // (size * coefficients.shape[-1]))
    for start in range(0, rows, block):
        some = slice(start, start + block)
        kappa = inner[some].real @ coefficients[some]
        if not phase_known:
            kappa = np.hypot(kappa, inner[some].imag @ coefficients[some])
        averaged[some] = average(kappa, squares[some] @ pairs[some])
    return averaged
