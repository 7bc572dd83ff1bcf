r"""Plain Bilby problems without data or simulator, with known evidence.

Each function returns a likelihood, priors and the exact log-evidence in nats, of the *normalised* prior. The likelihoods are
densities only; they take numbers or arrays of one shape. Nothing here is particular to this package: any Bilby sampler can use
the objects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import gammaln, logsumexp

from ..errors import ProblemError

SolvedProblem = tuple[Likelihood, PriorDict, float]
"""Likelihood, priors and exact log-evidence in nats."""

Values = NDArray[np.float64] | float
"""A number, or an array of numbers."""

# Half width of the box of the normal density: it ends 8 standard deviations or more from the mean.
_BOX = 12.0
# Correlation of neighbouring parameters: strong, but without a thin ridge.
_CORRELATION = 0.8
# Half width of the box, distance of the shells' centres from the middle, radius and width of the shells: the numbers of
# Feroz and Hobson (2008).
_SHELL_BOX, _SHELL_CENTRE, _SHELL_RADIUS, _SHELL_WIDTH = 6.0, 3.5, 2.0, 0.1
# Side of the box of the egg-box problem: five half periods of the cosine, so that 18 modes of two dimensions are in it.
_EGG_BOX = 10 * math.pi
# Middles of the two unequal modes, the same number in every parameter: 8 widths of the wider mode apart.
_MODES = (-0.4, 0.45)
# Middles of slab and spike, the same number in every parameter: the spike is one width of the slab off its middle.
_CONCENTRIC = (0.0, 0.1)


class CorrelatedGaussian(Likelihood):
    """Density of a normal distribution of the parameters ``keys``, normalised over them.

    Parameters
    ----------
    mean, covariance
        Mean (D,) and covariance (D, D).
    keys
        Names of the D parameters; by default x0, x1 and so on.
    """

    def __init__(self, mean: ArrayLike, covariance: ArrayLike, keys: Sequence[str] | None = None) -> None:
        super().__init__()
        self.mean, self.covariance = np.asarray(mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
        self.keys = tuple(keys) if keys else _names(self.mean.size)
        factor = np.linalg.cholesky(self.covariance)
        self._whiten = np.linalg.inv(factor)
        self._log_norm = -np.sum(np.log(np.diag(factor))) - 0.5 * self.mean.size * math.log(2 * math.pi)

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log density at ``parameters``."""
        white = (_point(parameters, self.keys) - self.mean) @ self._whiten.T
        return self._log_norm - 0.5 * np.sum(white**2, axis=-1)


class GaussianShells(Likelihood):
    """Sum of thin spherical shells, each normal across, and not normalised along the sphere.

    Parameters
    ----------
    centres
        Centres of the shells, (number of shells, D).
    radius, width
        Radius and width of every shell.
    """

    def __init__(self, centres: ArrayLike, radius: float, width: float) -> None:
        super().__init__()
        self.centres, self.radius, self.width = np.asarray(centres, dtype=np.float64), radius, width
        self.keys = _names(self.centres.shape[1])

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        distance = np.linalg.norm(_point(parameters, self.keys)[..., None, :] - self.centres, axis=-1)
        across = -0.5 * ((distance - self.radius) / self.width) ** 2
        # Written out: for a few numbers it takes a fifth of the time of scipy's logsumexp.
        highest = across.max(axis=-1)
        log_sum: Values = highest + np.log(np.sum(np.exp(across - highest[..., None]), axis=-1))
        return log_sum - math.log(self.width) - 0.5 * math.log(2 * math.pi)


class UnequalModes(Likelihood):
    """Mean of two normal densities of different widths; their middles are the same number in every parameter."""

    def __init__(self, ndim: int, widths: tuple[float, float], middles: tuple[float, float] = _MODES) -> None:
        super().__init__()
        self.keys = _names(ndim)
        self.widths, self.middles = widths, middles

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        point = _point(parameters, self.keys)
        modes = [
            -0.5 * np.sum(((point - middle) / width) ** 2, axis=-1)
            - len(self.keys) * math.log(width * math.sqrt(2 * math.pi))
            for middle, width in zip(self.middles, self.widths, strict=True)
        ]
        log_sum: Values = np.logaddexp(*modes)
        return log_sum - math.log(2.0)


class EggBox(Likelihood):
    """Likelihood with equal modes on a checkerboard: log L = ``(2 + prod_i cos(x_i / 2))**5``.

    Parameters
    ----------
    ndim
        Number of parameters.
    """

    def __init__(self, ndim: int) -> None:
        super().__init__()
        self.keys = _names(ndim)

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        product: Values = np.prod(np.cos(0.5 * _point(parameters, self.keys)), axis=-1)
        return (2.0 + product) ** 5


def correlated_gaussian(ndim: int) -> SolvedProblem:
    """Make a normal density in a wide box: neighbours correlated by 0.8, widths over a decade, off the middle.

    Parameters
    ----------
    ndim
        Number of parameters.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence: minus the log of the box's volume. The box, of side 24, ends 8 standard
        deviations or more from the mean: 1e-15 of the density is cut off for each parameter.

    Raises
    ------
    ProblemError
        If ``ndim`` is below 1.
    """
    _check_ndim(ndim, 1, 100)
    widths = np.geomspace(1.0, 0.1, ndim)
    steps = np.arange(ndim)
    covariance = np.outer(widths, widths) * _CORRELATION ** np.abs(steps[:, None] - steps)
    likelihood = CorrelatedGaussian(np.linspace(-3.0, 4.0, ndim), covariance)
    return likelihood, uniform(likelihood.keys, -_BOX, _BOX), -ndim * math.log(2 * _BOX)


def gaussian_shells(ndim: int = 2) -> SolvedProblem:
    """Make two separate shells of radius 2 and width 0.1 in a box of side 12 (Feroz and Hobson 2008).

    Parameters
    ----------
    ndim
        Number of parameters, at least 2.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence by a radial integral: -1.75 in 2, -5.67 in 5 and -14.59 in 10 dimensions.
        The box ends 5 widths from either shell, and cuts less than 3e-7 of it off.

    Raises
    ------
    ProblemError
        If ``ndim`` is below 2.
    """
    _check_ndim(ndim, 2, 100)
    centres = np.zeros((2, ndim))
    centres[:, 0] = -_SHELL_CENTRE, _SHELL_CENTRE
    likelihood = GaussianShells(centres, _SHELL_RADIUS, _SHELL_WIDTH)

    def profile(z: float) -> float:
        # In units of the radius at the shell's middle: no overflow in any dimension.
        return (1.0 + z * _SHELL_WIDTH / _SHELL_RADIUS) ** (ndim - 1) * math.exp(-0.5 * z * z)

    radial = quad(profile, -15.0, 15.0, points=[0.0], epsabs=0.0, epsrel=1e-12)[0] / math.sqrt(2 * math.pi)
    log_sphere = math.log(2.0) + 0.5 * ndim * math.log(math.pi) - float(gammaln(0.5 * ndim))
    log_area = log_sphere + (ndim - 1) * math.log(_SHELL_RADIUS)
    log_evidence = math.log(2.0) + log_area + math.log(radial) - ndim * math.log(2 * _SHELL_BOX)
    return likelihood, uniform(likelihood.keys, -_SHELL_BOX, _SHELL_BOX), log_evidence


def unequal_modes(ndim: int = 3, narrow: float = 0.01) -> SolvedProblem:
    """Make two separate normal modes of equal weight in the box of side 2, one of width 0.1 and one much narrower.

    Parameters
    ----------
    ndim
        Number of parameters.
    narrow
        Width of the narrower mode, which draws from the prior almost never meet.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence: minus the log of the box's volume. The box ends more than 5 widths from
        either mode: less than 1e-6 of the density is cut off for each parameter.

    Raises
    ------
    ProblemError
        If ``ndim`` is below 1.
    """
    _check_ndim(ndim, 1, 100)
    likelihood = UnequalModes(ndim, (0.1, narrow))
    return likelihood, uniform(likelihood.keys, -1.0, 1.0), -ndim * math.log(2.0)


def spike_and_slab(ndim: int = 3, narrow: float = 0.01) -> SolvedProblem:
    """Make a narrow normal density on the slope of one of width 0.1, with equal weight, in the box of side 2.

    Parameters
    ----------
    ndim
        Number of parameters.
    narrow
        Width of the spike.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence: minus the log of the box's volume. The box ends 9 widths from the slab.

    Raises
    ------
    ProblemError
        If ``ndim`` is below 1.
    """
    _check_ndim(ndim, 1, 100)
    likelihood = UnequalModes(ndim, (0.1, narrow), _CONCENTRIC)
    return likelihood, uniform(likelihood.keys, -1.0, 1.0), -ndim * math.log(2.0)


def eggbox(ndim: int = 2) -> SolvedProblem:
    """Make the egg-box problem on [0, 10 pi] in every parameter: 18 equal modes in 2 dimensions, some cut by the edges.

    Parameters
    ----------
    ndim
        Number of parameters, 1 to 3.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence by quadrature, 235.856 in 2 dimensions.

    Raises
    ------
    ProblemError
        If ``ndim`` is not 1, 2 or 3.
    """
    _check_ndim(ndim, 1, 3)
    likelihood = EggBox(ndim)
    # The cosine has the same values in each of the five half periods; the trapezium rule is spectrally exact on one.
    nodes = np.linspace(0.0, 2 * math.pi, 129)
    log_weight = np.full(nodes.size, -math.log(nodes.size - 1))
    log_weight[[0, -1]] -= math.log(2.0)
    grids = np.meshgrid(*[nodes] * ndim, indexing="ij", sparse=True)
    values = likelihood.log_likelihood(dict(zip(likelihood.keys, np.broadcast_arrays(*grids), strict=True)))
    for _ in range(ndim):
        values = logsumexp(values + log_weight, axis=-1)
    return likelihood, uniform(likelihood.keys, 0.0, _EGG_BOX), float(values)


def _names(ndim: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(ndim))


def _point(parameters: Mapping[str, Values], keys: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([parameters[key] for key in keys], axis=-1)


def uniform(keys: Sequence[str], low: float, high: float) -> PriorDict:
    """Return the uniform priors of a box."""
    return PriorDict({key: Uniform(low, high, name=key) for key in keys})


def _check_ndim(ndim: int, least: int, most: int) -> None:
    if not least <= ndim <= most:
        raise ProblemError(f"ndim={ndim}: give a number from {least} to {most}")
