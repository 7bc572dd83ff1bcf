"""Tests of how a wave changes with a parameter, and of the terms by which it depends on the phase."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from bilby.gw.waveform_generator import WaveformGenerator

from ..names import PHASE
from ..processes.parallel import Row
from .harmonics import POLARISATIONS, terms_of
from .waveforms import Polarisations, polarisations

TOLERANCE = 1e-6
"""Largest deviation from a symmetry that counts as none, relative to the loudest value of a wave."""
NEARLY = 2e-4
"""Largest relative deviation from a single term ``exp(i m phase)`` at which other terms are too small to matter.

In the test, a further term whose order differs by one shows up with at least 0.3 of its size.
"""
_SMALL = 1e-3  # relative size of terms that may be left out: terms only choose phases, at which waves are computed anew
_PHASES, _MOST_ORDERS = 16, 8  # phases that distinguish orders up to 8, and the largest number of orders that are used
_MOST_FREQUENCIES = 33_000  # number of frequencies at which terms are sought, which bounds the memory: 16 s at 4096 Hz


def same(
    generator: WaveformGenerator,
    row: Mapping[str, float],
    strain: Mapping[str, np.ndarray],
    changes: Mapping[str, float],
    factors: Mapping[str, complex] | None = None,
) -> bool:
    """Tell whether changing parameters only multiplies the polarisations by ``factors``."""
    return _change(generator, row, strain, changes, factors) <= TOLERANCE


def _change(
    generator: WaveformGenerator,
    row: Mapping[str, float],
    strain: Mapping[str, np.ndarray],
    changes: Mapping[str, float],
    factors: Mapping[str, complex] | None = None,
) -> float:
    """Return the largest deviation from multiplying the polarisations by ``factors``, relative to the loudest value."""
    moved = polarisations(generator, {**row, **changes})
    if moved is None:
        return np.inf
    scale = max(float(np.max(np.abs(series))) for series in strain.values())
    off = max(float(np.max(np.abs(moved[mode] - (factors or {}).get(mode, 1.0) * strain[mode]))) for mode in strain)
    return off / scale if scale > 0 else 0.0 if off == 0 else np.inf


def turn_error(generator: WaveformGenerator, good: list[tuple[Row, Polarisations]], order: int) -> float:
    """Return the largest deviation from ``exp(i order phase)``, relative to the loudest value; stop at the first too large."""
    largest = 0.0
    for row, strain in good:
        for turn in (0.3, 1.1):
            factors = dict.fromkeys(strain, np.exp(1j * order * turn))
            largest = max(largest, _change(generator, row, strain, {PHASE: row[PHASE] + turn}, factors))
            if not largest <= NEARLY:
                return largest
    return largest


def phase_orders(generator: WaveformGenerator, good: list[tuple[Row, Polarisations]]) -> tuple[int, ...]:
    """Return the orders m of the terms ``exp(i m phase)`` that make up the wave; none if too many are needed."""
    phases = 2 * np.pi * np.arange(_PHASES) / _PHASES
    orders = np.arange(_PHASES) - _PHASES // 2
    shares = np.zeros(_PHASES)
    terms = []
    # Terms are smooth in frequency: of long data some frequencies will do, and bound the memory.
    some = slice(None, None, -(-len(good[0][1]["plus"]) // _MOST_FREQUENCIES))
    for row, _ in good:
        tried = (polarisations(generator, {**row, PHASE: float(phase)}) for phase in phases)
        made = [np.stack([strain[mode][some] for mode in POLARISATIONS]) for strain in tried if strain is not None]
        if len(made) < len(phases):
            return ()
        terms.append(terms_of(np.stack(made), orders))
        peaks = np.abs(terms[-1]).max(axis=(1, 2))
        shares = np.maximum(shares, peaks / max(peaks.max(), 1e-300))
    kept = np.flatnonzero(shares > _SMALL)
    if not 0 < len(kept) <= _MOST_ORDERS:
        return ()
    for (row, strain), of_row in zip(good, terms, strict=True):
        phase = row[PHASE] + 0.3
        moved = polarisations(generator, {**row, PHASE: phase})
        if moved is None:
            return ()
        wave = np.einsum("m,mpf->pf", np.exp(1j * orders[kept] * phase), of_row[kept])
        scale = max(float(np.max(np.abs(series))) for series in strain.values())
        if np.max(np.abs(wave - np.stack([moved[mode][some] for mode in POLARISATIONS]))) > _PHASES * _SMALL * scale:
            return ()
    return tuple(int(order) for order in orders[kept])
