"""Flat likelihoods: plateaus that fall steeply on all sides, and a top hat on a slope."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from bilby.core.likelihood import Likelihood
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, logsumexp

from .moded import Columns, ModedProblem, everything, names, point
from .toys import Values, uniform

# Distance outside a plateau over which the likelihood falls by a factor e: a hundredth of the larger radii.
_FALL = 0.005


class Plateaus(Likelihood):
    """Maximum of several balls: each is constant inside its radius and falls exponentially outside.

    Parameters
    ----------
    centres
        Centres of the balls, (K, D).
    radii, log_heights
        Radius and logarithm of the height of each ball, (K,).
    fall
        Distance outside a ball over which the likelihood falls by a factor e.
    """

    def __init__(self, centres: ArrayLike, radii: ArrayLike, log_heights: ArrayLike, fall: float = _FALL) -> None:
        super().__init__()
        self.centres, self.fall = np.asarray(centres, dtype=np.float64), fall
        self.radii, self.log_heights = np.asarray(radii, dtype=np.float64), np.asarray(log_heights, dtype=np.float64)
        self.keys = names(self.centres.shape[1])

    def levels(self, parameters: Mapping[str, Values]) -> NDArray[np.float64]:
        """Return the log likelihood of each ball, (K,) or (N, K)."""
        away = point(parameters, self.keys)[..., None, :] - self.centres
        outside = np.sqrt(np.einsum("...kd,...kd->...k", away, away)) - self.radii
        levels: NDArray[np.float64] = self.log_heights - np.maximum(outside, 0.0) / self.fall
        return levels

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        highest: Values = self.levels(parameters).max(axis=-1)
        return highest

    def mode_of(self, columns: Columns) -> NDArray[np.intp]:
        """Return the number of the highest ball for each row, (N,)."""
        return np.argmax(self.levels(columns), axis=-1)

    def log_masses(self) -> NDArray[np.float64]:
        r"""Return the log integral of each ball over all space: its volume and its fall outside, in closed form.

        With :math:`S_D` the area of the unit sphere, R the radius and f the fall, the latter is
        :math:`S_D \int_0^\infty (R + t)^{D-1} e^{-t/f} dt`, a sum over the powers of t.
        """
        ndim = len(self.keys)
        log_sphere = math.log(2.0) + 0.5 * ndim * math.log(math.pi) - float(gammaln(0.5 * ndim))
        outside = sum(
            math.comb(ndim - 1, k) * self.radii ** (ndim - 1 - k) * math.factorial(k) * self.fall ** (k + 1)
            for k in range(ndim)
        )
        log_masses: NDArray[np.float64] = (
            self.log_heights + log_sphere + np.log(self.radii**ndim / ndim + np.asarray(outside))
        )
        return log_masses


class TopHatOnSlope(Likelihood):
    """Exponential slope in the first parameter of the unit square, with a constant added inside a rectangle.

    Parameters
    ----------
    slope
        Slope of the log likelihood in x0.
    low, high
        Lower and upper corner of the rectangle, (2,) each.
    log_height
        Logarithm of the constant.
    """

    def __init__(self, slope: float, low: ArrayLike, high: ArrayLike, log_height: float) -> None:
        super().__init__()
        self.slope, self.log_height, self.keys = slope, log_height, names(2)
        self.low, self.high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        of_point = point(parameters, self.keys)
        inside = np.all((of_point > self.low) & (of_point < self.high), axis=-1)
        values: Values = np.logaddexp(self.slope * of_point[..., 0], np.where(inside, self.log_height, -np.inf))
        return values


def plateau() -> ModedProblem:
    """Make a ball of radius 0.5 in a 3-dimensional box of side 2; at the nearest edge of the box the likelihood is e^-60."""
    likelihood = Plateaus([[0.1, -0.2, 0.0]], [0.5], [0.0])
    log_evidence = float(likelihood.log_masses()[0]) - 3 * math.log(2.0)
    return ModedProblem(likelihood, uniform(likelihood.keys, -1.0, 1.0), log_evidence, everything, (1.0,))


def two_plateaus() -> ModedProblem:
    """Make two discs in a square of side 2, with 65 and 35% of the posterior.

    The smaller is a fifth as wide and 13 times as high.
    """
    radii, shares = np.array([0.4, 0.08]), np.array([0.65, 0.35])
    centres = [[-0.4, -0.3], [0.5, 0.6]]
    log_heights = np.log(shares) - Plateaus(centres, radii, np.zeros(2)).log_masses()
    likelihood = Plateaus(centres, radii, log_heights)
    # They are 0.79 apart at the edges: where one is as low as the other, both are e^-70.
    log_masses = likelihood.log_masses()
    log_evidence = float(logsumexp(log_masses)) - 2 * math.log(2.0)
    return ModedProblem(
        likelihood, uniform(likelihood.keys, -1.0, 1.0), log_evidence, likelihood.mode_of, tuple(map(float, shares))
    )


def top_hat_on_slope() -> ModedProblem:
    """Make a rectangle with a fiftieth of the unit square and half of the posterior, on a slope with the other half."""
    slope, low, high = 3.0, np.array([0.3, 0.6]), np.array([0.5, 0.7])
    area = float(np.prod(high - low))
    of_slope = math.expm1(slope) / slope
    under_hat = (math.exp(slope * high[0]) - math.exp(slope * low[0])) / slope * float(high[1] - low[1])
    log_height = math.log(of_slope / area)
    likelihood = TopHatOnSlope(slope, low, high, log_height)

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        of_point = point(columns, likelihood.keys)
        return np.asarray(np.all((of_point > low) & (of_point < high), axis=-1), dtype=np.intp)

    inside = (of_slope + under_hat) / (2 * of_slope)
    return ModedProblem(
        likelihood,
        uniform(likelihood.keys, 0.0, 1.0),
        math.log(2 * of_slope),
        mode_of,
        (1 - inside, inside),
    )
