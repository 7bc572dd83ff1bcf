"""Tests of a simulated signal from beginning to end, with its evidence computed in another way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.prior import DeltaFunction
from bilby.core.result import Result
from scipy.stats import multivariate_t

from bilby_flowpe import cache
from bilby_flowpe.importance import summarise

KEYS = ["mass_1", "mass_2", "luminosity_distance", "geocent_time", "phase"]


pytestmark = pytest.mark.usefixtures("measured_briefly")


@pytest.fixture(scope="module", autouse=True)
def no_shipped_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The problem is one that a shipped model knows well: train all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "SHIPPED", tmp_path_factory.mktemp("none"))
        yield


def run(problem: tuple, folder: Any, **kwargs: Any) -> Result:
    likelihood, priors = problem
    return bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        outdir=str(folder),
        cache=str(folder / "models"),
        n_waveforms=2000,
        hidden_features=32,
        training_time=None,
        sampling_seed=7,
        progress=False,
        **kwargs,
    )


@pytest.fixture(scope="module")
def result(problem_5d: tuple, tmp_path_factory: pytest.TempPathFactory, measured_briefly: None) -> Result:
    return run(problem_5d, tmp_path_factory.mktemp("signal"), training_steps=100, n_effective=400)


def other_road(result: Result, problem: tuple, size: int = 4000) -> np.ndarray:
    """Log-weights of draws from a broad Student t around the posterior, by likelihood and prior alone.

    The signal is the same half a turn of the phase further: one of both modes is drawn and counted twice.
    """
    likelihood, priors = problem
    table = result.nested_samples
    weights = table["weights"].to_numpy()
    centre = 0.5 * np.angle(np.sum(weights * np.exp(2j * table["phase"].to_numpy())))
    offset = (table["phase"].to_numpy() - centre + np.pi / 2) % np.pi - np.pi / 2
    points = np.column_stack([*(table[key] for key in KEYS[:-1]), offset])
    # GPS times squared are beyond double precision.
    start = float(points[0, 3])
    points[:, 3] -= start
    # In units of the spread: a covariance of masses and milliseconds counts as singular.
    scale = points.std(axis=0)
    points /= scale
    mean = weights @ points
    covariance = (weights * (points - mean).T) @ (points - mean)
    proposal = multivariate_t(mean, 1.5 * covariance, df=6, seed=3)
    draws = np.atleast_2d(proposal.rvs(size))
    log_q = proposal.logpdf(draws) - np.sum(np.log(scale))
    draws = draws * scale
    fixed = {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
    log_weights = np.full(size, -np.inf)
    for index, draw in enumerate(draws):
        row = dict(zip(KEYS, map(float, draw), strict=True))
        row["geocent_time"] += start
        if row["mass_2"] > row["mass_1"] or abs(row["phase"]) > np.pi / 2:
            continue
        row["phase"] = (row["phase"] + centre) % (2 * np.pi)
        log_prior = sum(priors[key].ln_prob(row[key]) for key in KEYS) + math.log(2)  # mass_1 >= mass_2
        if np.isfinite(log_prior):
            log_likelihood = likelihood.log_likelihood_ratio({**fixed, **row})
            log_weights[index] = log_likelihood + log_prior + math.log(2) - log_q[index]
    return log_weights


def test_half_a_turn_of_the_phase_is_no_news(problem_5d: tuple) -> None:
    likelihood, _ = problem_5d
    row = likelihood.injection_parameters
    turned = {**row, "phase": (row["phase"] + np.pi) % (2 * np.pi)}
    assert likelihood.log_likelihood_ratio(dict(turned)) == pytest.approx(
        likelihood.log_likelihood_ratio(dict(row)), abs=1e-6
    )


def test_evidence(result: Result, problem_5d: tuple) -> None:
    other = summarise(other_road(result, problem_5d))
    error = math.hypot(result.log_evidence_err, other.log_evidence_err)
    assert error < 0.2  # both roads say something
    assert abs(result.log_bayes_factor - other.log_evidence) < 4 * error


def test_truth_is_not_far(result: Result, problem_5d: tuple) -> None:
    truth = problem_5d[0].injection_parameters
    table, statistics = result.nested_samples, result.meta_data["run_statistics"]
    assert statistics["closed_form"]["largest_difference"] < 1e-6
    for key in KEYS[:-1]:
        values, weights = table[key].to_numpy() - truth[key], table["weights"].to_numpy()
        mean = weights @ values
        width = (weights @ (values - mean) ** 2) ** 0.5
        assert abs(mean) < 5 * width, key


@pytest.mark.slow
def test_an_untrained_network_is_found_out(problem_5d: tuple, tmp_path: Any) -> None:
    """A network after one training step is neither stored nor trusted."""
    result = run(
        problem_5d, tmp_path, training_steps=1, n_effective=2000, max_likelihood_evaluations=5000, refine=False
    )
    statistics = result.meta_data["run_statistics"]
    assert statistics["model"] == "none"
    assert statistics["verdict"] != "reliable"
    assert not list(tmp_path.glob("**/model.json"))
    assert statistics["reasons"]
