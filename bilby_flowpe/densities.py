"""Densities on nodes, drawn from by inverting their cumulative: constant in cells, or linear between even nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TINY = 1e-300


@dataclass(frozen=True)
class Cells:
    """A density that is constant in each of J cells, and zero outside.

    Attributes
    ----------
    edges
        Ascending, (J + 1,).
    heights
        Density in each cell, (J,).
    below
        Share of the mass below each edge, (J + 1,).
    """

    edges: np.ndarray
    heights: np.ndarray
    below: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, log_heights: np.ndarray, even: float = 0.0) -> Cells:
        """The density proportional to ``exp(log_heights)`` in the cells, with a share ``even`` spread over all of them."""
        widths = np.diff(edges)
        masses = np.exp(log_heights - log_heights.max()) * widths
        masses = (1 - even) * masses / masses.sum() + even * widths / widths.sum()
        below = np.concatenate([[0.0], np.cumsum(masses)])
        below /= below[-1]
        return cls(edges, np.diff(below) / widths, below)

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Where so much of the mass lies below, (N,)."""
        quantile: np.ndarray = np.interp(shares, self.below, self.edges)
        return quantile

    def share(self, places: np.ndarray) -> np.ndarray:
        """Share of the mass below, (N,)."""
        share: np.ndarray = np.interp(places, self.edges, self.below)
        return share

    def log_density(self, places: np.ndarray) -> np.ndarray:
        """Log density, (N,); -inf outside."""
        cell = np.searchsorted(self.edges, places, side="right") - 1
        inside = (cell >= 0) & (cell < len(self.heights))
        heights = self.heights[np.clip(cell, 0, len(self.heights) - 1)]
        return np.where(inside, np.log(np.maximum(heights, _TINY)), -np.inf)


def spread(size: int, rng: np.random.Generator) -> np.ndarray:
    """Shares in random order of which each of ``size`` equal pieces of [0, 1) holds one, (size,): each alone is uniform."""
    return (rng.permutation(size) + rng.random(size)) / size


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
