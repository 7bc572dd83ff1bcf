"""A straight line in Gaussian noise with Gaussian priors: everything has a closed form."""

from __future__ import annotations

from pathlib import Path

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood
from bilby.core.prior import Gaussian, PriorDict
from bilby.core.result import Result
from scipy.stats import multivariate_normal

KEYS = ["slope", "intercept"]
MEAN, WIDTH = np.array([1.0, -1.0]), np.array([2.0, 1.0])
SIGMA = 0.5
X = np.linspace(-1, 2, 30)
DESIGN = np.stack([X, np.ones_like(X)], axis=-1)


def line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    return slope * x + intercept


def data(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return DESIGN @ (MEAN + WIDTH * rng.standard_normal(2)) + SIGMA * rng.standard_normal(len(X))


def closed_form(y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """ln Z, mean and covariance of the posterior."""
    predictive = SIGMA**2 * np.eye(len(X)) + (DESIGN * WIDTH**2) @ DESIGN.T
    log_evidence = multivariate_normal(DESIGN @ MEAN, predictive).logpdf(y)
    covariance = np.linalg.inv(np.diag(WIDTH**-2.0) + DESIGN.T @ DESIGN / SIGMA**2)
    return log_evidence, covariance @ (MEAN / WIDTH**2 + DESIGN.T @ y / SIGMA**2), covariance


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, measured_briefly: None) -> dict[int, Result]:
    """Three data sets: the first trains the model, the others find it."""
    folder = tmp_path_factory.mktemp("linear_gaussian")

    def run(seed: int) -> Result:
        priors = PriorDict({key: Gaussian(mu, sigma) for key, mu, sigma in zip(KEYS, MEAN, WIDTH, strict=True)})
        return bilby.run_sampler(
            GaussianLikelihood(X, data(seed), line, SIGMA),
            priors,
            sampler="flowpe",
            label=f"seed_{seed}",
            outdir=str(folder),
            cache=str(folder / "models"),
            training_steps=120,
            hidden_features=32,
            training_time=None,
            n_effective=3000,
            max_likelihood_evaluations=40_000,
            sampling_seed=seed,
            progress=False,
        )

    return {seed: run(seed) for seed in (1, 2, 3)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evidence(results: dict[int, Result], seed: int) -> None:
    log_evidence, _, _ = closed_form(data(seed))
    result = results[seed]
    # 3000 effective draws fix ln Z to about 1 / sqrt(3000) = 0.02 or better.
    assert 0 < result.log_evidence_err < 0.03
    assert abs(result.log_evidence - log_evidence) < 4 * result.log_evidence_err


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_posterior(results: dict[int, Result], seed: int) -> None:
    _, mean, covariance = closed_form(data(seed))
    samples = results[seed].posterior[KEYS].to_numpy()
    size = len(samples)
    assert size > 300
    # In units in which the posterior is a unit normal, means scatter by 1 / sqrt(N), variances by sqrt(2 / N) and
    # covariances by 1 / sqrt(N).
    white = np.linalg.solve(np.linalg.cholesky(covariance), (samples - mean).T)
    np.testing.assert_allclose(white.mean(axis=1), 0, atol=4.5 / size**0.5)
    np.testing.assert_allclose(np.cov(white), np.eye(2), atol=4.5 * (2 / size) ** 0.5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_weighted_samples(results: dict[int, Result], seed: int) -> None:
    _, mean, covariance = closed_form(data(seed))
    table = results[seed].nested_samples
    effective = results[seed].meta_data["run_statistics"]["effective_sample_size"]
    white = np.linalg.solve(np.linalg.cholesky(covariance), (table[KEYS].to_numpy() - mean).T)
    weights = table["weights"].to_numpy()
    np.testing.assert_allclose(white @ weights, 0, atol=4.5 / effective**0.5)
    np.testing.assert_allclose((weights * white) @ white.T, np.eye(2), atol=4.5 * (2 / effective) ** 0.5)


def test_verdict_and_reuse(results: dict[int, Result]) -> None:
    statistics = [result.meta_data["run_statistics"] for result in results.values()]
    assert [one["verdict"] for one in statistics] == ["reliable"] * 3
    assert len({one["model"] for one in statistics}) == 1
    assert ["training" in one["seconds"] for one in statistics] == [True, False, False]
    assert len(list((Path(results[1].outdir) / "models").iterdir())) == 1
