"""Where in the data the signal seems to be: what the representation takes out, and the coordinates are relative to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Pivot:
    """Deterministic function of the data, so that conditioning on it loses nothing.

    Attributes
    ----------
    time
        Apparent arrival at the first detector in seconds from the start of the grid, (N,) float64.
    angle
        Apparent angle of the complex signal in the first detector in radians, (N,) float64.
    """

    time: torch.Tensor
    angle: torch.Tensor

    def expand(self, size: int) -> Pivot:
        """The pivot of one event, for ``size`` draws from it."""
        return Pivot(self.time.expand(size), self.angle.expand(size))

    def phase(self, order: int) -> np.ndarray:
        """The angle in units of the phase parameter, for a signal that turns as ``exp(i order phase)``: (N,)."""
        return self.angle.numpy() / order
