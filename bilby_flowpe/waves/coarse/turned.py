"""Coarse waves at the phase of each row, for signals whose phase is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...processes.parallel import Row
from .coarse_waves import CoarseWaves
from .trials import turns_of


class TurnedWaves:
    """Sum of the terms of coarse waves at the phase of each row, as waves of one term; they can be pickled.

    Parameters
    ----------
    coarse
        Coarse waves, term by term.

    Attributes
    ----------
    orders
        Zero, as the sum is at the row's own phase.
    start, spacing, n_times
        As for :class:`.coarse_waves.CoarseWaves`.
    """

    def __init__(self, coarse: CoarseWaves) -> None:
        self.coarse = coarse
        self.orders: tuple[int, ...] = (0,)
        self.start, self.spacing, self.n_times = coarse.start, coarse.spacing, coarse.n_times

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Return all terms at the rows' phases, (N, M, 2, J), not yet summed, and which rows have a wave, (N,)."""
        values, good = self.coarse.waves(rows)
        return values * turns_of(self.coarse.orders, rows)[:, :, None, None], good

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Return inner products of the sums with the data at all times, (N, D, 1, 2, T); there is only one term."""
        return self.coarse.series(values).sum(axis=2, keepdims=True)

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Return inner products of the sums' polarisations with each other, (N, D, 2, 2)."""
        pairs = self.coarse.norms(values)
        count = len(self.coarse.orders)
        summed: np.ndarray = pairs.reshape(*pairs.shape[:2], count, 2, count, 2).sum(axis=(2, 4))
        return summed

    def describe(self) -> dict[str, Any]:
        """Return a description of the waves for the result, as plain values."""
        return self.coarse.describe()

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> None:
        """Return ``None``, as :meth:`series` and :meth:`norms` are the most exact values that coarse waves have."""
        return
