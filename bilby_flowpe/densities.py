"""Densities of one variable, from which values are drawn by inverting the cumulative function.

:class:`Cells` is constant in cells of any width, :class:`EvenCells` in equal cells, for many rows at once. For densities that
are linear between nodes, one in each row, :func:`draw_linear` draws and :func:`linear_density` evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Smallest number that replaces a zero weight or density, which has no logarithm; it is within the range of doubles.
_TINY = 1e-300


@dataclass(frozen=True)
class Cells:
    """A density that is constant in each of J cells, and zero outside.

    Attributes
    ----------
    edges
        Edges of the cells, ascending, (J + 1,).
    heights
        Density in each cell, (J,).
    below
        Fraction of the mass below each edge, (J + 1,).
    """

    edges: np.ndarray
    heights: np.ndarray
    below: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, log_heights: np.ndarray, even: float = 0.0) -> Cells:
        """Make the density proportional to ``exp(log_heights)`` in the cells, with a fraction ``even`` spread over all."""
        widths = np.diff(edges)
        masses = np.exp(log_heights - log_heights.max()) * widths
        masses = (1 - even) * masses / masses.sum() + even * widths / widths.sum()
        below = np.concatenate([[0.0], np.cumsum(masses)])
        below /= below[-1]
        return cls(edges, np.diff(below) / widths, below)

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Return the values below which these fractions of the mass lie, (N,)."""
        return np.interp(shares, self.below, self.edges)

    def share(self, places: np.ndarray) -> np.ndarray:
        """Return the fraction of the mass below each value, (N,)."""
        return np.interp(places, self.edges, self.below)

    def log_density(self, places: np.ndarray) -> np.ndarray:
        """Return the log density, (N,); -inf outside the cells."""
        cell = np.searchsorted(self.edges, places, side="right") - 1
        inside = (cell >= 0) & (cell < len(self.heights))
        heights = self.heights[np.clip(cell, 0, len(self.heights) - 1)]
        return np.where(inside, np.log(np.maximum(heights, _TINY)), -np.inf)


def spread(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return stratified uniform numbers in random order, (size,): one in each of ``size`` equal pieces of [0, 1).

    Each number alone is uniform on [0, 1).
    """
    return (rng.permutation(size) + rng.random(size)) / size


@dataclass(frozen=True)
class EvenCells:
    """Densities on [0, 1] that are constant in each of J equal cells, of N rows at once.

    Attributes
    ----------
    heights
        Density in each cell, (N, J).
    cumulative
        Fraction of the mass below each edge, (N, J + 1).
    """

    heights: np.ndarray
    cumulative: np.ndarray

    @classmethod
    def of(cls, masses: np.ndarray, even: float) -> EvenCells:
        """Make densities from masses (N, J), with a fraction ``even`` spread over all cells; rows without mass are uniform."""
        cells = masses.shape[1]
        total = masses.sum(axis=1, keepdims=True)
        spread = np.full_like(masses, 1 / cells)
        shares = np.where(total > 0, masses / np.maximum(total, _TINY), spread)
        shares = (1 - even) * shares + even * spread
        cumulative = np.concatenate([np.zeros((len(masses), 1)), np.cumsum(shares, axis=1)], axis=1)
        return cls(shares * cells, cumulative)

    def below(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the fraction of the mass below a value of each row, and the density there, (N,) each."""
        rows, cells = np.arange(len(places)), self.heights.shape[1]
        cell = np.clip((places * cells).astype(int), 0, cells - 1)
        density = self.heights[rows, cell]
        return self.cumulative[rows, cell] + density * (places - self._edges[cell]), density

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Return the value of each row below which this fraction of its mass lies, (N,)."""
        rows, cells = np.arange(len(shares)), self.heights.shape[1]
        cell = np.clip((self.cumulative <= shares[:, None]).sum(axis=1) - 1, 0, cells - 1)
        within = (shares - self.cumulative[rows, cell]) / self.heights[rows, cell]
        return np.clip(self._edges[cell] + within, 0, 1)

    @property
    def _edges(self) -> np.ndarray:
        return np.linspace(0, 1, self.cumulative.shape[1])


def cells_of(masses: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the cell in which the cumulative mass of each of N rows reaches a wanted value.

    Parameters
    ----------
    masses
        Masses of the cells, (N, J).
    wanted
        Cumulative mass, (N,).

    Returns
    -------
    cell, share
        Number of the cell, and the fraction of its mass that lies below that value, (N,) each.
    """
    below = np.cumsum(masses, axis=1)
    cell = np.minimum((below <= wanted[:, None]).sum(axis=1), masses.shape[1] - 1)
    rows = np.arange(len(masses))
    share = np.clip(1 - (below[rows, cell] - wanted) / np.maximum(masses[rows, cell], _TINY), 0, 1)
    return cell, share


def draw_linear(nodes: np.ndarray, log_target: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw one value from each row's density.

    Parameters
    ----------
    nodes
        Nodes of each row, ascending and evenly spaced, (N, K).
    log_target
        Logarithm of the density there, up to a constant of each row, (N, K).
    shares
        Uniform numbers on [0, 1): the fraction of the mass below the draw, (N,).

    Returns
    -------
    draws, log_density
        The draws and the logarithm of the normalised density at them, (N,) each.
    """
    height = np.exp(log_target - log_target.max(axis=1, keepdims=True))
    mass = height[:, 1:] + height[:, :-1]
    total = mass.sum(axis=1)
    cell, share = cells_of(mass, shares * total)
    rows = np.arange(len(nodes))
    left, right, area = height[rows, cell], height[rows, cell + 1], mass[rows, cell]
    # Root of the quadratic in a form that is stable if the two heights are equal.
    place = np.minimum(share * area / np.maximum(left + np.sqrt(left**2 + share * (right**2 - left**2)), _TINY), 1.0)
    spacing = (nodes[:, -1] - nodes[:, 0]) / (nodes.shape[1] - 1)
    # At the very end of a cell rounding may leave nothing, or less.
    log_density = np.log(np.maximum(left + (right - left) * place, _TINY)) - np.log(total * spacing / 2)
    return nodes[rows, cell] + place * spacing, log_density


def linear_density(nodes: np.ndarray, log_target: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Evaluate the normalised densities that :func:`draw_linear` draws from, (N,); they are zero outside the nodes.

    Parameters
    ----------
    nodes, log_target
        Arguments of :func:`draw_linear`; the nodes may be unevenly spaced.
    places
        Value for each row, (N,).
    """
    densities = np.empty(len(places))
    for row, place in enumerate(places):
        height = np.exp(log_target[row] - log_target[row].max())
        height /= np.trapezoid(height, nodes[row])
        densities[row] = np.interp(place, nodes[row], height, left=0.0, right=0.0)
    return densities
