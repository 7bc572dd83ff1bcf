"""Waves of a likelihood on the frequencies of the data, term by term, and their inner products with the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ..processes.parallel import Row
from .detectors import Detector, reach_of
from .harmonics import POLARISATIONS, harmonics
from .inner_products import InnerProducts
from .matched_filter import MatchedFilters, steps_around
from .waveforms import waveform


class FullWaves:
    """Waves on all frequencies of the data; they can be pickled.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    orders
        Orders ``m`` of all terms ``exp(i m phase)`` of the wave.
    window
        First and last geocentric time, GPS seconds.
    own_phase
        True if a wave is computed at the row's own phase, as one term; at phase zero otherwise.
    turned
        True if products are those of the wave at the row's phase, computed once more; at phase zero, or as it was computed,
        otherwise.

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
        self,
        likelihood: GravitationalWaveTransient,
        orders: tuple[int, ...],
        window: tuple[float, float],
        own_phase: bool = False,
        turned: bool = False,
    ) -> None:
        self.orders, self._likelihood, self._turned = orders, likelihood, turned
        self._products = InnerProducts(likelihood, own_phase)
        self._filters = MatchedFilters(likelihood)
        reach = reach_of(tuple(Detector.from_interferometer(ifo) for ifo in likelihood.interferometers))
        steps = steps_around(window, reach, self._filters.start, self._filters.spacing)
        self.spacing, self.n_times = self._filters.spacing, len(steps)
        self.start = self._filters.start + int(steps[0]) * self.spacing
        self._steps = steps % self._filters.size

    def waves(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Return terms, (N, M, 2, F), and which rows have a wave with finite values, (N,)."""
        made = [self._terms(row) for row in rows]
        shape = next((terms.shape for terms in made if terms is not None), (len(self.orders), 2, 0))
        values = np.stack([np.zeros(shape, dtype=complex) if terms is None else terms for terms in made])
        there = np.array([terms is not None for terms in made])
        return values, there & np.isfinite(values).all(axis=(1, 2, 3))

    def series(self, values: np.ndarray, terms: Sequence[int] | None = None) -> np.ndarray:
        """Return inner products with the data at all times, (N, D, m, 2, T), of all terms or of those with given numbers."""
        chosen = values if terms is None else values[:, list(terms)]
        found = []
        for one in chosen:
            of_detectors = self._filters.of_series(one.reshape(-1, one.shape[-1]), self._steps)
            found.append([series.reshape(*one.shape[:2], -1) for series, _ in of_detectors])
        return np.array(found)

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Return inner products of all terms and polarisations with each other, (N, D, 2M, 2M)."""
        return np.stack([self._filters.norms(one.reshape(-1, one.shape[-1])) for one in values])

    def describe(self) -> dict[str, Any]:
        """Return a description of the waves for the result, as plain values."""
        return {"source": "the likelihood's own waves, on all frequencies"}

    def products(self, values: np.ndarray, rows: Sequence[Row], factors: np.ndarray) -> np.ndarray:
        """Return inner product with the data and squared norm as the likelihood has them, ``[re, im, norm]``, (N, 3).

        NaN where the likelihood has no value.

        Parameters
        ----------
        values
            Terms as :meth:`waves` returns them.
        rows
            All parameters of the signals.
        factors
            Factors of the plus and cross polarisations, for waves that are not computed once more, (N, 2).
        """
        made = np.full((len(rows), 3), np.nan)
        for number, (row, one, factor) in enumerate(zip(rows, values, factors, strict=True)):
            if self._turned:
                wave = waveform(self._likelihood.waveform_generator, row)
            else:
                wave = {mode: of * each for mode, of, each in zip(POLARISATIONS, one[0], factor, strict=True)}
            products = None if wave is None else self._products.of(wave, row)
            if products is not None:
                made[number] = products
        return made

    def _terms(self, row: Row) -> np.ndarray | None:
        """Return the plus and cross polarisation of every term, (M, 2, F), or ``None`` where the waveform fails."""
        if len(self.orders) == 1:
            wave = self._products.polarisations(row)
            return None if wave is None else np.stack([wave[mode] for mode in POLARISATIONS])[None]
        terms = harmonics(self._likelihood.waveform_generator, row, self.orders)
        return None if terms is None else np.stack([terms[order] for order in self.orders])
