"""A likelihood with a simulator of its own, through the sampler: trained, weighed, and found again for the next data."""

from __future__ import annotations

from pathlib import Path

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Gaussian, PriorDict

SIGMA, SIZE = 0.5, 12


class Mean(Likelihood):
    """Noisy measurements of one number."""

    def __init__(self, observed_data: np.ndarray) -> None:
        super().__init__()
        self.observed_data = observed_data

    def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
        return parameters["mu"] + SIGMA * rng.standard_normal(SIZE)

    def log_likelihood(self, parameters: dict | None = None) -> float:
        z = (self.observed_data - parameters["mu"]) / SIGMA
        return float(-0.5 * z @ z - SIZE * np.log(SIGMA * np.sqrt(2 * np.pi)))


def test_evidence_and_reuse(tmp_path: Path, measured_briefly: None) -> None:
    names = set()
    for seed in (1, 2):
        data = 0.7 + SIGMA * np.random.default_rng(seed).standard_normal(SIZE)
        result = bilby.run_sampler(
            Mean(data),
            PriorDict({"mu": Gaussian(0, 1)}),
            sampler="flowpe",
            label=f"seed_{seed}",
            outdir=str(tmp_path),
            cache=str(tmp_path / "models"),
            training_steps=60,
            hidden_features=32,
            training_time=None,
            n_effective=1000,
            sampling_seed=seed,
            progress=False,
            save=False,
        )
        # The data are normal with covariance sigma^2 I + 1 1^T under the prior.
        covariance = SIGMA**2 * np.eye(SIZE) + np.ones((SIZE, SIZE))
        _, log_determinant = np.linalg.slogdet(covariance)
        exact = -0.5 * (data @ np.linalg.solve(covariance, data) + log_determinant + SIZE * np.log(2 * np.pi))
        assert result.log_evidence == pytest.approx(exact, abs=5 * result.log_evidence_err + 1e-3)
        names.add(result.meta_data["run_statistics"]["model"])
    assert len(names) == 1
    assert "none" not in names
