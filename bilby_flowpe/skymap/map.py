"""Sky map: probability and distance in cells of several sizes, with areas, levels and divergences."""

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
"""Number of square degrees in a steradian."""


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
        Parameters of the distance's density (:mod:`.ansatz`), (C,) each; infinity, one and zero where the distance is not
        known. ``None`` for a map without distances.
    header
        Further entries of a file's header, by keyword.
    """

    cells: Cells
    density: np.ndarray
    mu: np.ndarray | None = None
    sigma: np.ndarray | None = None
    norm: np.ndarray | None = None
    header: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, smooth: Smooth, header: dict[str, Any] | None = None) -> SkyMap:
        """Make the map of a smooth density."""
        density = smooth.probability / smooth.cells.area
        if not np.isfinite(smooth.distance).any():
            return cls(smooth.cells, density, header=header or {})
        deviation = np.sqrt(np.maximum(smooth.square - smooth.distance**2, 0.0))
        return cls(smooth.cells, density, *parameters_of(smooth.distance, deviation), header=header or {})

    @property
    def probability(self) -> np.ndarray:
        """Probability of each cell, (C,)."""
        return self.density * self.cells.area

    @cached_property
    def _level(self) -> np.ndarray:
        """Probability of everything that is denser than each cell, plus half of the probability at its density, (C,)."""
        values, which = np.unique(-self.density, return_inverse=True)
        of_value = np.bincount(which, self.probability, minlength=len(values))
        return (np.cumsum(of_value) - 0.5 * of_value)[which]

    def searched_probability(self, ra: Any, dec: Any) -> np.ndarray:
        """Return the probability that is searched, from the densest cells on, before places in radians are found, (N,).

        For sources drawn from the priors of the posteriors it is uniformly distributed from 0 to 1.
        """
        return self._level[self._numbers(ra, dec)]

    def searched_area(self, ra: Any, dec: Any) -> np.ndarray:
        """Return the area in square degrees that is searched before places in radians are found, (N,).

        Half of the last cell counts.
        """
        numbers = self._numbers(ra, dec)
        denser = self.density[None, :] > self.density[numbers][:, None]
        same = self.density[None, :] == self.density[numbers][:, None]
        return (denser + 0.5 * same) @ self.cells.area * SQUARE_DEGREES

    def area(self, share: float) -> float:
        """Return the area of the smallest region that has this probability, in square degrees.

        Raises
        ------
        DataError
            If the share is not a probability.
        """
        if not 0 <= share <= 1:
            raise DataError(f"share={share!r} is not a probability: give a number from 0 to 1")
        order = np.argsort(-self.density)
        below = np.concatenate([[0.0], np.cumsum(self.probability[order])])
        area = np.concatenate([[0.0], np.cumsum(self.cells.area[order])])
        return float(np.interp(share * below[-1], below, area) * SQUARE_DEGREES)

    def density_at(self, ra: Any, dec: Any) -> np.ndarray:
        """Return the probability per steradian at places in radians, (N,)."""
        return self.density[self._numbers(ra, dec)]

    def distance_at(self, ra: Any, dec: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the distance at places in radians, in Mpc, (N,) each."""
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
        """Return the probability per steradian in all pixels of one order, nested, (12 * 4^order,).

        It is averaged where cells are smaller than these pixels.
        """
        if order > _FLATTEST:
            raise DataError(f"order={order} is too large for a flat map: give an order of at most {_FLATTEST}")
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


_FLATTEST = 10  # highest order of a flat map, which then has 1.3e7 pixels and takes 100 MB


def divergence(first: SkyMap, second: SkyMap) -> float:
    """Return the Kullback-Leibler divergence of the first map from the second, in nat.

    It is infinite if the first map has probability somewhere where the second has none.
    """
    edges = np.union1d(first.cells.start, second.cells.start)
    areas = np.diff(np.append(edges, 12 << 58)).astype(np.float64) / float(12 << 58) * 4 * np.pi
    one, other = (each.density[each.cells.numbers(edges)] for each in (first, second))
    some = one > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(areas[some] * one[some] * (np.log(one[some]) - np.log(other[some]))))


def symmetric_divergence(first: SkyMap, second: SkyMap) -> float:
    """Return the Jensen-Shannon divergence of two maps, in nat: from 0 to 0.693, finite for any two maps."""
    edges = np.union1d(first.cells.start, second.cells.start)
    areas = np.diff(np.append(edges, 12 << 58)).astype(np.float64) / float(12 << 58) * 4 * np.pi
    pair = [each.density[each.cells.numbers(edges)] for each in (first, second)]
    middle = 0.5 * (pair[0] + pair[1])
    terms = [one * np.log(np.where(one > 0, one / np.where(middle > 0, middle, 1.0), 1.0)) for one in pair]
    return float(0.5 * np.sum(areas * (terms[0] + terms[1])))
