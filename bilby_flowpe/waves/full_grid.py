"""Waves of a likelihood on its data's own frequencies, term by term, and their inner products with the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ..names import PHASE
from ..processes.parallel import Row
from .harmonics import POLARISATIONS, harmonics
from .matched_filter import MatchedFilters, steps_between
from .waveforms import waveform


class FullWaves:
    """Waves on all frequencies of the data; picklable.

    Parameters
    ----------
    likelihood
        The user's.
    orders
        ``m`` of all terms that turn with the phase.
    window
        First and last time at the detectors, GPS.

    Attributes
    ----------
    start
        GPS time of the first value of a series.
    spacing
        Seconds between values of a series.
    n_times
        Number of values of a series, T.
    """

    def __init__(
        self, likelihood: GravitationalWaveTransient, orders: tuple[int, ...], window: tuple[float, float]
    ) -> None:
        self.orders, self._likelihood = orders, likelihood
        self._filters = MatchedFilters(likelihood)
        first, last = steps_between(self._filters, window)
        self.start = self._filters.start + first * self._filters.spacing
        self.spacing, self.n_times = self._filters.spacing, last - first + 1
        self._steps = np.arange(first, last + 1) % self._filters.size

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Terms at phase zero, (N, M, 2, F), and which rows have a wave that is a number, (N,)."""
        made = [self._terms(row) for row in rows]
        shape = next((terms.shape for terms in made if terms is not None), (len(self.orders), 2, 0))
        values = np.stack([np.zeros(shape, dtype=complex) if terms is None else terms for terms in made])
        there = np.array([terms is not None for terms in made])
        return values, there & np.isfinite(values).all(axis=(1, 2, 3))

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Inner products with the data at all times, (N, D, m, 2, T), of all terms or those of some numbers."""
        return self._filtered(values if terms is None else values[:, list(terms)])[0]

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Inner products of all terms and polarisations with each other, (N, D, 2M, 2M)."""
        return np.stack([self._filters.norms(one.reshape(-1, one.shape[-1])) for one in values])

    def _filtered(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        series, norms = [], []
        for one in values:
            pairs = list(self._filters.of_series(one.reshape(-1, one.shape[-1]), self._steps))
            series.append([of.reshape(*one.shape[:2], -1) for of, _ in pairs])
            norms.append([product for _, product in pairs])
        return np.array(series), np.array(norms)

    def _terms(self, row: Row) -> np.ndarray | None:
        """Plus and cross polarisation of every term, (M, 2, F); ``None`` where the waveform fails."""
        generator = self._likelihood.waveform_generator
        if len(self.orders) == 1:
            wave = waveform(generator, {**row, PHASE: 0.0})
            return None if wave is None else np.stack([wave[mode] for mode in POLARISATIONS])[None]
        terms = harmonics(generator, row, self.orders)
        return None if terms is None else np.stack([terms[order] for order in self.orders])
