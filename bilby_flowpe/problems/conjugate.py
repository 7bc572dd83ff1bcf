r"""Data with conjugate priors: problems of Bilby's own likelihoods whose evidence is a closed form.

Each function draws data from a fixed signal and gives a likelihood, priors and the exact log-evidence in nats. They are plain
Bilby objects, for any sampler.
"""

from __future__ import annotations

import numpy as np
from bilby.core.likelihood import ExponentialLikelihood, GaussianLikelihood, PoissonLikelihood
from bilby.core.prior import Gamma, Gaussian, PriorDict
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import multivariate_normal

from .toys import SolvedProblem

# Shape and scale of the gamma prior of a rate, in events per unit of time: broad, with mean 6 and deviation 3.5.
_SHAPE, _SCALE = 3.0, 2.0
# True rate of the simulated data, in events per unit of time: a value well inside the prior.
_RATE = 4.2
_LINE, _NOISE = (0.8, -0.4), 0.5


def straight_line(x: NDArray[np.float64], slope: float, intercept: float) -> NDArray[np.float64]:
    """Return the model of :func:`linear_regression`: slope times ``x`` plus intercept."""
    return slope * x + intercept


def counts_expected(x: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return the model of :func:`poisson_counts`: the rate times the exposures ``x``."""
    return rate * x


def mean_waiting_time(x: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return the model of :func:`waiting_times`: one over the rate, for each of ``x``."""
    return np.full(len(x), 1.0 / rate)


def linear_regression(size: int = 50, seed: int = 0) -> SolvedProblem:
    """Make a straight line through points with known normal noise; slope and intercept have normal priors.

    Parameters
    ----------
    size
        Number of points.
    seed
        Seed of the data.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence: the data are normal with the sum of both covariances.
    """
    x = np.linspace(-1.0, 1.0, size)
    y = straight_line(x, *_LINE) + _NOISE * np.random.default_rng(seed).standard_normal(size)
    priors = PriorDict({"slope": Gaussian(0.0, 2.0), "intercept": Gaussian(0.5, 1.0)})
    design = np.stack([x, np.ones(size)], axis=-1)
    mean = design @ [prior.mu for prior in priors.values()]
    covariance = design @ np.diag([prior.sigma**2 for prior in priors.values()]) @ design.T + _NOISE**2 * np.eye(size)
    exact = float(multivariate_normal(mean, covariance).logpdf(y))
    return GaussianLikelihood(x, y, straight_line, sigma=_NOISE), priors, exact


def poisson_counts(size: int = 30, seed: int = 0) -> SolvedProblem:
    r"""Make counts of a constant rate in intervals of different length; the rate has a gamma prior.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence: with exposures :math:`t_i`, counts :math:`n_i` and a prior of shape :math:`k`
        and scale :math:`\theta`, :math:`\prod_i t_i^{n_i} / n_i! \cdot \Gamma(k + n) \theta^{-k} / \Gamma(k) \cdot (t + 1 /
        \theta)^{-k - n}`, sums without index.
    """
    exposures = np.linspace(0.2, 2.0, size)
    counts = np.random.default_rng(seed).poisson(counts_expected(exposures, _RATE))
    exact = float(np.sum(counts * np.log(exposures) - gammaln(counts + 1)))
    exact += _log_gamma_integral(int(counts.sum()), float(exposures.sum()))
    return PoissonLikelihood(exposures, counts, counts_expected), _of_the_rate(), exact


def waiting_times(size: int = 40, seed: int = 0) -> SolvedProblem:
    """Make exponentially distributed waiting times of a constant rate; the rate has a gamma prior.

    Returns
    -------
    tuple
        Likelihood, priors, exact log-evidence: that of :func:`poisson_counts` with one event per time, in the sum of times.
    """
    times = np.random.default_rng(seed).exponential(1.0 / _RATE, size)
    likelihood = ExponentialLikelihood(np.arange(size, dtype=float), times, mean_waiting_time)
    return likelihood, _of_the_rate(), _log_gamma_integral(size, float(times.sum()))


def _of_the_rate() -> PriorDict:
    return PriorDict({"rate": Gamma(_SHAPE, _SCALE, name="rate")})


def _log_gamma_integral(events: int, time: float) -> float:
    """Return the logarithm of the integral of ``rate**events * exp(-rate * time)`` over the prior of the rate."""
    shape = _SHAPE + events
    return float(gammaln(shape) - gammaln(_SHAPE) - _SHAPE * np.log(_SCALE) - shape * np.log(time + 1.0 / _SCALE))
