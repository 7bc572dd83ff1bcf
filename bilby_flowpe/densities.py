"""Densities of one variable, drawn from by inverting their cumulative function.

:class:`Cells` is constant in cells of any width, :class:`EvenCells` in equal cells of many rows at once. Densities that are
linear between nodes, one in each row, are drawn from by :func:`draw_linear` and evaluated by :func:`linear_density`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TINY = 1e-300  # in the place of zero, whose logarithm is none


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
        return np.interp(shares, self.below, self.edges)

    def share(self, places: np.ndarray) -> np.ndarray:
        """Share of the mass below, (N,)."""
        return np.interp(places, self.edges, self.below)

    def log_density(self, places: np.ndarray) -> np.ndarray:
        """Log density, (N,); -inf outside."""
        cell = np.searchsorted(self.edges, places, side="right") - 1
        inside = (cell >= 0) & (cell < len(self.heights))
        heights = self.heights[np.clip(cell, 0, len(self.heights) - 1)]
        return np.where(inside, np.log(np.maximum(heights, _TINY)), -np.inf)


def spread(size: int, rng: np.random.Generator) -> np.ndarray:
    """Shares in random order of which each of ``size`` equal pieces of [0, 1) holds one, (size,): each alone is uniform."""
    return (rng.permutation(size) + rng.random(size)) / size


@dataclass(frozen=True)
class EvenCells:
    """Densities on [0, 1] that are constant in each of J equal cells, of N rows at once.

    Attributes
    ----------
    heights
        Density in each cell, (N, J).
    cumulative
        Share of the mass below each edge, (N, J + 1).
    """

    heights: np.ndarray
    cumulative: np.ndarray

    @classmethod
    def of(cls, masses: np.ndarray, even: float) -> EvenCells:
        """Of masses (N, J) up to a constant of each row, with a share ``even`` spread over all cells; even where all are 0."""
        cells = masses.shape[1]
        total = masses.sum(axis=1, keepdims=True)
        spread = np.full_like(masses, 1 / cells)
        shares = np.where(total > 0, masses / np.maximum(total, _TINY), spread)
        shares = (1 - even) * shares + even * spread
        cumulative = np.concatenate([np.zeros((len(masses), 1)), np.cumsum(shares, axis=1)], axis=1)
        return cls(shares * cells, cumulative)

    def below(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of the mass below a place of each row, and the density there, (N,) each."""
        rows, cells = np.arange(len(places)), self.heights.shape[1]
        cell = np.clip((places * cells).astype(int), 0, cells - 1)
        density = self.heights[rows, cell]
        return self.cumulative[rows, cell] + density * (places - self._edges[cell]), density

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Where so much of the mass of each row lies below, (N,)."""
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
        Of the cells, (N, J).
    wanted
        Cumulative mass, (N,).

    Returns
    -------
    cell, share
        Number of the cell, and the share of its mass that lies below that value, (N,) each.
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
    cell, share = cells_of(mass, shares * total)
    rows = np.arange(len(nodes))
    left, right, area = height[rows, cell], height[rows, cell + 1], mass[rows, cell]
    # Root of the quadratic in a form that is stable where the two heights agree.
    place = np.minimum(share * area / np.maximum(left + np.sqrt(left**2 + share * (right**2 - left**2)), _TINY), 1.0)
    spacing = (nodes[:, -1] - nodes[:, 0]) / (nodes.shape[1] - 1)
    # At the very end of a cell rounding may leave nothing, or less.
    log_density = np.log(np.maximum(left + (right - left) * place, _TINY)) - np.log(total * spacing / 2)
    return nodes[rows, cell] + place * spacing, log_density


def linear_density(nodes: np.ndarray, log_target: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Evaluate the normalised densities that :func:`draw_linear` draws from, (N,); they are 0 beyond the nodes.

    Parameters
    ----------
    nodes, log_target
        As of :func:`draw_linear`; the nodes may lie unevenly.
    places
        One for each row, (N,).
    """
    densities = np.empty(len(places))
    for row, place in enumerate(places):
        height = np.exp(log_target[row] - log_target[row].max())
        height /= np.trapezoid(height, nodes[row])
        densities[row] = np.interp(place, nodes[row], height, left=0.0, right=0.0)
    return densities
