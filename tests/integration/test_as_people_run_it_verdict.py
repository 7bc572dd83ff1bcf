"""Reports of a run through Bilby: errors, budgets, progress bars and log lines, and values of hard problems."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import Gaussian, PriorDict, TruncatedGaussian, Uniform
from bilby.core.result import Result, read_in_result
from scipy.special import log_ndtr, logsumexp


class Plain(Likelihood):
    """A likelihood from a function of the parameters."""

    def __init__(self, function: Callable[[dict], float]) -> None:
        super().__init__()
        self.function = function

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return self.function(parameters)


def bump(parameters: dict) -> float:
    """Two normal densities of width 0.1; ln Z in a square of side 10 is known."""
    return -50 * ((parameters["x"] - 1) ** 2 + parameters["y"] ** 2)


SQUARE = {"x": Uniform(-5, 5), "y": Uniform(-5, 5)}
LOG_Z = np.log(2 * np.pi * 0.1**2 / 100)


def run(tmp_path: Path, likelihood: Likelihood, priors: dict, **kwargs: Any) -> Result:
    kwargs = {"network": "none", "sampling_seed": 1, "progress": False, "save": False, "n_effective": 1000, **kwargs}
    return bilby.run_sampler(
        likelihood, PriorDict(priors), sampler="flowpe", outdir=str(tmp_path), label="run", **kwargs
    )


def said(result: Result) -> tuple[str, str]:
    """Verdict and its reasons."""
    statistics = result.meta_data["run_statistics"]
    return statistics["verdict"], "; ".join(statistics["reasons"])


@pytest.fixture
def lines() -> Any:
    """Collect the messages to Bilby's logger."""
    kept: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    handler = Handler()
    logger = logging.getLogger("bilby")
    level = logger.level
    logger.setLevel("INFO")
    logger.addHandler(handler)
    yield kept
    logger.removeHandler(handler)
    logger.setLevel(level)


# Hard problems, with the value that they have ------------------------------------------------------------------------


def sinusoid() -> tuple[GaussianLikelihood, dict, float]:
    """Frequency, amplitude and phase of a sinusoid in 200 points over 1000 s, and ln Z by quadrature.

    The amplitude's integral is a normal one, cut at the prior's edges; frequency and phase are on a grid that is far finer than
    the mode.
    """
    rng = np.random.default_rng(2)
    t, sigma = np.sort(rng.uniform(0, 1000, 200)), 0.5

    def wave(t: np.ndarray, A: float, f: float, phi: float) -> np.ndarray:
        return A * np.sin(2 * np.pi * f * t + phi)

    y = wave(t, 1.0, 0.1237, 1.0) + sigma * rng.standard_normal(200)
    frequencies, phases = np.linspace(0.01, 0.5, 40_001), np.linspace(0, 2 * np.pi, 33)[:-1]
    logs = []
    for some in np.array_split(frequencies, 80):
        angle = 2 * np.pi * some[:, None] * t
        s, c = np.sin(angle), np.cos(angle)
        of_sine, of_cosine = np.cos(phases), np.sin(phases)
        linear = (s @ y)[:, None] * of_sine + (c @ y)[:, None] * of_cosine
        square = (s**2).sum(1)[:, None] * of_sine**2 + (c**2).sum(1)[:, None] * of_cosine**2
        square = square + 2 * (s * c).sum(1)[:, None] * of_sine * of_cosine
        mean, width = linear / square, sigma / np.sqrt(square)
        low, high = log_ndtr(mean / width), log_ndtr(-(3 - mean) / width)
        inside = low + np.log1p(-np.exp(np.minimum(high - low, -1e-16)))
        logs.append(0.5 * (mean / width) ** 2 + np.log(width * np.sqrt(2 * np.pi) / 3) + inside)
    noise = -0.5 * np.sum((y / sigma) ** 2) - 200 * np.log(sigma * np.sqrt(2 * np.pi))
    log_evidence = noise + logsumexp(np.concatenate(logs)) - np.log(len(frequencies) * len(phases))
    priors = {"A": Uniform(0, 3), "f": Uniform(0.01, 0.5), "phi": Uniform(0, 2 * np.pi, boundary="periodic")}
    return GaussianLikelihood(t, y, wave, sigma=sigma), priors, float(log_evidence)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_frequency_of_a_long_sinusoid_is_found(tmp_path: Path, seed: int) -> None:
    """A mode of a share of 1e-6 of the prior, among hundreds of lower ones: no path of temperatures leads there."""
    likelihood, priors, log_evidence = sinusoid()
    result = run(tmp_path, likelihood, priors, sampling_seed=seed, max_likelihood_evaluations=60_000)
    assert result.log_evidence == pytest.approx(log_evidence, abs=5 * result.log_evidence_err + 1e-3)
    assert result.log_evidence_err < 0.05
    assert result.posterior["f"].std() < 1e-4
    assert said(result)[0] == "check"


def in_tail(mean: float, prior: Any, width: float, x: np.ndarray) -> tuple[Plain, dict, float]:
    """A normal likelihood of ``d`` out in the tail of its prior, another of ``y`` in its middle, and ln Z by quadrature."""
    likelihood = Plain(lambda p: -0.5 * ((p["d"] - mean) / width) ** 2 - 0.5 * ((p["y"] - 1.2) / 0.3) ** 2)
    integrand = prior.ln_prob(x) - 0.5 * ((x - mean) / width) ** 2
    top = integrand.max()
    exact = top + np.log(np.trapezoid(np.exp(integrand - top), x)) + np.log(0.3 * np.sqrt(2 * np.pi) / 2.5)
    # The likelihood of y lies within its prior but for a share of 4e-5 at its edges.
    return likelihood, {"d": prior, "y": Uniform(0, 2.5)}, float(exact)


@pytest.mark.parametrize(
    ("mean", "prior"),
    [
        (
            1278.3,
            TruncatedGaussian(700, 60, 200, 1300),
        ),  # at 7.5 standard deviations, some of it beyond the last quantile
        pytest.param(340.0, TruncatedGaussian(700, 60, 200, 1300), marks=pytest.mark.slow),
        pytest.param(1480.0, Gaussian(700, 60), marks=pytest.mark.slow),  # at ten
    ],
)
def test_a_posterior_in_the_tail_of_its_prior(tmp_path: Path, mean: float, prior: Any) -> None:
    x = np.linspace(200, 1300 if isinstance(prior, TruncatedGaussian) else 2000, 200_001)
    likelihood, priors, exact = in_tail(mean, prior, 32.1, x)
    result = run(tmp_path, likelihood, priors, max_likelihood_evaluations=60_000)
    assert result.log_evidence == pytest.approx(exact, abs=5 * result.log_evidence_err + 1e-4)
    assert result.log_evidence_err < 0.05
    weights = prior.ln_prob(x) - 0.5 * ((x - mean) / 32.1) ** 2
    weights = np.exp(weights - weights.max())
    middle = np.average(x, weights=weights)
    spread = np.sqrt(np.average((x - middle) ** 2, weights=weights))
    assert result.posterior["d"].mean() == pytest.approx(middle, abs=5 * spread / np.sqrt(len(result.posterior)))
    assert result.posterior["d"].std() == pytest.approx(spread, rel=0.15)
    assert said(result)[0] == "check"


# Errors, budgets, what was asked for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["json", "hdf5"])
def test_an_evidence_of_one_effective_draw_has_no_error(tmp_path: Path, extension: str) -> None:
    """Bilby's files can hold it."""
    needle = Plain(lambda p: -5e9 * ((p["x"] - 1) ** 2 + p["y"] ** 2))
    result = run(tmp_path, needle, SQUARE, max_likelihood_evaluations=1500, save=extension)
    assert result.log_evidence_err == np.inf
    verdict, reasons = said(result)
    assert verdict == "failed" and "no error of the log-evidence" in reasons
    assert f"{result.log_evidence_err}" in str(result)
    assert read_in_result(str(tmp_path / f"run_result.{extension}")).log_evidence_err == np.inf


@pytest.mark.parametrize("budget", [300, 700])
def test_draws_that_were_never_made_are_not_quoted(tmp_path: Path, budget: int) -> None:
    result = run(tmp_path, Plain(bump), SQUARE, max_likelihood_evaluations=budget, n_effective=100)
    assert result.num_likelihood_evaluations == budget
    # All of them are from the prior, half of them in the batch that counts.
    assert f"the search for modes ({budget} draws from the prior)" in said(result)[1]
    assert result.meta_data["run_statistics"]["n_draws"] == budget // 2
    empty = run(tmp_path, Plain(lambda p: -np.inf), SQUARE, max_likelihood_evaluations=budget, n_effective=100)
    assert f"none of {budget // 2} draws from the prior" in said(empty)[1]


def test_a_budget_that_ends_with_what_was_asked_for_is_no_failure(tmp_path: Path) -> None:
    """The first rounds are enough for a broad posterior, although the budget allows no further one."""
    broad = Plain(lambda p: -0.5 * (p["x"] ** 2 + p["y"] ** 2))
    result = run(tmp_path, broad, SQUARE, max_likelihood_evaluations=9300, n_effective=2000)
    statistics = result.meta_data["run_statistics"]
    assert statistics["effective_sample_size"] >= 2000
    verdict, reasons = said(result)
    assert verdict == "check"
    assert "ended before the proposal was good enough" in reasons
    exact = np.log(2 * np.pi / 100)
    assert result.log_evidence == pytest.approx(exact, abs=5 * result.log_evidence_err)


@pytest.mark.slow
def test_fewer_effective_draws_cost_less(tmp_path: Path) -> None:
    """Fewer draws are enough: there is one attempt, and no reason but that a mode may have been missed."""
    spent = {}
    for number in (200, 2000):
        result = run(tmp_path, Plain(bump), SQUARE, n_effective=number)
        verdict, reasons = said(result)
        assert verdict == "reliable" or ("the search for modes" in reasons and reasons.count(";") == 1)
        assert result.log_evidence == pytest.approx(LOG_Z, abs=5 * result.log_evidence_err)
        spent[number] = result.num_likelihood_evaluations
    # The draws that modes are looked for with are as many.
    assert spent[200] < spent[2000] - 1000


def test_time_bounds_the_weighing(tmp_path: Path) -> None:
    """Twenty milliseconds each: a block of 500 rows took ten seconds whatever time was left. What is said is a count."""

    def slow(parameters: dict) -> float:
        time.sleep(0.02)
        return bump(parameters)

    result = run(tmp_path, Plain(slow), SQUARE, max_time=4.0)
    assert "max_time=4 s" in said(result)[1]
    # 200 rows in time, and the last block of each stage, of a second at most.
    assert result.num_likelihood_evaluations <= 300


# What is said on the way ---------------------------------------------------------------------------------------------


def test_a_verdict_has_its_figures_beside_it(tmp_path: Path, lines: list[str]) -> None:
    result = run(tmp_path, Plain(bump), SQUARE, n_effective=200, n_posterior=5000)
    verdict = next(line for line in lines if line.startswith("Verdict: "))
    statistics = result.meta_data["run_statistics"]
    for figure in (
        f"ln evidence {result.log_evidence:.3f} +- {result.log_evidence_err:.2g}",
        f"{statistics['effective_sample_size']:.0f} effective of {statistics['n_draws']} draws",
        f"efficiency of {statistics['efficiency']:.3g}",
        f"{result.num_likelihood_evaluations} likelihood evaluations",
    ):
        assert figure in verdict
    assert any(line.startswith("Proposal: fitted to this event, round by round, for x, y") for line in lines)
    few = [line for line in lines if "rows, fewer than n_effective=200, as no draw is taken twice" in line]
    assert bool(few) == (len(result.posterior) < 200)


def test_one_bar_has_stage_evaluations_and_efficiency(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lines: list[str]
) -> None:
    run(tmp_path, Plain(bump), SQUARE, n_effective=200, progress=True)
    bar = capfd.readouterr().err
    for words in ("Refinement, round 1: ", "Weighing: ", " likelihood evaluations, ", "efficiency ", "effective draws"):
        assert words in bar
    run(tmp_path, Plain(bump), SQUARE, n_effective=200, progress=False)
    assert "likelihood evaluations, 00:" not in capfd.readouterr().err


def test_a_finished_result_is_handed_over_in_spite_of_resume_and_said(tmp_path: Path, lines: list[str]) -> None:
    first = run(tmp_path, Plain(bump), SQUARE, n_effective=200, save=True)
    assert not [line for line in lines if "nothing is sampled" in line]
    second = run(tmp_path, Plain(bump), SQUARE, n_effective=400, sampling_seed=2, save=True, resume=False)
    assert second.log_evidence == first.log_evidence
    assert len([line for line in lines if "nothing is sampled" in line]) == 1
    assert "resume=False" in next(line for line in lines if "nothing is sampled" in line)


# Trainings -----------------------------------------------------------------------------------------------------------


def straight(seed: int = 0) -> tuple[GaussianLikelihood, dict]:
    x = np.linspace(-1, 1, 20)

    def line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
        return slope * x + intercept

    y = line(x, 0.5, -0.2) + 0.3 * np.random.default_rng(seed).standard_normal(20)
    return GaussianLikelihood(x, y, line, sigma=0.3), {"slope": Gaussian(0, 1), "intercept": Gaussian(0, 1)}


def log_evidence(likelihood: GaussianLikelihood) -> float:
    design = np.stack([likelihood.x, np.ones(20)], axis=-1)
    covariance = 0.3**2 * np.eye(20) + design @ design.T
    return float(
        -0.5 * likelihood.y @ np.linalg.solve(covariance, likelihood.y)
        - 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    )


def test_a_network_that_has_learnt_nothing_is_not_kept(tmp_path: Path, lines: list[str]) -> None:
    """A training of one step: the event is sampled from the prior with the right result, and no model is stored."""
    cache = tmp_path / "models"
    likelihood, priors = straight()
    result = run(
        tmp_path,
        likelihood,
        priors,
        network="maf",
        training_steps=1,
        learning_rate=1e-9,
        n_waveforms=500,
        cache=str(cache),
        n_effective=500,
    )
    assert any("it is not kept" in line and "made 1 steps" in line for line in lines)
    assert not list(cache.glob("*/model.json"))
    assert result.log_evidence == pytest.approx(log_evidence(likelihood), abs=5 * result.log_evidence_err)
    assert said(result)[0] != "failed"
    assert result.meta_data["run_statistics"]["model"] == "none"


def test_the_whole_time_is_announced_and_the_nearest_model_named(tmp_path: Path, lines: list[str]) -> None:
    """The first model has a parameter that the second problem lacks: it is named before anything is trained."""
    cache = str(tmp_path / "models")
    likelihood, priors = straight()
    quick = {"network": "maf", "training_time": 2.0, "n_waveforms": 500, "cache": cache, "n_effective": 500}
    result = run(tmp_path, likelihood, priors, **quick)
    announced = next(line for line in lines if line.startswith("No model was trained for this problem yet"))
    for words in (
        "simulating 500 waveforms",
        "training for 2 s",
        "measuring the model for about 1 s",
        "in all about 3 s",
    ):
        assert words in announced
    assert not [line for line in lines if line.startswith("The model closest")]
    assert result.log_evidence == pytest.approx(log_evidence(likelihood), abs=5 * result.log_evidence_err)
    lines.clear()
    result = run(tmp_path, likelihood, priors, **quick)
    assert any(line.startswith("Proposal: model ") and "a maf network for slope, intercept" in line for line in lines)
    lines.clear()
    run(tmp_path, likelihood, {**priors, "intercept": -0.2}, **quick)
    named = next(line for line in lines if line.startswith("The model closest to this problem, "))
    assert "intercept" in named
