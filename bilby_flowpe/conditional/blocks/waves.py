"""What the conditionals ask of waves: their inner products with the data, for blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...processes.parallel import Row


class FilteredWaves(Protocol):
    """Waves as sums of terms that turn with the phase, and their inner products with the data of D detectors."""

    @property
    def orders(self) -> tuple[int, ...]:
        """``m`` of all M terms."""

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
        """Terms at phase zero, (N, M, 2, J), of any form, and which rows have a wave, (N,)."""

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Inner products with the data at all times, (N, D, m, 2, T), of all terms or those of some numbers."""

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Inner products of all terms and polarisations with each other, (N, D, 2M, 2M)."""

    def describe(self) -> dict[str, Any]:
        """What a result says of the waves: plain values."""

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> np.ndarray | None:
        """Inner product with the data and squared norm as the likelihood has them, ``[re, im, norm]``, (N, 3).

        ``None`` where there is nothing better than what :meth:`series` and :meth:`norms` say.

        Parameters
        ----------
        values
            As :meth:`waves` gives them.
        rows
            All parameters of the signals.
        factors
            Of the plus and cross polarisations of a wave of one term, (N, 2).
        """
