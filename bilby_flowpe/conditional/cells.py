"""Densities of one number that are constant in cells: their distribution and its inverse are straight lines between edges."""

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
