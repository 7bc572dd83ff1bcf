"""Derivative of a wave's phase at chosen frequencies, from values at pairs of frequencies very close to each other.

So the phase need not be unwrapped over its many cycles, however long a signal is.
"""

from __future__ import annotations

import numpy as np

STEP = 1e-5
"""Hz between the two frequencies of a pair, over which group delays up to 5e4 s change the phase by less than pi."""


class FrequencyPairs:
    """Pairs of frequencies, each consisting of a given frequency and a slightly higher one.

    Parameters
    ----------
    frequencies
        Increasing frequencies in Hz, (F,).

    Attributes
    ----------
    both
        Frequencies at which waves have to be computed, in Hz, (2 F,).
    """

    def __init__(self, frequencies: np.ndarray) -> None:
        self.both = np.stack([frequencies, frequencies + STEP], axis=1).ravel()
        # The actual steps, after rounding.
        self._steps = np.diff(self.both)[::2]

    def products(self, waves: np.ndarray) -> np.ndarray:
        """Multiply values at the higher frequency by the conjugate of those at the lower one: (..., F) from (..., 2 F)."""
        pairs = waves.reshape(*waves.shape[:-1], -1, 2)
        products: np.ndarray = pairs[..., 1] * pairs[..., 0].conj()
        return products

    def slopes(self, waves: np.ndarray) -> np.ndarray:
        """Return derivatives of the phase in radians per Hz, (..., F), from waves (..., 2 F)."""
        slopes: np.ndarray = np.angle(self.products(waves)) / self._steps
        return slopes
