"""A prior whose constraints leave a thin bent strip, and its evidence by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import Constraint, PriorDict
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ndtr

from .toys import CorrelatedGaussian, SolvedProblem, Values, uniform

# Range of the uniform priors of both parameters; with the bounds of the product, it makes the strip thin.
_MASSES = (5.0, 50.0)
# Bounds of the product of both parameters: with a > b they leave 8% of the square.
_PRODUCT = (400.0, 600.0)


def with_difference_and_product(parameters: Mapping[str, Values]) -> dict[str, Values]:
    """Return ``parameters`` with ``difference`` (a - b) and ``product`` (a b), for the constraints."""
    a, b = parameters["a"], parameters["b"]
    return {**parameters, "difference": a - b, "product": a * b}


def two_lines(x: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Return the mean of the data of ``constrained_gaussian(simulates=True)``: ``a x + b x**2``."""
    return a * x + b * x**2


def constrained_gaussian(simulates: bool = False) -> SolvedProblem:
    """Make a normal likelihood of a and b, uniform from 5 to 50, under ``a > b`` and ``400 < a b < 600``.

    The constraints leave 8% of the square: a thin bent strip. The likelihood is highest beside one of its corners.

    Parameters
    ----------
    simulates
        ``False``: a black box. ``True``: a :class:`bilby.core.likelihood.GaussianLikelihood` of forty noisy data, linear
        in a and b, from which data can be simulated.

    Returns
    -------
    tuple
        Likelihood, priors with their conversion function, and the log-evidence by quadrature to 1e-10. It is that of the
        prior normalised over the allowed region. Samplers that only give zero weight to the forbidden region find a
        log-evidence that is lower by the log of the allowed fraction.
    """
    if simulates:
        x = np.linspace(0.05, 2.0, 40)
        y = two_lines(x, 24.0, 22.0) + 12.0 * np.random.default_rng(20200218).standard_normal(x.size)
        likelihood: Likelihood = GaussianLikelihood(x, y, two_lines, 12.0)
        design = np.stack([x, x**2], axis=-1)
        covariance = np.linalg.inv(design.T @ design) * 12.0**2
        mean = covariance @ design.T @ y / 12.0**2
        best = likelihood.log_likelihood({"a": mean[0], "b": mean[1]})
        log_norm = float(best + 0.5 * np.linalg.slogdet(2 * math.pi * covariance)[1])
    else:
        mean, covariance, log_norm = np.array([24.0, 23.0]), np.array([[16.0, -9.0], [-9.0, 9.0]]), 0.0
        likelihood = CorrelatedGaussian(mean, covariance, ("a", "b"))
    low, high = _MASSES
    priors = PriorDict(
        {
            **uniform(("a", "b"), low, high),
            "difference": Constraint(0.0, high - low, name="difference"),
            "product": Constraint(*_PRODUCT, name="product"),
        },
        conversion_function=with_difference_and_product,
    )
    inside = _over_strip(lambda a, b1, b2: _normal_between(a, b1, b2, mean, covariance))
    return likelihood, priors, log_norm + math.log(inside / _over_strip(lambda a, b1, b2: b2 - b1))


def share_left() -> float:
    """Return the fraction of the square that the constraints of :func:`constrained_gaussian` leave."""
    return _over_strip(lambda a, b1, b2: b2 - b1) / (_MASSES[1] - _MASSES[0]) ** 2


def _over_strip(integrand: Callable[[float, float, float], float]) -> float:
    """Integrate ``integrand(a, least b, largest b)`` over a, in pieces between which the edges of b are smooth."""
    low, high = _MASSES
    edges = [math.sqrt(_PRODUCT[0]), math.sqrt(_PRODUCT[1]), high]
    total = 0.0
    for left, right in pairwise(edges):
        total += quad(
            lambda a: integrand(a, max(low, _PRODUCT[0] / a), min(a, high, _PRODUCT[1] / a)),
            left,
            right,
            epsabs=0.0,
            epsrel=1e-11,
        )[0]
    return total


def _normal_between(
    a: float, b1: float, b2: float, mean: NDArray[np.floating], covariance: NDArray[np.floating]
) -> float:
    """Return the density of a times the probability of ``b1 < b < b2`` given a."""
    slope = covariance[0, 1] / covariance[0, 0]
    centre, width = mean[1] + slope * (a - mean[0]), math.sqrt(covariance[1, 1] - slope * covariance[0, 1])
    density = math.exp(-0.5 * (a - mean[0]) ** 2 / covariance[0, 0]) / math.sqrt(2 * math.pi * covariance[0, 0])
    return density * float(ndtr((b2 - centre) / width) - ndtr((b1 - centre) / width))
