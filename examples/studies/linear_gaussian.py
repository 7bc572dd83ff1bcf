"""Compare the evidence of a straight line in Gaussian noise with its closed form, over many data sets.

    python examples/studies/linear_gaussian.py --seeds 50

A model is trained for the first data set. The description of what it was trained for does not contain the data, so that all
other data sets find it in the cache and take a second each. The script prints z-scores of ln Z: over many data sets their mean
is 0 and their width 1.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import bilby
import numpy as np
from bilby.core.likelihood import GaussianLikelihood
from bilby.core.prior import Gaussian, PriorDict
from scipy.stats import multivariate_normal

KEYS = ("slope", "intercept")
MEAN, WIDTH = np.array([1.0, -1.0]), np.array([2.0, 1.0])
SIGMA = 0.5
X = np.linspace(-1, 2, 30)
DESIGN = np.stack([X, np.ones_like(X)], axis=-1)


def line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    return slope * x + intercept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50, help="number of data sets")
    parser.add_argument("--steps", type=int, default=200, help="training steps")
    parser.add_argument("--effective", type=int, default=1000, help="number of effective draws for each data set")
    parser.add_argument("--outdir", type=Path, default=Path("outdir/linear_gaussian"))
    arguments = parser.parse_args()

    rows = []
    for seed in range(arguments.seeds):
        began = time.monotonic()
        y, truth = draw_data(seed)
        result = bilby.run_sampler(
            GaussianLikelihood(X, y, line, SIGMA),
            PriorDict({key: Gaussian(mu, sigma) for key, mu, sigma in zip(KEYS, MEAN, WIDTH, strict=True)}),
            sampler="flowpe",
            label=f"seed_{seed}",
            outdir=str(arguments.outdir),
            cache=str(arguments.outdir / "models"),
            network="maf",
            training_steps=arguments.steps,
            training_time=None,
            n_effective=arguments.effective,
            sampling_seed=seed,
            progress=False,
            save=False,
        )
        if seed == 0:
            logging.getLogger("bilby").setLevel(logging.WARNING)
        log_evidence, mean, covariance = closed_form(y)
        statistics = result.meta_data["run_statistics"]
        difference = result.log_evidence - log_evidence
        table = result.nested_samples
        away = (table["weights"].to_numpy() @ table[list(KEYS)].to_numpy() - mean) / np.diag(covariance) ** 0.5
        # The standard error of a weighted mean, in posterior standard deviations.
        error = statistics["effective_sample_size"] ** -0.5
        rows.append((difference, result.log_evidence_err, *(away / error), statistics["efficiency"]))
        print(
            f"seed {seed:3d}: slope {truth[0]:6.3f}, intercept {truth[1]:6.3f}; ln Z {result.log_evidence:9.4f} +- "
            f"{result.log_evidence_err:.4f}, exact {log_evidence:9.4f}, z {difference / result.log_evidence_err:5.2f}; "
            f"efficiency {statistics['efficiency']:.3f}, {statistics['verdict']}, {time.monotonic() - began:.1f} s"
        )
    report(np.array(rows))


def draw_data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = MEAN + WIDTH * rng.standard_normal(2)
    return DESIGN @ truth + SIGMA * rng.standard_normal(len(X)), truth


def closed_form(y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """ln Z, mean and covariance of the posterior."""
    predictive = SIGMA**2 * np.eye(len(X)) + (DESIGN * WIDTH**2) @ DESIGN.T
    log_evidence = multivariate_normal(DESIGN @ MEAN, predictive).logpdf(y)
    covariance = np.linalg.inv(np.diag(WIDTH**-2.0) + DESIGN.T @ DESIGN / SIGMA**2)
    return float(log_evidence), covariance @ (MEAN / WIDTH**2 + DESIGN.T @ y / SIGMA**2), covariance


def report(rows: np.ndarray) -> None:
    """Print mean and width of the z-scores; of n unit normals they scatter by 1/sqrt(n) and 1/sqrt(2 (n - 1))."""
    count = len(rows)
    z = rows[:, 0] / rows[:, 1]
    print(f"\n{count} data sets, median efficiency {np.median(rows[:, -1]):.3f}, "
          f"median error of ln Z {np.median(rows[:, 1]):.4f}, "
          f"root mean square difference {np.mean(rows[:, 0] ** 2) ** 0.5:.4f}")  # fmt: skip
    if count < 2:
        return
    columns = {"ln Z": z, **{f"mean of {key}": rows[:, 2 + index] for index, key in enumerate(KEYS)}}
    for name, scores in columns.items():
        print(
            f"z of {name}: mean {np.mean(scores):.3f} (0 +- {count**-0.5:.3f}), "
            f"width {np.std(scores, ddof=1):.3f} (1 +- {(2 * (count - 1)) ** -0.5:.3f})"
        )


if __name__ == "__main__":
    main()
