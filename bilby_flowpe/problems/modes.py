r"""Several normal modes in a box, some of them cut by its edges: evidence and shares by the normal integral.

A likelihood :math:`\sum_k a_k \prod_d N(x_d; m_{kd}, s_{kd})` under a uniform prior of a box of volume V has the evidence
:math:`\sum_k a_k P_k / V`, where :math:`P_k` is the part of each density that is inside the box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import numpy as np
from bilby.core.likelihood import Likelihood
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, ncx2, ortho_group

from .moded import Columns, ModedProblem, check_range, everything, names, normal_between, point
from .toys import CorrelatedGaussian, Values, eggbox, spike_and_slab, unequal_modes, uniform

# Radius of the spike's region in widths of the spike: all but 2e-5 of a spike in three dimensions is inside.
_SPIKE_RADIUS = 5.0


class NormalModes(Likelihood):
    """Weighted sum of normal densities, each with a width of its own in every parameter.

    Parameters
    ----------
    weights
        Weights of the densities, (K,).
    middles, widths
        Middles and widths of the densities, (K, D).
    """

    def __init__(self, weights: ArrayLike, middles: ArrayLike, widths: ArrayLike) -> None:
        super().__init__()
        self.middles = np.asarray(middles, dtype=np.float64)
        self.widths = np.broadcast_to(np.asarray(widths, dtype=np.float64), self.middles.shape)
        self.weights = np.asarray(weights, dtype=np.float64)
        self.keys = names(self.middles.shape[1])
        self._log_norm = (
            np.log(self.weights)
            - np.sum(np.log(self.widths), axis=1)
            - 0.5 * self.middles.shape[1] * math.log(2 * math.pi)
        )

    def terms(self, parameters: Mapping[str, Values]) -> NDArray[np.float64]:
        """Return the log of every weighted density at ``parameters``, (K,) or (N, K)."""
        white = (point(parameters, self.keys)[..., None, :] - self.middles) / self.widths
        log_terms: NDArray[np.float64] = self._log_norm - 0.5 * np.einsum("...kd,...kd->...k", white, white)
        return log_terms

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        terms = self.terms(parameters)
        highest = terms.max(axis=-1)
        log_sum: Values = highest + np.log(np.exp(terms - highest[..., None]).sum(axis=-1))
        return log_sum

    def mode_of(self, columns: Columns) -> NDArray[np.intp]:
        """Return the number of the highest density for each row, (N,)."""
        return np.argmax(self.terms(columns), axis=-1)


def normal_modes(weights: ArrayLike, middles: ArrayLike, widths: ArrayLike, low: float, high: float) -> ModedProblem:
    """Make normal modes in a box, apart from one another.

    Parameters
    ----------
    weights, middles, widths
        Arguments of :class:`NormalModes`: (K,), (K, D) and anything that broadcasts to (K, D).
    low, high
        Ends of the box in every parameter.
    """
    likelihood = NormalModes(weights, middles, widths)
    inside = normal_between(
        (low - likelihood.middles) / likelihood.widths, (high - likelihood.middles) / likelihood.widths
    ).prod(axis=1)
    mass = likelihood.weights * inside
    log_evidence = math.log(mass.sum()) - len(likelihood.keys) * math.log(high - low)
    mode_of = likelihood.mode_of if len(mass) > 1 else everything
    return ModedProblem(
        likelihood, uniform(likelihood.keys, low, high), log_evidence, mode_of, tuple(mass / mass.sum())
    )


def two_modes(ndim: int, larger: float = 0.5) -> ModedProblem:
    """Make two normal modes of width 0.3 in a box of side 10; their middles are 20 widths apart in any dimension.

    Parameters
    ----------
    ndim
        Number of parameters.
    larger
        Fraction of the posterior in the first mode.

    Raises
    ------
    ProblemError
        If ``ndim`` is below 1, or ``larger`` not from 0.01 to 0.99.
    """
    check_range("ndim", ndim, 1)
    check_range("larger", larger, 0.01, 0.99)
    middle = np.full(ndim, 3.0 / math.sqrt(ndim))
    return normal_modes([larger, 1 - larger], [middle, -middle], 0.3, -5.0, 5.0)


def eight_modes() -> ModedProblem:
    """Make eight modes of widths from 0.2 to 0.5 and shares from 6 to 19%, at every other corner of a 4-dimensional cube."""
    corners = np.array([corner for corner in product((-1.0, 1.0), repeat=4) if math.prod(corner) > 0])
    steps = np.arange(8)
    return normal_modes(
        np.linspace(1.0, 3.0, 8) / 16.0,
        2.5 * corners,
        np.geomspace(0.2, 0.5, 8)[(steps * 3) % 8, None],
        -5.0,
        5.0,
    )


def many_modes() -> ModedProblem:
    """Make 24 modes in a square of side 20, in no order, of widths from 0.15 to 0.4 and shares from 2.5 to 6%."""
    rng = np.random.default_rng(24)
    lattice = np.array(list(product(np.linspace(-8.0, 8.0, 6), np.linspace(-7.5, 7.5, 4))))
    widths = np.geomspace(0.15, 0.4, 24)[rng.permutation(24)]
    weights = np.linspace(1.0, 2.4, 24)[rng.permutation(24)]
    middles = lattice + rng.uniform(-0.3, 0.3, lattice.shape)  # at least 2.6 apart: more than 3 widths from any border
    return normal_modes(weights / weights.sum(), middles, widths[:, None], -10.0, 10.0)


def half_normals(ndim: int) -> ModedProblem:
    """Make a mode at a corner of the unit cube, cut in half in every parameter, of widths from 0.02 to 0.5."""
    check_range("ndim", ndim, 1)
    return normal_modes([1.0], [np.zeros(ndim)], np.geomspace(0.02, 0.5, ndim), 0.0, 1.0)


def corner_modes() -> ModedProblem:
    """Make a mode of which a corner of the 3-dimensional unit cube leaves an eighth, and a whole one of half its width."""
    return normal_modes([4.0, 1.0], [[0.0] * 3, [0.7, 0.6, 0.65]], [[0.1] * 3, [0.05] * 3], 0.0, 1.0)


def thin_normal() -> ModedProblem:
    """Make a normal density in 4 dimensions, of width 0.001 in two directions and 0.1 in two, all oblique to the box."""
    turned = ortho_group.rvs(4, random_state=4)
    covariance = turned * np.array([1e-3, 1e-3, 0.1, 0.1]) ** 2 @ turned.T
    likelihood = CorrelatedGaussian([0.1, -0.2, 0.05, 0.15], covariance)
    return ModedProblem(likelihood, uniform(likelihood.keys, -1.0, 1.0), -4 * math.log(2.0), everything, (1.0,))


def modes_of_two_widths(ndim: int, narrow: float) -> ModedProblem:
    """Make :func:`.toys.unequal_modes`, with two regions.

    Region 1 is everything within ten widths of the narrow mode in the first parameter, region 0 the rest.
    """
    likelihood, priors, log_evidence = unequal_modes(ndim, narrow)
    wide, middle = likelihood.middles
    reach = 10 * narrow

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        return np.asarray(np.abs(columns["x0"] - middle) < reach, dtype=np.intp)

    stray = float(normal_between((middle - reach - wide) / 0.1, (middle + reach - wide) / 0.1))
    return ModedProblem(likelihood, priors, log_evidence, mode_of, (0.5 - 0.5 * stray, 0.5 + 0.5 * stray))


def spike_on_slab(ndim: int = 3, narrow: float = 0.01) -> ModedProblem:
    """Make :func:`.toys.spike_and_slab`; region 1 is the ball of five widths of the spike about its middle."""
    likelihood, priors, log_evidence = spike_and_slab(ndim, narrow)
    slab, middle = likelihood.middles
    radius = _SPIKE_RADIUS * narrow

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        return np.asarray(np.sum((point(columns, likelihood.keys) - middle) ** 2, axis=-1) < radius**2, dtype=np.intp)

    width = likelihood.widths[0]
    of_slab = ncx2.cdf((radius / width) ** 2, ndim, ndim * ((middle - slab) / width) ** 2)
    share = 0.5 * float(chi2.cdf(_SPIKE_RADIUS**2, ndim) + of_slab)
    return ModedProblem(likelihood, priors, log_evidence, mode_of, (1 - share, share))


def eggs(ndim: int = 2) -> ModedProblem:
    """Make :func:`.toys.eggbox`, with a region for each mode, whole or cut by the edges.

    In each parameter the box is cut at the odd multiples of pi into 6 pieces, two of them half as wide as the others. A
    cell has a mode where the cosines of its pieces have a positive product; all cells without one are the last region.
    """
    likelihood, priors, log_evidence = eggbox(ndim)
    cells = np.array(list(product(range(6), repeat=ndim)))
    with_mode = cells.sum(axis=1) % 2 == 0
    number = np.where(with_mode, np.cumsum(with_mode) - 1, with_mode.sum())

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        pieces = np.floor(point(columns, likelihood.keys) / (2 * math.pi) + 0.5).astype(int)
        return np.asarray(number[np.ravel_multi_index(tuple(pieces.T), (6,) * ndim)])

    halves = np.prod(np.where((cells == 0) | (cells == 5), 0.5, 1.0), axis=1)
    # All whole cells with a mode have the same mass, and so do all whole cells without one.
    nodes = (np.arange(256) + 0.5) * math.pi / 256 - 0.5 * math.pi
    cosines = np.cos(nodes)
    grid = cosines
    for _ in range(ndim - 1):
        grid = np.multiply.outer(grid, cosines)
    up, down = np.exp((2 + grid) ** 5 - 3.0**5).mean(), np.exp((2 - grid) ** 5 - 3.0**5).mean()
    mass = halves * np.where(with_mode, up, down)
    shares = np.bincount(number, weights=mass) / mass.sum()
    return ModedProblem(likelihood, priors, log_evidence, mode_of, tuple(shares))
