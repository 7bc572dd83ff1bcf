"""Derivative of a wave's phase at chosen frequencies, by calls at frequencies that differ by very little.

No phase has to be followed over its many turns, however long a signal is.
"""

from __future__ import annotations

import numpy as np

STEP = 1e-5
"""Hz between the two frequencies of a pair: group delays up to 5e4 s turn the phase by less than half a turn."""


class FrequencyPairs:
    """Every frequency twice, the second time a little higher.

    Parameters
    ----------
    frequencies
        Increasing, in Hz, (F,).

    Attributes
    ----------
    both
        At which waves have to be made, (2 F,).
    """

    def __init__(self, frequencies: np.ndarray) -> None:
        self.both = np.stack([frequencies, frequencies + STEP], axis=1).ravel()
        # What is left of the step after rounding.
        self._steps = np.diff(self.both)[::2]

    def products(self, waves: np.ndarray) -> np.ndarray:
        """Of each value at the higher frequency with the conjugate of that at the lower one, (..., F) of (..., 2 F)."""
        pairs = waves.reshape(*waves.shape[:-1], -1, 2)
        products: np.ndarray = pairs[..., 1] * pairs[..., 0].conj()
        return products

    def slopes(self, waves: np.ndarray) -> np.ndarray:
        """Derivatives of the phase in radians per Hz, (..., F) of waves (..., 2 F)."""
        slopes: np.ndarray = np.angle(self.products(waves)) / self._steps
        return slopes
