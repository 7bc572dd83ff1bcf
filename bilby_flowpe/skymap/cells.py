"""Cells of a multi-order map: pixels of HEALPix's nested scheme, of several sizes, that cover the sky.

There are 12 times 4^o pixels of order o, each of which contains a range of pixels of the finest order, :data:`FINEST`. Cells
are stored by the first pixel of this range, in ascending order (Gorski et al. 2005, arXiv:astro-ph/0409513; Fernique et al.
2014, the MOC standard of the International Virtual Observatory Alliance).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ConfigurationError

FINEST = 29
"""Finest order of pixels, the highest that 64-bit numbers allow: they are 0.4 milliarcseconds wide."""
SKY_AREA = 4 * np.pi  # steradians: the solid angle of the whole sky


def healpix() -> Any:
    """Return the library healpy.

    Raises
    ------
    ConfigurationError
        If it is not installed.
    """
    try:
        import healpy
    except ImportError as error:
        raise ConfigurationError(
            f"a sky map needs the package healpy ({error}): install it by pip install 'bilby_flowpe[skymap]'"
        ) from error
    return healpy


def finest_of(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the numbers of the finest pixels at places in radians, (N,)."""
    ra, dec = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    return healpix().ang2pix(2**FINEST, np.pi / 2 - dec, ra % (2 * np.pi), nest=True)


@dataclass(frozen=True)
class Cells:
    """Cells that cover the sky once.

    Attributes
    ----------
    start
        First pixel of the finest order in each cell, ascending, (C,).
    order
        Order of each cell, (C,).
    """

    start: np.ndarray
    order: np.ndarray

    @classmethod
    def of_uniq(cls, uniq: np.ndarray) -> tuple[Cells, np.ndarray]:
        """Make cells from their numbers in the scheme NUNIQ; return them and the index of each in these numbers."""
        uniq = np.asarray(uniq, dtype=np.int64)
        # 4^(order + 1) <= uniq < 4^(order + 2), exactly: a logarithm of large numbers would round.
        order = np.searchsorted(4 ** np.arange(1, FINEST + 2, dtype=np.int64), uniq, side="right") - 1
        start = (uniq - 4 ** (order + 1)) << (2 * (FINEST - order))
        ascending = np.argsort(start)
        return cls(start[ascending], order[ascending]), ascending

    @property
    def covers(self) -> bool:
        """True if the cells cover the sky, each place once."""
        ends = self.start + (1 << (2 * (FINEST - self.order)))
        return bool(self.start[0] == 0 and ends[-1] == 12 << (2 * FINEST) and np.all(ends[:-1] == self.start[1:]))

    @property
    def pixel(self) -> np.ndarray:
        """Number of each cell among the pixels of its order, (C,)."""
        return self.start >> (2 * (FINEST - self.order))

    @property
    def uniq(self) -> np.ndarray:
        """Number of each cell in the scheme NUNIQ, which contains the order, too, (C,)."""
        return self.pixel + 4 ** (self.order + 1)

    @cached_property
    def area(self) -> np.ndarray:
        """Area of each cell in steradians, (C,)."""
        return SKY_AREA / 12 / 4.0**self.order

    @cached_property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Right ascensions and declinations in radians, (C,) each."""
        theta, phi = healpix().pix2ang(2**self.order, self.pixel, nest=True)
        return phi, np.pi / 2 - theta

    def numbers(self, finest: np.ndarray) -> np.ndarray:
        """Return the numbers of the cells that contain the finest pixels (N,)."""
        return np.searchsorted(self.start, finest, side="right") - 1


def split(finest: np.ndarray, weight: np.ndarray, most: float, deepest: int = 12, shallowest: int = 0) -> Cells:
    """Make cells by splitting each into four while it contains more effective points than allowed.

    Parameters
    ----------
    finest
        Finest pixels of the points, (N,).
    weight
        Weights of the points, (N,). The effective number in a cell is its share of the weight times that of all points.
    most
        Largest effective number of points in a cell.
    deepest
        Highest order, whose cells are not split further; cells of order 12 are 50 arcseconds wide.
    shallowest
        Lowest order of a cell, however few points are in it.
    """
    ascending = np.argsort(finest)
    finest, weight = finest[ascending], weight[ascending]
    below = np.concatenate([[0.0], np.cumsum(weight)])
    effective = below[-1] ** 2 / np.sum(weight**2)
    pixel, starts, orders = np.arange(12, dtype=np.int64), [], []
    for order in range(deepest + 1):
        shift = 2 * (FINEST - order)
        low, high = (np.searchsorted(finest, edge << shift) for edge in (pixel, pixel + 1))
        full = (below[high] - below[low]) / below[-1] * effective > most
        full = (full | (order < shallowest)) & (order < deepest)
        starts.append(pixel[~full] << shift)
        orders.append(np.full(int(np.sum(~full)), order))
        pixel = (4 * pixel[full][:, None] + np.arange(4)).ravel()
        if not len(pixel):
            break
    start, order = np.concatenate(starts), np.concatenate(orders)
    ascending = np.argsort(start)
    return Cells(start[ascending], order[ascending])
