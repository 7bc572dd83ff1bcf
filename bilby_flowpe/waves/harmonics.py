r"""Harmonics of a wave: the terms that turn with its phase, and the factors of inclination.

A wave is a sum of terms that turn with the phase, :math:`h(\phi) = \sum_m c_m e^{i m \phi}`. A pure (2, 2) mode has one term,
which the inclination multiplies with one real factor for each polarisation. A wave with higher modes has one term for each
order m; all of them follow from the wave at a few evenly spaced phases, by a discrete Fourier transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bilby.gw.waveform_generator import WaveformGenerator

from ..names import PHASE
from .waveforms import waveform

POLARISATIONS = ("plus", "cross")
_SAME = 1e-9  # of the loudest value: as far as two polarisations may be from one constant times each other


def inclination_factors(theta_jn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plus and cross factors of a pure (2, 2) mode against face on."""
    cosine = np.cos(theta_jn)
    return (1 + cosine**2) / 2, cosine


def constant_ratio(plus: np.ndarray, cross: np.ndarray) -> complex | None:
    """Constant ratio of the cross to the plus polarisation, or ``None`` where the ratio is no constant.

    Face on it is a constant, as a rule.
    """
    loudest = int(np.argmax(np.abs(plus)))
    if plus[loudest] == 0:
        return None
    ratio = complex(cross[loudest] / plus[loudest])
    return ratio if np.max(np.abs(cross - ratio * plus)) <= _SAME * np.abs(plus[loudest]) else None


def fewest_phases(orders: Sequence[int]) -> int:
    """Least number of evenly spaced phases from which terms of these orders can be told apart."""
    return next(count for count in range(len(orders), 100) if len({order % count for order in orders}) == len(orders))


def terms_of(waves: np.ndarray, orders: Sequence[int] | np.ndarray) -> np.ndarray:
    """Terms (m, 2, F) of a wave that is known at evenly spaced phases from zero on, (J, 2, F)."""
    count = len(waves)
    turns = np.exp(-2j * np.pi * np.outer(orders, np.arange(count)) / count) / count
    return np.einsum("mj,jpf->mpf", turns, waves)


def harmonics(
    generator: WaveformGenerator, row: Mapping[str, float], orders: Sequence[int]
) -> dict[int, np.ndarray] | None:
    """Plus and cross polarisation, (2, F), of each term of a wave, by its order ``m``; ``None`` where a waveform fails.

    Parameters
    ----------
    generator
        The user's.
    row
        Parameters of the wave; any phase among them is replaced.
    orders
        ``m`` of all terms that the wave has.
    """
    count = fewest_phases(orders)
    made = []
    for index in range(count):
        waves = waveform(generator, {**row, PHASE: 2 * np.pi * index / count})
        if waves is None:
            return None
        made.append(np.stack([waves[mode] for mode in POLARISATIONS]))
    return dict(zip(orders, terms_of(np.stack(made), orders), strict=True))
