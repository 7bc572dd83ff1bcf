"""Shifts in time, on a grid of frequencies, of many signals at once."""

from __future__ import annotations

import numpy as np
import torch

from .grid import Grid

_BLOCK = 32  # frequencies that share a coarse angle: sines are then taken of F / 32 + 32 angles


def time_shift(grid: Grid, delay: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return factors ``exp(-2 pi i f delay)`` that delay a signal by ``delay`` seconds: (..., F), complex64.

    Angles are computed in double precision; a decomposition into blocks keeps the number of sines small.

    Parameters
    ----------
    grid
        Grid of frequencies.
    delay
        Delays in seconds, of any shape.
    """
    delay = torch.as_tensor(delay, dtype=torch.float64)
    first, count = grid.indices.start, len(grid)
    coarse = torch.arange(0, count + _BLOCK, _BLOCK, dtype=torch.float64) + first
    fine = torch.arange(_BLOCK, dtype=torch.float64)
    turn = -2 * torch.pi * grid.spacing * delay[..., None]
    blocks, within = _turned(turn * coarse), _turned(turn * fine)
    return (blocks[..., :, None] * within[..., None, :]).flatten(-2)[..., :count]


def _turned(angle: torch.Tensor) -> torch.Tensor:
    """Return ``exp(i angle)`` as complex64, by vectorised sines and cosines, which torch's polar form does not use."""
    return torch.complex(angle.cos().float(), angle.sin().float())
