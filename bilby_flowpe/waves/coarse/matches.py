r"""Matches between the templates of a search and waves of the prior, which measure what the search can find.

Waves are drawn afresh from the whole prior, with their own spins, modes and orientations, as each detector sees them. If a
template :math:`T` is filtered with such a wave :math:`h` in place of the data, at the best amplitude, phase and time in each
detector, it finds a fraction of the wave's power,

.. math:: m^2 = \frac{\sum_k \max_t |\langle T | h_k \rangle|^2 / \langle T | T \rangle_k}{\sum_k \langle h_k | h_k \rangle} ,

and the wave's match to the templates is the largest :math:`m` (the effectualness of a bank). Inner products of two waves that
fit one another are smooth in frequency: sums over the data's frequencies are taken at steps of some hertz, with the noise
weights of all frequencies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from bilby.gw.detector import Interferometer
from scipy.fft import ifft, next_fast_len

from ...errors import SimulationError
from ...names import DISTANCE, PLACE, TIME
from ...priors import Parameters, PriorTransform
from ...processes.parallel import Row, make_rows
from ..detectors import Detector
from .models import Model
from .summary import DetectorBins

STEP = 2.0
"""Hz between the frequencies of sums, fine enough for waves whose best match is at times up to a quarter of a second apart."""

# Waves: about a hundred carry the weight, enough to measure a chance of one in a hundred of missing a mode
_PLANTED = 1000
_PLACES = 12  # sky positions that are tried for each wave: more make the choice by loudness more exact, and take longer
_CANDIDATES = 48  # templates that each wave is filtered with: those most like it when aligned in time
# Candidates are found at all of the lowest 96 frequencies and at every fourth of the others, where aligned waves vary slowly.
_DENSE, _SPARSE = 96, 4
_AT_ONCE = 125  # waves that are compared with all templates at once, which bounds the memory
_PER_STEP = 2  # time steps in one over the bandwidth, so that maxima between two steps are not missed


class Thinned:
    """Sums over the frequencies of all detectors, in steps of some hertz.

    Parameters
    ----------
    detectors
        Frequencies and noise weights of every detector.
    frequencies
        Frequencies of all detectors together in Hz, (F,).
    duration
        Duration of the data in seconds.

    Attributes
    ----------
    kept
        Numbers of the frequencies at which waves are computed, (J,).
    frequencies
        These frequencies in Hz, (J,).
    weights
        Noise weights of each detector, summed around each of these frequencies, divided by the largest of all, (K, J).
    largest
        The largest weight, in Hz^2.
    """

    def __init__(self, detectors: Sequence[DetectorBins], frequencies: np.ndarray, duration: float) -> None:
        bins = np.rint(frequencies * duration).astype(int)
        each = max(1, round(STEP * duration))
        cells = (bins - bins[0]) // each
        # Of each cell the frequency in the middle of those that there are.
        _, first, counts = np.unique(cells, return_index=True, return_counts=True)
        self.kept = first + counts // 2
        self.frequencies = frequencies[self.kept]
        self._cells = cells[self.kept]
        self.weights = np.zeros((len(detectors), len(self.kept)))
        for row, one in zip(self.weights, detectors, strict=True):
            of_bins = (np.rint(one.frequencies * duration).astype(int) - bins[0]) // each
            np.add.at(row, np.searchsorted(self._cells, of_bins), one.weights)
        # Shares of power have no unit, and single precision does not hold 1e44.
        self.largest = float(self.weights.max())
        self.weights /= self.largest
        self._size = next_fast_len(_PER_STEP * (int(self._cells[-1]) + 1))

    def above(self, lowest: float) -> tuple[Thinned, np.ndarray]:
        """Return the part at and above a frequency in Hz, and a mask of its frequencies, (J,)."""
        within = self.frequencies >= lowest
        part = copy(self)
        part.kept, part.frequencies = self.kept[within], self.frequencies[within]
        part.weights, part._cells = self.weights[:, within], self._cells[within] - self._cells[within][0]
        part._size = next_fast_len(_PER_STEP * (int(part._cells[-1]) + 1))
        return part, within

    def aligned(self, waves: np.ndarray) -> np.ndarray:
        """Return waves (N, J) of unit norm in all detectors together, at zero mean time, at fewer high frequencies."""
        weights = self.weights.sum(axis=0).astype(np.float32)
        roots = np.sqrt(weights)
        slopes = np.einsum("nj,nj,j->n", waves[:, 1:], waves[:, :-1].conj(), roots[1:] * roots[:-1], optimize=True)
        # The difference of similar waves changes slowly at high frequencies.
        each = np.concatenate([np.arange(min(_DENSE, len(weights))), np.arange(_DENSE, len(weights), _SPARSE)])
        roots = np.sqrt(np.add.reduceat(weights, each))
        turns = (np.angle(slopes)[:, None] * self._cells[each]) % (2 * np.pi)
        turned = waves[:, each] * (np.exp(-1j * turns.astype(np.float32)) * roots)
        norms = np.sqrt(np.sum(turned.real**2 + turned.imag**2, axis=1, keepdims=True))
        aligned: np.ndarray = turned / np.where(norms > 0, norms, np.float32(np.inf))
        return aligned

    def shares(self, templates: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return the fraction of a wave's power, (K, J), that each template (N, J) finds, (N,)."""
        found = np.zeros(len(templates))
        for weights, wave in zip(self.weights, seen, strict=True):
            norms = (templates.real**2 + templates.imag**2) @ weights
            spectrum = np.zeros((len(templates), self._size), dtype=np.complex64)
            spectrum[:, self._cells] = templates.conj() * (weights * wave)
            largest = np.max(np.abs(ifft(spectrum, axis=1, norm="forward", overwrite_x=True)), axis=1)
            found += np.where(norms > 0, largest**2 / np.where(norms > 0, norms, 1), 0)
        power = float(np.sum(self.weights * np.abs(seen) ** 2))
        return found / power if power > 0 else found


@dataclass(frozen=True)
class Matched:
    """Waves of the prior, and their matches to templates.

    Attributes
    ----------
    columns
        Parameters of the waves, (N,) each.
    candidates
        Numbers of the templates that are most like each wave, (N, C).
    matches
        Match of each wave to these, (N, C), at the frequencies that are filtered.
    loudness
        Signal-to-noise ratio of each wave in all detectors at one megaparsec, (N,).
    weights
        Prior density over the density that each wave was drawn from, (N,).
    power
        Fraction of each wave's squared signal-to-noise ratio at the frequencies that are filtered, (N,).
    """

    columns: Parameters
    candidates: np.ndarray
    matches: np.ndarray
    loudness: np.ndarray
    weights: np.ndarray
    power: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Largest match of each wave to a template, (N,)."""
        return self.matches.max(axis=1)

    @property
    def found(self) -> np.ndarray:
        """Root of the fraction of each wave's power that templates find, (N, C); power not filtered counts as not found."""
        return self.matches * np.sqrt(self.power)[:, None]

    def share_below(self, match: float) -> float:
        """Return the fraction of the waves whose largest match is smaller than ``match``."""
        return float(np.mean(self.best < match))

    def joined(self, further: Matched, start: int) -> Matched:
        """Return these matches together with those of the same waves to further templates, numbered from ``start`` on."""
        candidates = np.concatenate([self.candidates, further.candidates + start], axis=1)
        matches = np.concatenate([self.matches, further.matches], axis=1)
        best = np.argsort(-matches, axis=1)[:, : max(_CANDIDATES, self.matches.shape[1])]
        both = (np.take_along_axis(one, best, axis=1) for one in (candidates, matches))
        return replace(self, candidates=next(both), matches=next(both))

    def first(self, size: int) -> Matched:
        """Return the matches of the first ``size`` waves alone."""
        columns = {key: column[:size] for key, column in self.columns.items()}
        arrays = (self.candidates, self.matches, self.loudness, self.weights, self.power)
        return Matched(columns, *(array[:size] for array in arrays))


class Planted:
    """Waves drawn afresh from the prior, as the detectors see them; rows without a wave are left out.

    Loud waves are seen from farther away, where there is more volume: one of several sky positions is chosen for each wave,
    with a probability proportional to the cube of the signal-to-noise ratio.

    Parameters
    ----------
    thinned
        Frequencies at which waves are computed.
    templates
        The rows' own templates at these frequencies, (N, J).
    columns, rows
        Search parameters of the waves, (N,) each, and all parameters.
    places
        Responses of every detector to either polarisation at some sky positions for each row, (N, P, K, 2).
    model
        Computes the waves.
    rng
        Generator of random numbers, which choose the sky positions.
    """

    def __init__(
        self,
        thinned: Thinned,
        templates: np.ndarray,
        columns: Parameters,
        rows: Sequence[Row],
        places: np.ndarray,
        model: Model,
        rng: np.random.Generator,
    ) -> None:
        self._thinned = thinned
        tried = [_wave(model, row, thinned.frequencies) for row in rows]
        waves = {number: wave for number, wave in enumerate(tried) if wave is not None and np.any(wave)}
        there = [*waves]
        self._columns = {key: column[there] for key, column in columns.items()}
        self._seen = np.empty((len(there), places.shape[2], len(thinned.frequencies)), dtype=np.complex64)
        self._loudness, self._weights = np.zeros(len(there)), np.zeros(len(there))
        for index, number in enumerate(there):
            scale = np.max(np.abs(waves[number]))
            wave = waves[number] / scale
            products = np.real(np.einsum("pf,qf,kf->kpq", wave, wave.conj(), thinned.weights))
            snr = np.sqrt(np.einsum("nkp,kpq,nkq->n", places[number], products, places[number]))
            cubes = snr**3 / np.sum(snr**3) if np.any(snr > 0) else np.full(len(snr), 1 / len(snr))
            chosen = int(rng.choice(len(snr), p=cubes))
            self._seen[index] = places[number, chosen] @ wave
            distance = float(rows[number].get(DISTANCE, 1.0))
            self._loudness[index] = snr[chosen] * np.sqrt(thinned.largest) * scale * distance
            self._weights[index] = 1 / (len(snr) * cubes[chosen]) if cubes[chosen] > 0 else 0.0
        self._own = templates[there]

    @classmethod
    def of(
        cls,
        thinned: Thinned,
        templates: Callable[[Sequence[Row]], np.ndarray],
        transform: PriorTransform,
        model: Model,
        interferometers: Sequence[Interferometer],
        rng: np.random.Generator,
    ) -> Planted:
        """Draw waves from the prior and compute them."""
        columns = transform.sample(_PLANTED, rng)
        rows = make_rows(transform.fixed, columns)
        elsewhere = [rows]
        if {*PLACE, TIME} <= {*transform.independent_keys(), *transform.fixed}:
            elsewhere += [make_rows(transform.fixed, transform.sample(_PLANTED, rng)) for _ in range(_PLACES - 1)]
        detectors = [Detector.from_interferometer(one) for one in interferometers]
        places = np.array([[_responses(detector, some) for detector in detectors] for some in elsewhere])
        return cls(thinned, templates(rows), columns, rows, places.transpose(3, 0, 1, 2), model, rng)

    def matched(self, bank: np.ndarray, lowest: float = 0.0, count: int | None = None) -> Matched:
        """Compute how well templates match the waves.

        Parameters
        ----------
        bank
            Templates at the frequencies of ``thinned``, (B, J).
        lowest
            Frequency in Hz below which templates are not filtered.
        count
            Number of waves to use, from the first on; all by default.
        """
        thinned, within = self._thinned.above(lowest)
        seen, own, bank = self._seen[:count, :, within], self._own[:count, within], bank[:, within]
        power = np.array([np.sum(np.abs(one) ** 2 * thinned.weights) for one in seen])
        whole = np.array([np.sum(np.abs(one) ** 2 * self._thinned.weights) for one in self._seen[:count]])
        # Products of waves aligned in time choose the candidates: the maximum over times is taken with these alone.
        to, most = thinned.aligned(bank).T, min(_CANDIDATES, len(bank))
        alike = [thinned.aligned(one) for one in (own, *seen.transpose(1, 0, 2))]
        nearest = np.empty((len(own), most), dtype=int)
        for start in range(0, len(own), _AT_ONCE):
            block = slice(start, start + _AT_ONCE)
            likeness = np.zeros((len(own[block]), len(bank)), dtype=np.float32)
            for one in alike:
                np.maximum(likeness, np.abs(one[block].conj() @ to), out=likeness)
            nearest[block] = np.argpartition(-likeness, most - 1, axis=1)[:, :most]
        shares = [thinned.shares(bank[near], wave) for near, wave in zip(nearest, seen, strict=True)]
        matches = np.sqrt(shares) if shares else np.empty((0, most))
        columns = {key: column[:count] for key, column in self._columns.items()}
        return Matched(columns, nearest, matches, self._loudness[:count], self._weights[:count], power / whole)


def _wave(model: Model, row: Row, frequencies: np.ndarray) -> np.ndarray | None:
    """Return both polarisations (2, J), or ``None`` where there is no wave."""
    try:
        wave = model(model.parameters(row), frequencies)
    except SimulationError:
        return None
    return wave if wave is not None and np.all(np.isfinite(wave)) else None


def _responses(detector: Detector, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    return detector.antenna(*(np.array([float(row[key]) for row in rows]) for key in (*PLACE, TIME)))
