r"""How well the templates of a search match waves of the prior: what it can see, measured.

Waves are drawn afresh from the whole prior, with their own spins, modes and orientations, as each detector sees them. A
template :math:`T` that is filtered with such a wave :math:`h` in place of the data, at the best amplitude, phase and time in
each detector, finds a share of its power,

.. math:: m^2 = \frac{\sum_k \max_t |\langle T | h_k \rangle|^2 / \langle T | T \rangle_k}{\sum_k \langle h_k | h_k \rangle} ,

and the wave's match to the templates is the largest :math:`m` (the effectualness of a bank). Inner products of two waves that
fit one another are smooth in frequency: sums over the data's frequencies are taken at steps of some hertz, with the noise
weights of all frequencies in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.fft import ifft, next_fast_len

from ...errors import SimulationError
from ...names import PLACE, TIME
from ...processes.parallel import Row
from ..detectors import Detector
from .models import Model
from .summary import DetectorBins

STEP = 2.0
"""Hz between the frequencies of sums: waves whose best match is at times up to a quarter of a second apart."""

_CANDIDATES = 48  # templates that each wave is filtered with: those that are most like its own template when aligned in time
_PER_STEP = 2  # times, in units of one over the band, are taken so many times as densely
_BLOCK = 16  # waves that are filtered at once, which bounds the memory


class Thinned:
    """Sums over the frequencies of all detectors at steps of some hertz.

    Parameters
    ----------
    detectors
        Their frequencies and noise weights.
    frequencies
        Those of all detectors together, (F,), in Hz.
    duration
        Of the data, in seconds.

    Attributes
    ----------
    kept
        Numbers of the frequencies at which waves are taken, (J,).
    frequencies
        These, in Hz.
    weights
        Noise weights of each detector, summed about each of them, (K, J).
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
        self.weights /= self.weights.max()
        self._size = next_fast_len(_PER_STEP * (int(self._cells[-1]) + 1))

    def aligned(self, waves: np.ndarray) -> np.ndarray:
        """Waves (N, J) of unit norm in all detectors together, their mean arrival time at zero."""
        weights = self.weights.sum(axis=0)
        power = np.abs(waves) ** 2 * weights
        norms = np.sqrt(power.sum(axis=1, keepdims=True))
        slopes = np.sum(waves[:, 1:] * waves[:, :-1].conj() * np.sqrt(weights[1:] * weights[:-1]), axis=1)
        turned = waves * np.exp(-1j * np.angle(slopes)[:, None] * self._cells)
        return (turned * np.sqrt(weights) / np.where(norms > 0, norms, np.inf)).astype(np.complex64)

    def shares(self, templates: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Share of the power of a wave (K, J) that each template (N, J) finds, (N,)."""
        found = np.zeros(len(templates))
        for weights, wave in zip(self.weights, seen, strict=True):
            norms = (np.abs(templates) ** 2) @ weights
            spectrum = np.zeros((len(templates), self._size), dtype=np.complex64)
            spectrum[:, self._cells] = templates.conj() * (weights * wave)
            largest = np.max(np.abs(ifft(spectrum, axis=1, norm="forward", overwrite_x=True)), axis=1)
            found += np.where(norms > 0, largest**2 / np.where(norms > 0, norms, 1), 0)
        return found / float(np.sum(self.weights * np.abs(seen) ** 2))


def matches(
    thinned: Thinned,
    bank: np.ndarray,
    own: np.ndarray,
    rows: Sequence[Row],
    model: Model,
    detectors: Sequence[Detector],
) -> np.ndarray:
    """Match of each row's wave to the templates of a bank, (N,); nan where it has no wave.

    Parameters
    ----------
    thinned
        Frequencies at which waves are taken.
    bank, own
        Templates of the bank (B, J), and of the rows themselves, (N, J).
    rows
        All parameters of the waves.
    model
        What makes the waves.
    detectors
        Geometry of the detectors.
    """
    # Products of templates aligned in time choose the candidates: the maximum over times is taken with these alone.
    alike = np.abs(thinned.aligned(own).conj() @ thinned.aligned(bank).T)
    count = min(_CANDIDATES, len(bank))
    nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
    found = np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        wave = _wave(model, row, thinned.frequencies)
        if wave is None:
            continue
        responses = np.array([_response(detector, row) for detector in detectors])
        seen = responses @ wave
        if np.any(seen):
            seen /= np.max(np.abs(seen))
            found[number] = np.sqrt(np.max(thinned.shares(bank[nearest[number]], seen)))
    return found


def _wave(model: Model, row: Row, frequencies: np.ndarray) -> np.ndarray | None:
    try:
        wave = model(model.parameters(row), frequencies)
    except SimulationError:
        return None
    return wave if wave is not None and np.all(np.isfinite(wave)) else None


def _response(detector: Detector, row: Row) -> tuple[float, float]:
    ra, dec, psi, time = (np.array([row[key]]) for key in (*PLACE, TIME))
    plus, cross = detector.antenna(ra, dec, psi, time)
    return float(plus[0]), float(cross[0])
