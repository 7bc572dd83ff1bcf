"""A sky map: probability and distance in cells of several sizes, and what is read off it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from .ansatz import moments_of, parameters_of
from .cells import Cells, finest_of
from .smooth import Smooth

SQUARE_DEGREES = (180 / np.pi) ** 2
"""In a steradian."""


@dataclass(frozen=True)
class SkyMap:
    """Probability on the sky, and the distance along each line of sight.

    Attributes
    ----------
    cells
        Cells that cover the sky, C of them.
    density
        Probability per steradian, (C,).
    mu, sigma, norm
        Parameters of the distance's density (:mod:`.ansatz`), (C,); infinity, one and zero where none is known. ``None`` of a
        map without distances.
    header
        What else a file's header says, by its keyword.
    """

    cells: Cells
    density: np.ndarray
    mu: np.ndarray | None = None
    sigma: np.ndarray | None = None
    norm: np.ndarray | None = None
    header: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, smooth: Smooth, header: dict[str, Any] | None = None) -> SkyMap:
        """The map of a smooth density."""
        density = smooth.probability / smooth.cells.area
        if not np.isfinite(smooth.distance).any():
            return cls(smooth.cells, density, header=header or {})
        deviation = np.sqrt(np.maximum(smooth.square - smooth.distance**2, 0.0))
        return cls(smooth.cells, density, *parameters_of(smooth.distance, deviation), header=header or {})

    @property
    def probability(self) -> np.ndarray:
        """Of each cell, (C,)."""
        return self.density * self.cells.area

    @cached_property
    def _level(self) -> np.ndarray:
        """Probability of all that is denser than each cell, and of half the cells as dense, (C,)."""
        values, which = np.unique(-self.density, return_inverse=True)
        of_value = np.bincount(which, self.probability, minlength=len(values))
        return (np.cumsum(of_value) - 0.5 * of_value)[which]

    def searched_probability(self, ra: Any, dec: Any) -> np.ndarray:
        """Probability that is searched, from the densest cells on, before places in radians are found, (N,).

        Uniform from 0 to 1 over sources that are drawn from the posteriors' priors.
        """
        return self._level[self._numbers(ra, dec)]

    def searched_area(self, ra: Any, dec: Any) -> np.ndarray:
        """Area that is searched before places in radians are found, in square degrees, (N,); half of the last cell counts."""
        numbers = self._numbers(ra, dec)
        denser = self.density[None, :] > self.density[numbers][:, None]
        same = self.density[None, :] == self.density[numbers][:, None]
        return (denser + 0.5 * same) @ self.cells.area * SQUARE_DEGREES

    def area(self, share: float) -> float:
        """Area of the smallest region of so much probability, in square degrees.

        Raises
        ------
        DataError
            If the share is no probability.
        """
        if not 0 <= share <= 1:
            raise DataError(f"share={share!r} is no probability: give a number from 0 to 1")
        order = np.argsort(-self.density)
        below = np.concatenate([[0.0], np.cumsum(self.probability[order])])
        area = np.concatenate([[0.0], np.cumsum(self.cells.area[order])])
        return float(np.interp(share * below[-1], below, area) * SQUARE_DEGREES)

    def density_at(self, ra: Any, dec: Any) -> np.ndarray:
        """Probability per steradian at places in radians, (N,)."""
        return self.density[self._numbers(ra, dec)]

    def distance_at(self, ra: Any, dec: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the distance at places in radians, in Mpc, (N,) each."""
        if self.mu is None or self.sigma is None:
            raise DataError("the map has no distances: give one with DISTMU, DISTSIGMA and DISTNORM")
        numbers = self._numbers(ra, dec)
        return moments_of(self.mu[numbers], self.sigma[numbers])

    @cached_property
    def distance(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the distance over all the sky, in Mpc; ``None`` without distances."""
        if self.mu is None or self.sigma is None:
            return None
        mean, deviation = moments_of(self.mu, self.sigma)
        known = np.isfinite(mean)
        weight = self.probability[known] / self.probability[known].sum()
        first = float(weight @ mean[known])
        return first, float(np.sqrt(weight @ (deviation[known] ** 2 + mean[known] ** 2) - first**2))

    @property
    def peak(self) -> tuple[float, float]:
        """Right ascension and declination of the densest cell, in radians."""
        densest = int(np.argmax(self.density))
        ra, dec = self.cells.centres
        return float(ra[densest]), float(dec[densest])

    def flat(self, order: int) -> np.ndarray:
        """Probability per steradian in the pixels of one order, nested, averaged where cells are smaller, (12 * 4^order,)."""
        if order > _FLATTEST:
            raise DataError(f"order={order}: a flat map has order {_FLATTEST} at most")
        size = 12 * 4**order
        pixel = self.cells.start >> (2 * (29 - order))
        small = self.cells.order >= order
        found = np.bincount(pixel[small], self.probability[small], minlength=size) / (4 * np.pi / size)
        counts = 4 ** np.maximum(order - self.cells.order[~small], 0)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        found[np.repeat(pixel[~small], counts) + np.arange(counts.sum()) - first] = np.repeat(
            self.density[~small], counts
        )
        return found

    def _numbers(self, ra: Any, dec: Any) -> np.ndarray:
        return self.cells.numbers(finest_of(np.atleast_1d(ra), np.atleast_1d(dec)))


_FLATTEST = 10


def divergence(first: SkyMap, second: SkyMap) -> float:
    """Kullback and Leibler's divergence of the first map from the second, in nat.

    It is infinite where the second has no probability and the first has some.
    """
    edges = np.union1d(first.cells.start, second.cells.start)
    areas = np.diff(np.append(edges, 12 << 58)).astype(np.float64) / float(12 << 58) * 4 * np.pi
    one, other = (each.density[each.cells.numbers(edges)] for each in (first, second))
    some = one > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(areas[some] * one[some] * (np.log(one[some]) - np.log(other[some]))))


def symmetric_divergence(first: SkyMap, second: SkyMap) -> float:
    """Jensen and Shannon's divergence of two maps, in nat: from 0 to 0.693, finite for any two."""
    edges = np.union1d(first.cells.start, second.cells.start)
    areas = np.diff(np.append(edges, 12 << 58)).astype(np.float64) / float(12 << 58) * 4 * np.pi
    pair = [each.density[each.cells.numbers(edges)] for each in (first, second)]
    middle = 0.5 * (pair[0] + pair[1])
    terms = [one * np.log(np.where(one > 0, one / np.where(middle > 0, middle, 1.0), 1.0)) for one in pair]
    return float(0.5 * np.sum(areas * (terms[0] + terms[1])))
