"""A problem whose answer is known in closed form, for packages that bring samplers: a cubic through noisy data.

The data are linear in the parameters and the prior of every parameter is normal, so that the evidence is one normal
density of the data, and the posterior is normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import bilby
import numpy as np
from differences import Difference, effective_number
from scipy.stats import multivariate_normal

KEYS = ("c0", "c1", "c2", "c3")
SIGMA = 0.5
"""Standard deviation of the noise: some tenths of the curve's range, so that the prior matters a little."""

X = np.linspace(-1, 1, 40)
TRUTH = (0.3, -1.2, 0.8, 0.5)


def cubic(x, c0, c1, c2, c3):
    return c0 + c1 * x + c2 * x**2 + c3 * x**3


def problem(width: float = 2.0, mean: float = 0.0, sigma: float = SIGMA):
    """Likelihood and priors: ``width`` and ``mean`` of every prior, ``sigma`` of the noise as the likelihood has it."""
    noise = np.random.default_rng(3).normal(size=len(X)) * SIGMA
    likelihood = bilby.likelihood.GaussianLikelihood(X, cubic(X, *TRUTH) + noise, cubic, sigma=sigma)
    return likelihood, bilby.core.prior.PriorDict({key: bilby.core.prior.Gaussian(mean, width, key) for key in KEYS})


@dataclass(frozen=True)
class Closed:
    """The closed form."""

    log_evidence: float
    means: np.ndarray
    widths: np.ndarray


def closed_form(width: float = 2.0, mean: float = 0.0, sigma: float = SIGMA) -> Closed:
    """Log evidence and the posterior's means and standard deviations, of the problem with the same arguments."""
    likelihood, _ = problem(width, mean, sigma)
    design = np.stack([X**power for power in range(len(KEYS))], axis=1)
    prior_mean = np.full(len(KEYS), mean)
    of_data = width**2 * design @ design.T + sigma**2 * np.eye(len(X))
    covariance = np.linalg.inv(design.T @ design / sigma**2 + np.eye(len(KEYS)) / width**2)
    means = covariance @ (design.T @ likelihood.y / sigma**2 + prior_mean / width**2)
    evidence = multivariate_normal(design @ prior_mean, of_data).logpdf(likelihood.y)
    return Closed(float(evidence), means, np.sqrt(np.diag(covariance)))


def held_against(result, closed: Closed, of: str = "", keys: tuple[str, ...] = KEYS) -> list[Difference]:
    """Log evidence and posterior means of a result, against the closed form; ``of`` says whose they are."""
    found = [Difference(f"ln Z{of}", float(result.log_evidence), float(result.log_evidence_err), closed.log_evidence)]
    number = effective_number(result)
    for key, mean, width in zip(KEYS, closed.means, closed.widths, strict=True):
        if key in keys:
            value = float(np.mean(result.posterior[key]))
            found.append(Difference(f"mean of {key}{of}", value, float(width / np.sqrt(number)), float(mean)))
    return found
