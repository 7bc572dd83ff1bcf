"""Coarse waves of one likelihood around one reference: waves, matched filters and norms for blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...processes.parallel import Row
from .norms import Norms
from .terms import Terms

# Largest deviation from a constant ratio of cross to plus, relative to the loudest value: rounding errors
_PROPORTIONAL = 1e-9


@dataclass(frozen=True)
class CoarseWaves:
    r"""Waves at some nodes in frequency, and their inner products with the data; they can be pickled.

    A wave is a sum of terms, :math:`h(f, \phi) = \sum_m c_m(f) e^{i \psi_m(f)} e^{i m \phi}`, with the phases of a reference
    and with cubic splines :math:`c_m` through values at nodes, which :meth:`waves` returns.

    Attributes
    ----------
    orders
        Orders ``m`` of all M terms; a zero stands for a wave that is computed at a row's own phase.
    start
        GPS time of the first value of a series.
    spacing
        Seconds between values of a series.
    n_times
        Number of values of a series, T.
    terms
        Computes the terms of waves.
    nodes
        Frequencies of the nodes in Hz, (J,).
    error, offset
        Standard deviation and mean of the nodes' error in the log likelihood of waves near the reference, compared with the
        same source model on all frequencies; NaN if it was not measured.
    reference
        Parameters of the reference.
    """

    orders: tuple[int, ...]
    start: float
    spacing: float
    n_times: int
    terms: Terms
    nodes: np.ndarray
    error: float
    offset: float
    reference: Row
    _untwisted: np.ndarray  # exp(-i psi) at the nodes, (M, 1, J)
    _weights: np.ndarray  # of values in the series, (M, J, D * T), complex64
    _norms: Norms

    @property
    def n_nodes(self) -> int:
        """Number of nodes, J."""
        return len(self.nodes)

    @property
    def source(self) -> str:
        """Description of the source model that computes the waves."""
        return self.terms.model.words

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Compute the terms of waves at the nodes.

        Parameters
        ----------
        rows
            All parameters of N waves.

        Returns
        -------
        values
            Plus and cross polarisation of every term at phase zero, minus the reference phase, (N, M, 2, J) complex128.
        good
            Mask of the rows that have a wave with finite values, (N,); the values of other rows are zero.
        """
        values = np.zeros((len(rows), len(self.orders), 2, len(self.nodes)), dtype=np.complex128)
        good = np.zeros(len(rows), dtype=bool)
        for number, row in enumerate(rows):
            made = self.terms(self.terms.model.parameters(row), self.nodes)
            if made is not None:
                values[number], good[number] = made, True
        # A sum of squares is finite where all its terms are.
        flat = values.reshape(len(rows), -1)
        good &= np.isfinite(np.einsum("nj,nj->n", flat, flat.conj()).real)
        values[~good] = 0
        values *= self._untwisted
        return values, good

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Compute inner products of terms with the data at all times of the window.

        They are those of :class:`bilby_flowpe.waves.matched_filter.MatchedFilters`.

        Parameters
        ----------
        values
            Terms as :meth:`waves` returns them, (N, M, 2, J).
        terms
            Indices of the terms to use; all by default.

        Returns
        -------
        numpy.ndarray
            Inner products by row, detector, term, polarisation and time, (N, D, m, 2, T), complex64.
        """
        chosen = range(len(self.orders)) if terms is None else terms
        found = np.empty((len(chosen), len(values), 2, self._weights.shape[-1]), dtype=np.complex64)
        for number, term in enumerate(chosen):
            ratio = _ratios(values[:, term])
            conjugate = values[:, term].conj().astype(np.complex64)
            if ratio is None:
                flat = conjugate.reshape(-1, conjugate.shape[-1])
                np.matmul(flat, self._weights[term], out=found[number].reshape(len(flat), -1))
            else:
                plus = conjugate[:, 0] @ self._weights[term]
                found[number, :, 0] = plus
                np.multiply(plus, ratio.conj().astype(np.complex64)[:, None], out=found[number, :, 1])
        by_detector = found.reshape(len(chosen), len(values), 2, -1, self.n_times)
        return by_detector.transpose(1, 3, 0, 2, 4)

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Return inner products of all pairs of term and polarisation, numbered ``2 m + p``: (N, D, 2 M, 2 M), complex.

        Parameters
        ----------
        values
            Terms as :meth:`waves` returns them, (N, M, 2, J).
        """
        return self._norms(values)

    def describe(self) -> dict[str, Any]:
        """Return a description of the waves for the result, as plain values."""
        return {
            "source": self.terms.model.words,
            "nodes": len(self.nodes),
            "orders": list(self.orders),
            "error": self.error,
            "reference": dict(self.reference),
        }

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> None:
        """Return ``None``, as :meth:`series` and :meth:`norms` are the most exact values that coarse waves have."""
        return


def _ratios(values: np.ndarray) -> np.ndarray | None:
    """Return the ratio (N,) of cross to plus polarisation in values (N, 2, J), or ``None`` if one row's is not constant."""
    plus, cross = values[:, 0], values[:, 1]
    numbers = np.arange(len(values))
    loudest = np.argmax(plus.real**2 + plus.imag**2, axis=1)
    peak = plus[numbers, loudest]
    silent = peak == 0
    ratio = cross[numbers, loudest] / np.where(silent, 1, peak)
    apart = np.abs(cross - ratio[:, None] * plus).max(axis=1)
    return ratio if np.all(apart <= _PROPORTIONAL * np.abs(peak)) else None
