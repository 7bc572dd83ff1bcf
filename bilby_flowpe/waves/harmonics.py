r"""Harmonics of a wave: its terms by their dependence on the phase, and the factors of the inclination.

A wave is a sum of terms with a simple dependence on the phase, :math:`h(\phi) = \sum_m c_m e^{i m \phi}`. A pure (2, 2) mode
has one term, which the inclination multiplies by one real factor for each polarisation. A wave with higher modes has one term
for each order m; all of them follow from the wave at a few evenly spaced phases, by a discrete Fourier transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bilby.gw.waveform_generator import WaveformGenerator

from ..names import PHASE
from .waveforms import waveform

POLARISATIONS = ("plus", "cross")
# Largest deviation from a constant ratio of two polarisations, relative to the loudest value: rounding errors
_SAME = 1e-9


def inclination_factors(theta_jn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors of plus and cross polarisation of a pure (2, 2) mode relative to face on."""
    cosine = np.cos(theta_jn)
    return (1 + cosine**2) / 2, cosine


def constant_ratio(plus: np.ndarray, cross: np.ndarray) -> complex | None:
    """Return the ratio of cross to plus polarisation if it is the same at all frequencies, else ``None``.

    For a wave seen face on, the ratio is usually constant.
    """
    loudest = int(np.argmax(np.abs(plus)))
    if plus[loudest] == 0:
        return None
    ratio = complex(cross[loudest] / plus[loudest])
    return ratio if np.max(np.abs(cross - ratio * plus)) <= _SAME * np.abs(plus[loudest]) else None


def fewest_phases(orders: Sequence[int]) -> int:
    """Return the smallest number of evenly spaced phases that distinguishes terms of these orders."""
    return next(count for count in range(len(orders), 100) if len({order % count for order in orders}) == len(orders))


def terms_of(waves: np.ndarray, orders: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the terms (m, 2, F) of a wave that is known at evenly spaced phases from zero on, (J, 2, F)."""
    count = len(waves)
    turns = np.exp(-2j * np.pi * np.outer(orders, np.arange(count)) / count) / count
    return np.einsum("mj,jpf->mpf", turns, waves)


def harmonics(
    generator: WaveformGenerator, row: Mapping[str, float], orders: Sequence[int]
) -> dict[int, np.ndarray] | None:
    """Return plus and cross polarisation, (2, F), of each term by its order ``m``, or ``None`` if a waveform fails.

    Parameters
    ----------
    generator
        The user's waveform generator.
    row
        Parameters of the wave; any phase among them is replaced.
    orders
        Orders ``m`` of all terms of the wave.
    """
    count = fewest_phases(orders)
    made = []
    for index in range(count):
        waves = waveform(generator, {**row, PHASE: 2 * np.pi * index / count})
        if waves is None:
            return None
        made.append(np.stack([waves[mode] for mode in POLARISATIONS]))
    return dict(zip(orders, terms_of(np.stack(made), orders), strict=True))
