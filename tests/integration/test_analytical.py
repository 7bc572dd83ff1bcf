"""Bilby's own likelihoods of plain data, from data to evidence: by closed form or quadrature, and by a model used again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import (
    ExponentialLikelihood,
    GaussianLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bilby.core.prior import DirichletPriorDict, Gamma, Gaussian, LogUniform, PriorDict, Uniform
from bilby.core.result import Result
from scipy.special import gammaln, logsumexp
from scipy.stats import norm, t

from bilby_flowpe import model_choice
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings

# Bilby's own property asks for the deprecated attribute.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")

X = np.linspace(0.0, 1.0, 25)
SHAPE, SCALE = 3.0, 2.0  # of the gamma priors
CLASSES = 4

Problem = tuple[Likelihood, PriorDict, float]
"""Likelihood, priors and exact log-evidence."""


def level(x: np.ndarray, mu: float) -> np.ndarray:
    return np.full(x.shape, mu)


def waiting_time(x: np.ndarray, rate: float) -> np.ndarray:
    return np.full(x.shape, 1 / rate)


def gaussian(rng: np.random.Generator) -> Problem:
    y = rng.normal(0.4, 0.7, X.size)
    priors = PriorDict({"mu": Gaussian(0, 1), "sigma": LogUniform(0.1, 2)})
    return GaussianLikelihood(X, y, level), priors, on_grid(priors, lambda mu, sigma: norm.logpdf(y, mu, sigma))


def student_t(rng: np.random.Generator) -> Problem:
    y = 0.4 + 0.5 * rng.standard_t(3, X.size)
    priors = PriorDict({"mu": Gaussian(0, 1), "nu": Uniform(1, 20)})
    exact = on_grid(priors, lambda mu, nu: t.logpdf(y, nu, mu, 0.5))
    return StudentTLikelihood(X, y, level, sigma=0.5), priors, exact


def poisson(rng: np.random.Generator) -> Problem:
    """The gamma prior is conjugate: the integral over the rate is that of a gamma distribution."""
    y = rng.poisson(4.0, X.size)
    exact = of_gamma(y.sum(), X.size) - np.sum(gammaln(y + 1))
    return PoissonLikelihood(X, y, level), PriorDict({"mu": Gamma(SHAPE, SCALE)}), float(exact)


def exponential(rng: np.random.Generator) -> Problem:
    y = rng.exponential(1 / 4.0, X.size)
    return (
        ExponentialLikelihood(X, y, waiting_time),
        PriorDict({"rate": Gamma(SHAPE, SCALE)}),
        of_gamma(X.size, y.sum()),
    )


def multinomial(rng: np.random.Generator) -> Problem:
    """Under a flat Dirichlet prior all counts of a total are equally probable."""
    data = rng.multinomial(40, [0.1, 0.2, 0.3, 0.4])
    exact = gammaln(41) + gammaln(CLASSES) - gammaln(40 + CLASSES)
    return Multinomial(data, CLASSES), DirichletPriorDict(n_dim=CLASSES, label="parameter_"), float(exact)


def of_gamma(events: int, time: float) -> float:
    """Log of the integral of ``rate**events * exp(-rate * time)`` over the prior of the rate."""
    shape = SHAPE + events
    return float(gammaln(shape) - gammaln(SHAPE) - SHAPE * np.log(SCALE) - shape * np.log(time + 1 / SCALE))


def on_grid(priors: PriorDict, log_density: Callable[..., np.ndarray], size: int = 400) -> float:
    """Log-evidence by the midpoint rule in the quantiles of two priors."""
    quantiles = (np.arange(size) + 0.5) / size
    one, other = (prior.rescale(quantiles) for prior in priors.values())
    log_likelihood = [np.sum(log_density(value, other[:, None]), axis=1) for value in one]
    return float(logsumexp(log_likelihood) - 2 * np.log(size))


PROBLEMS = {
    "gaussian": gaussian,
    "student-t": student_t,
    "poisson": poisson,
    "exponential": exponential,
    "multinomial": multinomial,
}
STEPS = {"gaussian": 100, "student-t": 100}
"""Of a training in a hurry; the others need less than half of them."""


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are hardly validated and not measured: the weights do not need it, and it takes longer than their training."""
    monkeypatch.setattr(model_choice, "Settings", partial(Settings, calibration_events=0))
    monkeypatch.setattr(model_choice, "TrainingConfig", partial(TrainingConfig, validations=4, validation_size=2048))


def run(problem: Problem, folder: Path, seed: int, **kwargs: Any) -> Result:
    likelihood, priors, _ = problem
    return bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        label=f"seed_{seed}",
        outdir=str(folder),
        cache=str(folder / "models"),
        sampling_seed=seed,
        progress=False,
        save=False,
        **kwargs,
    )


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize("name", PROBLEMS)
def test_evidence_and_a_model_used_again(name: str, tmp_path: Path) -> None:
    hurried = {"training_time": None, "training_steps": STEPS.get(name, 40), "hidden_features": 32}
    statistics = []
    for seed in (1, 2):
        problem = PROBLEMS[name](np.random.default_rng(seed))
        result = run(problem, tmp_path, seed, **hurried, n_effective=2000, max_likelihood_evaluations=20_000)
        # Two thousand effective draws fix ln Z to 1 / sqrt(2000) = 0.022.
        assert 0 < result.log_evidence_err < 0.025
        assert abs(result.log_evidence - problem[2]) < 4 * result.log_evidence_err
        statistics.append(result.meta_data["run_statistics"])
    assert [one["verdict"] for one in statistics] == ["reliable"] * 2
    # The network does it, and another data set is no reason for another training.
    assert min(one["efficiency"] for one in statistics) > 0.4
    assert not any("refinement" in one for one in statistics)
    assert ["training" in one["seconds"] for one in statistics] == [True, False]
    assert len({one["model"] for one in statistics}) == 1


def test_another_log_likelihood_is_sampled_from_the_prior(tmp_path: Path) -> None:
    """A subclass that may be another likelihood gets no network of its parent's data, and has its own evidence."""

    class Tempered(PoissonLikelihood):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return 0.5 * super().log_likelihood(parameters)

    likelihood, priors, _ = poisson(np.random.default_rng(1))
    y = likelihood.y
    exact = of_gamma(0.5 * y.sum(), 0.5 * X.size) - 0.5 * np.sum(gammaln(y + 1))
    result = run((Tempered(X, y, level), priors, exact), tmp_path, 1, n_effective=1000)
    statistics = result.meta_data["run_statistics"]
    assert statistics["model"] == "none"
    assert statistics["verdict"] != "failed"
    assert abs(result.log_evidence - exact) < 4 * result.log_evidence_err


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_evidence_over_many_data_sets_of_a_measured_model(name: str, tmp_path: Path) -> None:
    scores = []
    for seed in range(20):
        problem = PROBLEMS[name](np.random.default_rng(100 + seed))
        result = run(problem, tmp_path, seed, training_time=None, training_steps=400, n_effective=4000)
        statistics = result.meta_data["run_statistics"]
        scores.append((result.log_evidence - problem[2]) / result.log_evidence_err)
        assert statistics["verdict"] == "reliable"
        assert statistics["surprise"]["p_value"] > 0.005
        assert statistics["efficiency"] > 0.6
    # Of twenty standard normal numbers the mean scatters by 0.22, and their squares have a sum below 50 but once in 4000.
    assert abs(np.mean(scores)) < 0.9
    assert np.sum(np.square(scores)) < 50
