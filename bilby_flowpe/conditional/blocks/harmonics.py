"""Task that draws sky position, time, orientation and phase for many waves of several harmonics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from ...densities import draw_linear
from ...names import PHASE
from ...processes.parallel import Row
from ..averaged import AveragedLikelihood
from .candidates import CandidateBlock, choose_rows
from .coherent import NEIGHBOURS, CoherentBlocks, Given, at_arrivals, with_drawn

TEMPER = 0.7  # power of the loudest term's weights by which candidates are chosen for the whole wave
# Phases of a grid: two standard deviations of the phase's conditional apart an even sum is exact to 2%.
_LEAST_PHASES, _MOST_PHASES, _FINE = 64, 1024, 8
_AT_ONCE = 2**15  # values whose averages are looked up together: their arrays stay in a processor's cache


class HarmonicsBlocks(CoherentBlocks):
    """Task that returns ``[inner product, norm, log weight, phase, *parameters]`` at the phase drawn; it can be pickled.

    Parameters
    ----------
    given
        Waves, detectors, priors and numbers of candidates, as for :class:`.coherent.CoherentBlocks`.
    at_phase
        The likelihood averaged over the distance, given the phase.
    """

    def __init__(self, given: Given, at_phase: AveragedLikelihood) -> None:
        super().__init__(given)
        self._orders, self._at_phase = np.array(given.waves.orders), at_phase

    def draw(self, values: np.ndarray, rows: Sequence[Row], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw products and parameters for each wave, (N, 4 + n); return them and which rows have any, (N,)."""
        size, row = len(rows), np.arange(len(rows))
        series, norms = self.waves.series(values), self.waves.norms(values)
        block = self.of_loudest(series, norms, rows, rng)
        places, turns, log_mean = block.choose(self.effort.whole, rng, TEMPER)
        inner, squares = self._whole(series, norms, block, places, turns)
        phases = phases_for(inner, squares)
        whole = self._averaged_over(phases, inner, squares)
        # The candidate's weight with all harmonics, over the power of the weight that it was chosen by.
        at = row[:, None], places, turns
        more = whole - block.averaged[at] + (1 - TEMPER) * block.log_weights[at]
        more = np.where(np.isfinite(more), more, -np.inf)
        top = logsumexp(more, axis=1)
        good = block.good & np.isfinite(top)
        shares = np.cumsum(np.exp(more - np.where(np.isfinite(top), top, 0.0)[:, None]), axis=1)
        chosen = choose_rows(shares, rng.random((size, 1)) * shares[:, -1:])[:, 0]
        place, turn = places[row, chosen], turns[row, chosen]
        phase, log_density, kappa, norm = self._phase(_FINE * phases, inner[row, chosen], squares[row, chosen], rng)
        log_weight = log_mean + top - np.log(self.effort.whole) - whole[row, chosen]
        log_weight = log_weight - np.log(2 * np.pi) - log_density
        drawn = self.parameters(block, place, turn)
        whole_rows = with_drawn(rows, {**drawn, PHASE: phase})
        if (better := self.waves.products(values, whole_rows, np.ones((size, 2)))) is not None:
            kappa, norm = better[:, 0], better[:, 2]
        return np.stack([kappa, norm, log_weight, phase, *drawn.values()], axis=1), good

    def of_loudest(
        self, series: np.ndarray, norms: np.ndarray, rows: Sequence[Row], rng: np.random.Generator
    ) -> CandidateBlock:
        """Draw candidates from the filter outputs of each row's loudest term, picked by the norms of all terms."""
        row, loudest = np.arange(len(rows)), self._loudest(norms)
        pair = 2 * loudest[:, None] + np.arange(2)
        of_loudest = norms[row[:, None, None], :, pair[:, :, None], pair[:, None, :]]
        return self.candidates(series[row, :, loudest], np.moveaxis(of_loudest, 3, 1), rows, rng)

    def _loudest(self, norms: np.ndarray) -> np.ndarray:
        """Return the number of the term with the largest norm, (N,)."""
        own = np.einsum("ndpp->np", norms.real)
        return np.argmax(own[:, ::2] + own[:, 1::2], axis=1)

    def _whole(
        self, series: np.ndarray, norms: np.ndarray, block: CandidateBlock, places: np.ndarray, turns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return inner products of all terms with the data and with each other, for candidates (N, K).

        Their shapes are (N, K, M) and (N, K, M, M).
        """
        rows, detectors, count = len(places), series.shape[1], len(self._orders)
        row = np.arange(rows)[:, None]
        arrival = np.moveaxis(block.skies.arrival[row, :, places], 1, -1)
        at = at_arrivals(series, arrival, NEIGHBOURS).astype(np.complex128)
        response = self.responses(block, places, turns)
        inner = np.einsum("ndpk,ndmpk->nkm", response, at)
        pairs = norms.reshape(rows, detectors, count, 2, count, 2)
        products = np.einsum("ndpk,ndqk->nkdpq", response, response).reshape(rows, places.shape[1], -1)
        ordered = np.moveaxis(pairs, (1, 3, 5), (1, 2, 3)).reshape(rows, detectors * 4, count * count)
        return inner, (products @ ordered).reshape(rows, places.shape[1], count, count)

    def _at(self, phases: np.ndarray, inner: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return inner products and norms of the whole wave at phases (J,), (..., J) each, from those of its terms (..., M)."""
        turns = np.exp(1j * np.outer(self._orders, phases))
        kappa = inner.real @ turns.real + inner.imag @ turns.imag
        # Norms depend on differences of the orders alone: the terms of one difference are summed before they are turned.
        steps = (self._orders[None, :] - self._orders[:, None]).ravel()
        kinds, which = np.unique(np.abs(steps), return_inverse=True)
        flat = squares.reshape(*squares.shape[:-2], -1)
        signed = np.where(steps >= 0, flat, flat.conj())
        sums = np.stack([signed[..., which == kind].sum(axis=-1) for kind in range(len(kinds))], axis=-1)
        angles = np.outer(kinds, phases)
        return kappa, sums.real @ np.cos(angles) - sums.imag @ np.sin(angles)

    def _averaged_over(self, count: int, inner: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Return the log likelihood averaged over distance and phases, (N, K)."""
        phases = 2 * np.pi * np.arange(count) / count
        rows, size = inner.shape[:2]
        whole = np.empty((rows, size))
        block = max(1, _AT_ONCE // (size * count))
        for start in range(0, rows, block):
            some = slice(start, start + block)
            averaged = self._at_phase(*self._at(phases, inner[some], squares[some]))
            top = averaged.max(axis=2)
            whole[some] = np.log(np.exp(averaged - top[..., None]).mean(axis=2)) + top
        return whole

    def _phase(
        self, count: int, inner: np.ndarray, squares: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Draw phases; return them, their log density, and the inner products and norms there, (N,) each."""
        fine = np.linspace(0, 2 * np.pi, count + 1)
        log_target = self._at_phase(*self._at(fine, inner, squares))
        nodes = np.broadcast_to(fine, log_target.shape)
        phase, log_density = draw_linear(nodes, log_target, rng.random(len(inner)))
        turn = np.exp(1j * phase[:, None] * self._orders)
        kappa = np.einsum("nm,nm->n", turn.conj(), inner).real
        norm = np.einsum("nmk,nk->nm", squares, turn)
        norm = np.einsum("nm,nm->n", turn.conj(), norm).real
        return phase, log_density, kappa, norm


def phases_for(inner: np.ndarray, squares: np.ndarray) -> int:
    """Return the number of phases, a power of two, of a grid that resolves the phase of the loudest signal."""
    own = np.einsum("nkmm->nk", squares).real
    loudness = np.abs(inner).sum(axis=2) / np.sqrt(np.maximum(own, 1e-300))
    wanted = 2 * np.pi * float(np.nanmax(loudness))
    return int(2 ** np.ceil(np.log2(np.clip(wanted, _LEAST_PHASES, _MOST_PHASES))))
