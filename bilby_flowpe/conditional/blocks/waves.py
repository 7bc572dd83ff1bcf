"""Protocol of the waves that conditionals draw with: their inner products with the data, for blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...processes.parallel import Row


class FilteredWaves(Protocol):
    """Waves as sums of terms proportional to ``exp(i m phase)``, and their inner products with D detectors' data."""

    @property
    def orders(self) -> tuple[int, ...]:
        """Orders ``m`` of all M terms."""

    @property
    def start(self) -> float:
        """GPS time of the first value of a series."""

    @property
    def spacing(self) -> float:
        """Seconds between values of a series."""

    @property
    def n_times(self) -> int:
        """Number of values of a series, T."""

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Return terms at phase zero, (N, M, 2, J), in a form of the class's choice, and which rows have a wave, (N,)."""

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Return inner products with the data at all times, (N, D, m, 2, T), of all terms or of those with given numbers."""

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Return inner products of all terms and polarisations with each other, (N, D, 2M, 2M)."""

    def describe(self) -> dict[str, Any]:
        """Return a description of the waves for the result, as plain values."""

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> np.ndarray | None:
        """Return inner product with the data and squared norm as the likelihood has them, ``[re, im, norm]``, (N, 3).

        ``None`` if they would not be more exact than :meth:`series` and :meth:`norms`.

        Parameters
        ----------
        values
            As :meth:`waves` gives them.
        rows
            All parameters of the signals.
        factors
            Factors of the plus and cross polarisations, for a wave of one term, (N, 2).
        """
