"""Smooth density on the sky from weighted positions, with moments of the distance.

Positions are counted in cells that contain a few of them each, and the probability of every cell is spread over its neighbours
by a Gaussian kernel. Its width follows the density: within two of its standard deviations there are, on average, k effective
positions (Breiman, Meisel and Purcell 1977, Technometrics 19, 135; Abramson 1982, Annals of Statistics 10, 1217). The
probability that a cell spreads sums to its own, so that nothing is lost at the edges. k is chosen among a few values by
cross-validation: how probable each position is by the others (Habbema, Hermans and van den Broek 1974). A fraction 1 / (n + 1)
of the probability, with n the effective number of positions, is spread evenly over the sky, since so many positions cannot
exclude it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from ..waves.detectors import direction
from .candidates import SkyCandidates
from .cells import SKY_AREA, Cells, finest_of, split

# Numbers k that are tried, in this order, as factors of the effective number of positions to the power 2/3.
_SHARES = (0.4, 0.15, 0.06)
_FEWEST = 6.0  # smallest value of k, below which a kernel would follow single positions
_PER_CELL = 12.0  # ratio of k to the positions in a cell: cells are half as wide as a kernel
_REACH = 3.0  # standard deviations of a kernel beyond which it is cut off
_RING = 8  # points around each position, _AROUND standard deviations away, at which cells are made as small as at the position
_AROUND = 2.0  # standard deviations of the kernel between a position and its ring
_SHALLOWEST = 4  # lowest order of a cell, 3.7 degrees wide, so that maps of the whole sky look smooth
_WIDEST = 0.5  # radians: largest standard deviation of a kernel


@dataclass(frozen=True)
class Smooth:
    """A density on the sky, with moments of the distance.

    Attributes
    ----------
    cells
        Cells that cover the sky.
    probability
        Probability of each cell, (C,); they sum to one.
    distance, square
        Mean of the distance in Mpc, and of its square, in each cell, (C,) each; NaN where the distance is not known.
    places
        Effective number k of positions within two standard deviations of a kernel.
    """

    cells: Cells
    probability: np.ndarray
    distance: np.ndarray
    square: np.ndarray
    places: float


def smoothed(candidates: SkyCandidates) -> Smooth:
    """Estimate the density that weighted positions are draws of."""
    candidates = candidates.without_the_weightless()
    effective = candidates.effective
    finest = finest_of(candidates.ra, candidates.dec)
    wanted = [max(share * effective ** (2 / 3), _FEWEST) for share in _SHARES]
    best, score = _tried(candidates, finest, effective, wanted[0], None)
    for places in wanted[1:]:
        other, of_other = _tried(candidates, finest, effective, places, best)
        if of_other <= score:
            break
        best, score = other, of_other
    return best


def _tried(
    candidates: SkyCandidates, finest: np.ndarray, effective: float, places: float, before: Smooth | None
) -> tuple[Smooth, float]:
    """Estimate the density by kernels of ``places`` effective positions, and score it at each position by the others.

    The score is the mean of the logarithm.

    The widths of the kernels follow from the density ``before``, or from that of a first pass.
    """
    weight = candidates.weight
    width = np.sqrt(places / (SKY_AREA * effective * _first_density(finest, weight, places, before)))
    width = np.minimum(width, _WIDEST)
    points, shares = _with_rings(candidates, finest, width)
    cells = split(points, shares, places / _PER_CELL * (1 + _RING), shallowest=_SHALLOWEST)
    number = cells.numbers(finest)
    known = np.isfinite(candidates.distance)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(number, values, minlength=len(cells.start))

    mass = summed(weight)
    full = np.flatnonzero(mass > 0)
    of_cell = summed(weight * width)[full] / mass[full]
    kernels = _kernels(cells, full, of_cell)
    if before is None:
        # The density of this first pass is smoother than that of the cells.
        density = (mass[full] @ kernels)[full] / cells.area[full]
        of_cell = np.minimum(np.sqrt(places / (SKY_AREA * density * effective)), _WIDEST)
        kernels = _kernels(cells, full, of_cell)
    probability = mass[full] @ kernels
    own = summed(weight**2)[full] / mass[full]
    others = (probability[full] - own * kernels[np.arange(len(full)), full].A1) / (1 - own)
    score = float(np.sum(mass[full] * np.log(np.maximum(others, 1e-12 * cells.area[full]) / cells.area[full])))
    floor = 1 / (1 + effective)
    moments = []
    of_known = summed(weight * known)[full] @ kernels
    for column in (candidates.distance, candidates.square):
        total = summed(weight * np.where(known, column, 0.0))[full] @ kernels
        moments.append(np.where(of_known > 0, total / np.where(of_known > 0, of_known, 1.0), np.nan))
    probability = (1 - floor) * probability + floor * cells.area / SKY_AREA
    return Smooth(cells, probability, moments[0], moments[1], places), score


def _first_density(finest: np.ndarray, weight: np.ndarray, places: float, before: Smooth | None) -> np.ndarray:
    """Return an approximate density at each position, (P,): the one before, or that of cells of about ``places`` positions."""
    if before is not None:
        return (before.probability / before.cells.area)[before.cells.numbers(finest)]
    cells = split(finest, weight, places)
    number = cells.numbers(finest)
    return (np.bincount(number, weight, minlength=len(cells.start)) / cells.area)[number]


def _with_rings(candidates: SkyCandidates, finest: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions together with some around each, as finest pixels, and their weights."""
    angle = 2 * np.pi * np.arange(_RING) / _RING
    vectors = direction(candidates.ra, candidates.dec)
    pole = np.where(np.abs(vectors[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    east = np.cross(pole, vectors)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(vectors, east)
    step = np.tan(np.minimum(_AROUND * width, 1.4))[:, None, None]
    around = np.cos(angle)[:, None] * east[:, None] + np.sin(angle)[:, None] * north[:, None]
    around = vectors[:, None] + step * around
    around /= np.linalg.norm(around, axis=2, keepdims=True)
    ra, dec = np.arctan2(around[..., 1], around[..., 0]), np.arcsin(np.clip(around[..., 2], -1, 1))
    return np.concatenate([finest, finest_of(ra.ravel(), dec.ravel())]), np.concatenate(
        [candidates.weight, np.repeat(candidates.weight, _RING)]
    )


def _kernels(cells: Cells, full: np.ndarray, width: np.ndarray) -> csr_matrix:
    """Return the fraction of the probability of some cells, (F,), that is spread to every cell: (F, C)."""
    vectors = direction(*cells.centres)
    near = cKDTree(vectors).query_ball_point(vectors[full], _REACH * width, return_sorted=False)
    sizes = np.array([len(one) for one in near])
    column = np.concatenate([np.asarray(one, dtype=np.intp) for one in near])
    row = np.repeat(np.arange(len(full)), sizes)
    squared = np.sum((vectors[column] - vectors[full[row]]) ** 2, axis=1)
    height = cells.area[column] * np.exp(-0.5 * squared / width[row] ** 2)
    height /= np.bincount(row, height, minlength=len(full))[row]
    return csr_matrix((height, (row, column)), shape=(len(full), len(cells.start)))
