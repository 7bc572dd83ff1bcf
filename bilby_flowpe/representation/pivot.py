"""Pivot: where in the data the signal seems to be, which is taken out of the data and used as the origin of coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Pivot:
    """Apparent position of the signal, a deterministic function of the data, so that conditioning on it loses nothing.

    Attributes
    ----------
    time
        Apparent arrival time at the first detector in seconds from the start of the grid, (N,) float64.
    angle
        Apparent phase of the complex signal in the first detector in radians, (N,) float64.
    """

    time: torch.Tensor
    angle: torch.Tensor

    def expand(self, size: int) -> Pivot:
        """Return the pivot of one event repeated for ``size`` draws."""
        return Pivot(self.time.expand(size), self.angle.expand(size))

    def phase(self, order: int) -> np.ndarray:
        """Return the angle in units of the phase parameter, for a signal proportional to ``exp(i order phase)``: (N,)."""
        return self.angle.numpy() / order
