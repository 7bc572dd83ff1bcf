"""Coarse waves of one likelihood around one reference: waves, matched filters and norms for blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...processes.parallel import Row
from .norms import Norms
from .terms import Terms

_PROPORTIONAL = 1e-9  # of the loudest value: as far as a cross polarisation may be from a number times the plus


@dataclass(frozen=True)
class CoarseWaves:
    r"""Waves at some nodes in frequency, and their inner products with the data; picklable.

    A wave is a sum of terms, :math:`h(f, \phi) = \sum_m c_m(f) e^{i \psi_m(f)} e^{i m \phi}`, with the phases of a reference
    and with cubic splines :math:`c_m` through values at nodes, which are what :meth:`waves` gives.

    Attributes
    ----------
    orders
        ``m`` of all terms, M of them; a zero stands for a wave that is taken at a row's own phase.
    start
        GPS time of the first value of a series.
    spacing
        Seconds between values of a series.
    n_times
        Number of values of a series, T.
    terms
        What makes the waves.
    nodes
        Frequencies in Hz, (J,).
    error, offset
        Scatter (standard deviation) and mean of the error that the nodes make in the log likelihood of waves near the
        reference, against the same source of waves on all frequencies; not a number where it was not measured.
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
        """What makes the waves, in words."""
        return self.terms.model.words

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Terms of waves at the nodes.

        Parameters
        ----------
        rows
            All parameters of N waves.

        Returns
        -------
        values
            Plus and cross polarisation of every term at phase zero, the reference phase taken off, (N, M, 2, J) complex128.
        good
            Which rows have a wave that is a number, (N,); values are zero where one has none.
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
        """Inner products of terms with the data at all times of the window.

        They are those of :class:`bilby_flowpe.waves.matched_filter.MatchedFilters`.

        Parameters
        ----------
        values
            Of :meth:`waves`, (N, M, 2, J).
        terms
            Indices of the terms that are wanted, all when left out.

        Returns
        -------
        numpy.ndarray
            By row, detector, term, polarisation and time, (N, D, m, 2, T), complex64.
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
        """Inner products of all pairs of term and polarisation, numbered ``2 m + p``: (N, D, 2 M, 2 M), complex.

        Parameters
        ----------
        values
            Of :meth:`waves`, (N, M, 2, J).
        """
        return self._norms(values)

    def describe(self) -> dict[str, Any]:
        """What the waves are, in plain values: for a result."""
        return {
            "source": self.terms.model.words,
            "nodes": len(self.nodes),
            "orders": list(self.orders),
            "error": self.error,
            "reference": dict(self.reference),
        }

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> None:
        """Nothing: what :meth:`series` and :meth:`norms` give is all that coarse waves know."""
        return


def _ratios(values: np.ndarray) -> np.ndarray | None:
    """Ratio (N,) of the cross to the plus polarisation of values (N, 2, J), where it is one number for each row."""
    plus, cross = values[:, 0], values[:, 1]
    numbers = np.arange(len(values))
    loudest = np.argmax(plus.real**2 + plus.imag**2, axis=1)
    peak = plus[numbers, loudest]
    silent = peak == 0
    ratio = cross[numbers, loudest] / np.where(silent, 1, peak)
    apart = np.abs(cross - ratio[:, None] * plus).max(axis=1)
    return ratio if np.all(apart <= _PROPORTIONAL * np.abs(peak)) else None
