"""Errors of the calibration given the wave: against draws from their priors, and derivatives of the user's likelihood."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from bilby.core.prior import Categorical, Cosine, Prior, PriorDict, SlabSpikePrior, TruncatedGaussian, Uniform
from bilby.gw.detector.calibration import CubicSpline, Precomputed
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import CalibrationPriorDict
from scipy.special import logsumexp

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.processes.parallel import with_seeds
from bilby_flowpe.translation.recalibration import CalibrationDraw

NODES = 5


def calibrated(problem: tuple, amplitude: float = 0.04, phase: float = 0.03) -> tuple[Any, PriorDict, dict[str, float]]:
    """Likelihood with splines in both detectors, the priors of their errors, and a row of everything else."""
    likelihood, priors = copy.deepcopy(problem[0]), PriorDict()
    for interferometer in likelihood.interferometers:
        band, name = (interferometer.minimum_frequency, interferometer.maximum_frequency), interferometer.name
        interferometer.calibration_model = CubicSpline(f"recalib_{name}_", *band, NODES)
        priors.update(CalibrationPriorDict.constant_uncertainty_spline(amplitude, phase, *band, NODES, name))
    likelihood = GravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator)
    errors = PriorDict({key: prior for key, prior in priors.items() if not prior.is_fixed})
    fixed = {key: float(prior.peak) for key, prior in priors.items() if prior.is_fixed}
    transform = PriorTransform(problem[1])
    row = {**transform.fixed, **transform.from_median(), **fixed, **problem[0].injection_parameters}
    return likelihood, errors, row


def mean_and_error(log_values: np.ndarray) -> tuple[float, float]:
    values = np.exp(log_values - log_values.max())
    return float(logsumexp(log_values) - np.log(len(values))), float(values.std() / values.mean() / len(values) ** 0.5)


@pytest.mark.training
def test_the_average_over_the_errors_is_that_of_draws_from_the_prior(problem_hl: tuple) -> None:
    """Unbiased both, and all but even only where the wave has been heard."""
    likelihood, errors, row = calibrated(problem_hl)
    rng = np.random.default_rng(1)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, row, True)
    drawn = np.array([task(one) for one in with_seeds([row] * 400, rng)])
    assert drawn.shape == (400, 2 + len(errors))
    average, error = mean_and_error(drawn[:, 0] + drawn[:, 1])
    other, other_error = from_the_priors(likelihood, errors, row, rng)
    assert abs(average - other) < 4 * np.hypot(error, other_error)
    assert other_error < 0.3
    # An efficiency of e has an error of sqrt((1 / e - 1) / 400): three quarters at least, where nine rows in ten are near even.
    assert error < 0.6 / np.sqrt(400)
    assert error < 0.5 * other_error * np.sqrt(1500 / 400)


def test_weights_are_the_likelihoods_own(problem_hl: tuple) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, row, True)
    for one in with_seeds([row] * 3, np.random.default_rng(2)):
        value, _, *drawn = task(one)
        own = likelihood.log_likelihood_ratio({**row, **dict(zip(errors, drawn, strict=True))})
        assert value == pytest.approx(own, abs=1e-9)
        np.testing.assert_array_equal(task(one), task(one))


def test_the_normal_density_is_that_of_the_likelihoods_derivatives(problem_hl: tuple) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, row, True)
    mean, factor = task._normal(row)
    precision, step, size = factor @ factor.T, 1e-2, len(errors)
    sigma = np.array([prior.sigma for prior in errors.values()])

    def of(u: np.ndarray) -> float:
        return (
            likelihood.log_likelihood_ratio({**row, **dict(zip(errors, (sigma * u).tolist(), strict=True))})
            - 0.5 * u @ u
        )

    gradient = np.array([(of(step * unit) - of(-step * unit)) / (2 * step) for unit in np.eye(size)])
    np.testing.assert_allclose(precision @ mean, gradient, rtol=1e-2, atol=1e-2 * np.abs(gradient).max())
    curvature = np.array(
        [(of(step * unit) - 2 * of(np.zeros(size)) + of(-step * unit)) / step**2 for unit in np.eye(size)]
    )
    # What is quadratic in a single error has residuals in it, too, which the linear factor leaves out.
    np.testing.assert_allclose(np.diag(precision), -curvature, rtol=0.2)


@pytest.mark.training
@pytest.mark.parametrize(
    "prior",
    [
        Uniform(-0.05, 0.05),
        Cosine(-0.05, 0.05),
        SlabSpikePrior(slab=Uniform(-0.1, 0.1), spike_location=0.0, spike_height=0.5),
        TruncatedGaussian(0.01, 0.03, -0.02, 0.1),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_priors_that_are_not_normal(problem_hl: tuple, prior: Prior) -> None:
    """Bounded, of a density that is not its quantiles' own, or with an atom: none is outside, and the average is right."""
    likelihood, errors, row = calibrated(problem_hl)
    errors = PriorDict({key: copy.deepcopy(prior) for key in errors})
    rng = np.random.default_rng(3)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, row, True)
    drawn = np.array([task(one) for one in with_seeds([row] * 500, rng)])
    assert np.all(np.isfinite(drawn))
    assert np.all((drawn[:, 2:] >= prior.minimum) & (drawn[:, 2:] <= prior.maximum))
    average, error = mean_and_error(drawn[:, 0] + drawn[:, 1])
    other, other_error = from_the_priors(likelihood, errors, row, rng)
    assert abs(average - other) < 4 * np.hypot(error, other_error)
    assert error < other_error * np.sqrt(1500 / 500)


def from_the_priors(likelihood: Any, errors: PriorDict, row: dict[str, float], rng: Any) -> tuple[float, float]:
    """The average over 1500 draws from the priors, and its error."""
    plain = [
        likelihood.log_likelihood_ratio(
            {**row, **{key: float(prior.rescale(rng.random())) for key, prior in errors.items()}}
        )
        for _ in range(1500)
    ]
    return mean_and_error(np.array(plain))


@pytest.mark.training
def test_numbered_curves(problem_hl: tuple) -> None:
    """Bilby's precomputed ones, three of one detector: every curve as often as it is likely."""
    likelihood = copy.deepcopy(problem_hl[0])
    interferometer = likelihood.interferometers[0]
    frequencies = interferometer.frequency_array[interferometer.frequency_mask]
    factors = 1 + np.array([0.0, 0.02, 0.05])[:, None] * np.ones(len(frequencies))
    interferometer.calibration_model = Precomputed("H1", factors, frequencies)
    likelihood = GravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator)
    row = {**calibrated(problem_hl)[2]}
    values = np.array([likelihood.log_likelihood_ratio({**row, "recalib_index_H1": index}) for index in range(3)])
    task = CalibrationDraw(likelihood, problem_hl[0], {"recalib_index_H1": Categorical(3)}, row, True)
    drawn = np.array([task(one) for one in with_seeds([row] * 600, np.random.default_rng(5))])
    weights = np.exp(drawn[:, 0] + drawn[:, 1] - values.max())
    shares = np.array([weights[drawn[:, 2] == index].sum() for index in range(3)]) / 600
    exact = np.exp(values - values.max()) / 3
    # A share has a standard deviation of sqrt(1/3 * 2/3 / 600) of its weight.
    np.testing.assert_allclose(shares, exact, atol=4 * 0.02)


def test_errors_that_are_fixed(problem_hl: tuple) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    key = next(iter(errors))
    rest = PriorDict({name: prior for name, prior in errors.items() if name != key})
    task = CalibrationDraw(likelihood, problem_hl[0], rest, {**row, key: 0.03}, True)
    (one,) = with_seeds([{**row, key: 0.03}], np.random.default_rng(6))
    value, _, *drawn = task(one)
    own = likelihood.log_likelihood_ratio({**row, key: 0.03, **dict(zip(rest, drawn, strict=True))})
    assert value == pytest.approx(own, abs=1e-9)


def test_the_users_model_is_left_alone(problem_hl: tuple) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    model = likelihood.interferometers[0].calibration_model
    model.set_calibration_parameters(**{key: 0.01 for key in {**row, **errors} if key.startswith(model.prefix)})
    before = copy.deepcopy(model.params)
    CalibrationDraw(likelihood, problem_hl[0], errors, row, True)
    assert model.params == before


def test_without_a_wave_the_errors_are_those_of_the_priors(problem_hl: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, row, True)
    monkeypatch.setattr(likelihood.waveform_generator, "frequency_domain_strain", lambda parameters: None)
    monkeypatch.setattr(task._plain.waveform_generator, "frequency_domain_strain", lambda parameters: None)
    (one,) = with_seeds([row], np.random.default_rng(4))
    found = task(one)
    assert found[1] == 0.0
    assert found[0] < -1e100
