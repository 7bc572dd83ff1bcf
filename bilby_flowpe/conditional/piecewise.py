"""Densities that are linear between evenly spaced nodes: many at once, drawn from by inverting their cumulative function."""

from __future__ import annotations

import numpy as np

_TINY = 1e-300


def draw_linear(nodes: np.ndarray, log_target: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One draw a row.

    Parameters
    ----------
    nodes
        Evenly spaced in each row, ascending, (N, K).
    log_target
        Logarithm of the density there, up to a constant of each row, (N, K).
    shares
        Uniform on [0, 1): the share of the density below the draw, (N,).

    Returns
    -------
    draws, log_density
        The draws and the logarithm of the normalised density at them, (N,) each.
    """
    height = np.exp(log_target - log_target.max(axis=1, keepdims=True))
    mass = height[:, 1:] + height[:, :-1]
    total = mass.sum(axis=1)
    below = np.cumsum(mass, axis=1)
    wanted = shares * total
    cell = np.minimum((below <= wanted[:, None]).sum(axis=1), mass.shape[1] - 1)
    rows = np.arange(len(nodes))
    left, right, area = height[rows, cell], height[rows, cell + 1], mass[rows, cell]
    share = np.clip(1 - (below[rows, cell] - wanted) / np.maximum(area, _TINY), 0, 1)
    # Root of the quadratic in a form that is stable where the two heights agree.
    place = np.minimum(share * area / np.maximum(left + np.sqrt(left**2 + share * (right**2 - left**2)), _TINY), 1.0)
    spacing = (nodes[:, -1] - nodes[:, 0]) / (nodes.shape[1] - 1)
    # At the very end of a cell rounding may leave nothing, or less.
    log_density = np.log(np.maximum(left + (right - left) * place, _TINY)) - np.log(total * spacing / 2)
    return nodes[rows, cell] + place * spacing, log_density
