"""Coarse waves at the phase of each row, for signals whose phase is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...processes.parallel import Row
from .coarse_waves import CoarseWaves
from .trials import turns_of


class TurnedWaves:
    """Coarse waves whose terms are turned by the phase of each row, and summed: a wave is one term; picklable.

    Parameters
    ----------
    coarse
        The terms.

    Attributes
    ----------
    orders
        That of the sum, which does not turn.
    start, spacing, n_times
        As of the terms.
    """

    def __init__(self, coarse: CoarseWaves) -> None:
        self.coarse = coarse
        self.orders: tuple[int, ...] = (0,)
        self.start, self.spacing, self.n_times = coarse.start, coarse.spacing, coarse.n_times

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """All terms at the rows' phases, (N, M, 2, J), not yet summed, and which rows have a wave, (N,)."""
        values, good = self.coarse.waves(rows)
        return values * turns_of(self.coarse.orders, rows)[:, :, None, None], good

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Inner products of the sums with the data at all times, (N, D, 1, 2, T); there is one term to choose."""
        return self.coarse.series(values).sum(axis=2, keepdims=True)

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Inner products of the sums' polarisations with each other, (N, D, 2, 2)."""
        pairs = self.coarse.norms(values)
        count = len(self.coarse.orders)
        summed: np.ndarray = pairs.reshape(*pairs.shape[:2], count, 2, count, 2).sum(axis=(2, 4))
        return summed

    def describe(self) -> dict[str, Any]:
        """What the waves are, in plain values: for a result."""
        return self.coarse.describe()

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> None:
        """Nothing: what :meth:`series` and :meth:`norms` give is all that coarse waves know."""
        return
