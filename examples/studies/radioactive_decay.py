"""Compute the evidence of Bilby's example of a radioactive decay by a sum over a grid, without a sampler.

    python examples/studies/radioactive_decay.py

Counts of 299 minutes have a Poisson distribution about the decay of a nuclide, with a log-uniform prior of its half-life and
of its amount, as in the script ``radioactive_decay.py`` of Bilby's examples, with the data of its seed. The grid covers the
posterior, a small part of the prior, in the logarithms, and is refined until the sum does not change. On this problem dynesty
with ``sample="unif"``, which the script asks for, differs from flowpe by five errors (``docs/bilby_examples.md``).
"""

from __future__ import annotations

import numpy as np
from bilby.core.likelihood import PoissonLikelihood
from bilby.core.utils import random
from scipy.special import logsumexp

ATOMS = 6.02214078e23 * 1e-18  # atoms in an attomole, the unit of the amount in the example
TRUTH = np.array([20.0, 0.1])  # half-life in minutes, amount in attomoles
LOG_RANGES = np.log(1e5 / 1e-5), np.log(1e-10 / 1e-25)  # widths of both priors in the logarithm
HALF_WIDTH = 0.3  # of the grid in the logarithms, around the truth: some 30 standard deviations of the posterior


def decays(minutes: np.ndarray, halflife: float, n_init: float) -> np.ndarray:
    """Return the expected decays per minute in steps of so many minutes."""
    left = np.exp(-np.log(2) * np.r_[0.0, np.cumsum(minutes)] / halflife)
    return (left[:-1] - left[1:]) * n_init * ATOMS / minutes


def main() -> None:
    """Print the log evidence by grids of increasing fineness."""
    random.seed(123)
    minutes = np.ones(299)
    likelihood = PoissonLikelihood(minutes, random.rng.poisson(decays(minutes, *TRUTH)), decays)
    for size in (81, 161, 321):
        axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, size)
        values = np.array(
            [
                [
                    likelihood.log_likelihood({"halflife": TRUTH[0] * np.exp(x), "n_init": TRUTH[1] * np.exp(y)})
                    for y in axis
                ]
                for x in axis
            ]
        )
        step = axis[1] - axis[0]
        print(f"{size} x {size}: ln Z {logsumexp(values) + 2 * np.log(step) - np.log(LOG_RANGES).sum():.4f}")


if __name__ == "__main__":
    main()
