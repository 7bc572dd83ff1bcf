"""Thin posteriors, straight, bent and closed: ridges, bananas, rings and shells, each cut into pieces of known mass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ndtri

from .moded import Columns, ModedProblem, between, check_range, names, normal_between, point
from .toys import GaussianShells, Values, gaussian_shells, uniform

# Number of pieces into which a ridge or ring is cut: each has an eighth of the posterior, and none is small enough to
# be missed by chance.
_PIECES = 8
# Logarithm of 2 pi, in nats, for the normalisation of normal densities.
_LOG_2PI = math.log(2 * math.pi)


class Bananas(Likelihood):
    """Pairs of parameters: in each, x is standard normal and y normal about the square of x.

    Parameters
    ----------
    ndim
        Number of parameters, even: x0 and x1 are the first pair.
    width
        Standard deviation of y about the square of x.
    """

    def __init__(self, ndim: int, width: float) -> None:
        super().__init__()
        self.keys, self.width = names(ndim), width
        self._log_norm = -0.5 * ndim * _LOG_2PI - 0.5 * ndim * math.log(width)

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        of_point = point(parameters, self.keys)
        x, y = of_point[..., 0::2], of_point[..., 1::2]
        log_density: Values = self._log_norm - 0.5 * (x**2 + ((y - x**2) / self.width) ** 2).sum(axis=-1)
        return log_density


class StraightRidge(Likelihood):
    """Parameters of which each differs from the next by a normal deviate.

    Parameters
    ----------
    ndim
        Number of parameters.
    width
        Standard deviation of the differences.
    """

    def __init__(self, ndim: int, width: float) -> None:
        super().__init__()
        self.keys, self.width = names(ndim), width
        self._log_norm = -(ndim - 1) * (0.5 * _LOG_2PI + math.log(width))

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        steps = np.diff(point(parameters, self.keys), axis=-1) / self.width
        log_density: Values = self._log_norm - 0.5 * (steps**2).sum(axis=-1)
        return log_density


def bananas(ndim: int = 2, width: float = 0.1) -> ModedProblem:
    """Make thin curved ridges y = x^2 from -3 to 3, cut into eight pieces of equal mass along the first.

    Parameters
    ----------
    ndim
        Number of parameters, even.
    width
        Standard deviation of y about the square of x.

    Raises
    ------
    ProblemError
        If ``ndim`` is below 2.
    """
    check_range("ndim", ndim, 2)
    likelihood = Bananas(ndim, width)
    x_end, y_low, y_high = 6.0, -4.0, 40.0
    priors = PriorDict(
        {key: Uniform(-x_end, x_end) if i % 2 == 0 else Uniform(y_low, y_high) for i, key in enumerate(likelihood.keys)}
    )
    # At the ends of the box x is 6 widths out and y 40: 2e-9 of the density is cut off.
    log_evidence = -0.5 * ndim * math.log(2 * x_end * (y_high - y_low))
    edges = ndtri(np.arange(1, _PIECES) / _PIECES)
    return ModedProblem(
        likelihood, priors, log_evidence, lambda columns: between(edges, columns["x0"]), (1 / _PIECES,) * _PIECES
    )


def straight_ridge(width: float = 0.01) -> ModedProblem:
    """Make a thin ridge along the diagonal of the 3-dimensional unit cube, from corner to corner, cut into eight pieces.

    Parameters
    ----------
    width
        Standard deviation of the differences of neighbours.
    """
    likelihood = StraightRidge(3, width)

    def density(middle: float) -> float:
        """Return the density of the parameter in the middle, with the others integrated out."""
        return float(normal_between(-middle / width, (1.0 - middle) / width)) ** 2

    edges = np.linspace(0.0, 1.0, _PIECES + 1)
    pieces = [
        quad(density, low, high, points=[8 * width, 1 - 8 * width], epsabs=1e-12, epsrel=1e-12, limit=200)[0]
        for low, high in pairwise(edges)
    ]
    total = math.fsum(pieces)
    return ModedProblem(
        likelihood,
        uniform(likelihood.keys, 0.0, 1.0),
        math.log(total),
        lambda columns: between(edges[1:-1], columns["x1"]),
        tuple(piece / total for piece in pieces),
    )


def ring(width: float = 0.01) -> ModedProblem:
    """Make a thin ring of radius 0.7 in a square of side 2.4, off its middle, cut into eight sectors.

    Parameters
    ----------
    width
        Standard deviation of the radius.
    """
    centre, radius, end = np.array([0.2, -0.1]), 0.7, 1.2
    likelihood = GaussianShells([centre], radius, width)
    # Exact except for the mass at negative radii: the mean radius is the middle of the normal density.
    log_evidence = math.log(2 * math.pi * radius) - 2 * math.log(2 * end)

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        away = point(columns, likelihood.keys) - centre
        turn = np.arctan2(away[..., 1], away[..., 0]) / (2 * math.pi) + 0.5
        return np.asarray(np.minimum((turn * _PIECES).astype(np.intp), _PIECES - 1))

    return ModedProblem(
        likelihood, uniform(likelihood.keys, -end, end), log_evidence, mode_of, (1 / _PIECES,) * _PIECES
    )


def shells(ndim: int = 2) -> ModedProblem:
    """Make :func:`.toys.gaussian_shells`, each of the two shells in two halves."""
    likelihood, priors, log_evidence = gaussian_shells(ndim)

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        return np.asarray(2 * (columns["x0"] > 0) + (columns["x1"] > 0), dtype=np.intp)

    return ModedProblem(likelihood, priors, log_evidence, mode_of, (0.25,) * 4)
