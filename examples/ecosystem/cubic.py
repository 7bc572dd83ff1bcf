"""A problem whose answer is known in closed form, for packages that provide samplers: a cubic through noisy data.

The data are linear in the parameters and the prior of every parameter is normal. The evidence is therefore one normal
density of the data, and the posterior is normal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import bilby
import numpy as np
from differences import Comparison, Difference, effective_number, evidence, keep
from scipy.stats import multivariate_normal

KEYS = ("c0", "c1", "c2", "c3")
SIGMA = 0.5
"""Standard deviation of the noise: some tenths of the curve's range, so that the prior matters a little."""

X = np.linspace(-1, 1, 40)
TRUTH = (0.3, -1.2, 0.8, 0.5)


def cubic(x, c0, c1, c2, c3):
    return c0 + c1 * x + c2 * x**2 + c3 * x**3


def problem(width: float = 2.0, mean: float = 0.0, sigma: float = SIGMA):
    """Return likelihood and priors: ``width`` and ``mean`` of every prior, ``sigma`` of the noise in the likelihood."""
    noise = np.random.default_rng(3).normal(size=len(X)) * SIGMA
    likelihood = bilby.likelihood.GaussianLikelihood(X, cubic(X, *TRUTH) + noise, cubic, sigma=sigma)
    return likelihood, bilby.core.prior.PriorDict({key: bilby.core.prior.Gaussian(mean, width, key) for key in KEYS})


@dataclass(frozen=True)
class Closed:
    """Evidence and posterior in closed form."""

    log_evidence: float
    means: np.ndarray
    widths: np.ndarray


def closed_form(width: float = 2.0, mean: float = 0.0, sigma: float = SIGMA) -> Closed:
    """Return log evidence, means and standard deviations for the problem with the same arguments."""
    likelihood, _ = problem(width, mean, sigma)
    design = np.stack([X**power for power in range(len(KEYS))], axis=1)
    prior_mean = np.full(len(KEYS), mean)
    of_data = width**2 * design @ design.T + sigma**2 * np.eye(len(X))
    covariance = np.linalg.inv(design.T @ design / sigma**2 + np.eye(len(KEYS)) / width**2)
    means = covariance @ (design.T @ likelihood.y / sigma**2 + prior_mean / width**2)
    evidence = multivariate_normal(design @ prior_mean, of_data).logpdf(likelihood.y)
    return Closed(float(evidence), means, np.sqrt(np.diag(covariance)))


def held_against(result, closed: Closed, of: str = "", keys: tuple[str, ...] = KEYS) -> list[Difference]:
    """Compare log evidence and posterior means of a result with the closed form; ``of`` is the name of the sampler."""
    found = [evidence(result, closed.log_evidence, f"ln Z{of}")]
    number = effective_number(result)
    for key, mean, width in zip(KEYS, closed.means, closed.widths, strict=True):
        if key in keys:
            value = float(np.mean(result.posterior[key]))
            found.append(Difference(f"mean of {key}{of}", value, float(width / np.sqrt(number)), float(mean)))
    return found


def refereed(package: str, sampler: str, file: str, run: str, **settings) -> None:
    """Run flowpe and another of Bilby's samplers on the problem, and compare both with the closed form.

    The differences of the other sampler are stored, too: if it is wrong on this problem, it cannot be a reference for another.
    """
    closed, figures, differences = closed_form(), {}, []
    for name, arguments in {"flowpe": {"progress": False}, sampler: settings}.items():
        likelihood, priors = problem()
        began = time.process_time()
        result = bilby.run_sampler(
            likelihood,
            priors,
            sampler=name,
            sampling_seed=7,
            outdir=f"outdir/{Path(file).stem}",
            label=name,
            clean=True,
            **arguments,
        )
        figures[f"CPU seconds, {name}"] = time.process_time() - began
        number = result._num_likelihood_evaluations  # the property raises where a sampler tells none
        if number is not None:
            figures[f"evaluations, {name}"] = float(number)
        figures[f"error of ln Z, {name}"] = float(result.log_evidence_err)
        differences += held_against(result, closed, f" ({name})", ("c0", "c3"))
    keep(Comparison(package, run, "closed form", differences, figures=figures), file)
