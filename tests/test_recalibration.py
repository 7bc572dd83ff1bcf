"""Errors of the calibration given the wave: against draws from their priors, and derivatives of the user's likelihood."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.gw.detector.calibration import CubicSpline
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import CalibrationPriorDict
from scipy.special import logsumexp

from bilby_flowpe.parallel import with_seeds
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.recalibration import CalibrationDraw

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


def test_the_average_over_the_errors_is_that_of_draws_from_the_prior(problem_hl: tuple) -> None:
    """Unbiased both, and all but even only where the wave has been heard."""
    likelihood, errors, row = calibrated(problem_hl)
    rng = np.random.default_rng(1)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, True)
    drawn = np.array([task(one) for one in with_seeds([row] * 400, rng)])
    assert drawn.shape == (400, 2 + len(errors))
    average, error = mean_and_error(drawn[:, 0] + drawn[:, 1])
    plain = [
        likelihood.log_likelihood_ratio(
            {**row, **{key: float(prior.rescale(rng.random())) for key, prior in errors.items()}}
        )
        for _ in range(1500)
    ]
    other, other_error = mean_and_error(np.array(plain))
    assert abs(average - other) < 4 * np.hypot(error, other_error)
    assert other_error < 0.3
    # The share from the priors apart, weights are even: an effective share of 0.8 has an error of half a thousandth a row.
    assert error < 0.6 / np.sqrt(400)
    assert error < 0.5 * other_error * np.sqrt(1500 / 400)


def test_weights_are_the_likelihoods_own(problem_hl: tuple) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, True)
    for one in with_seeds([row] * 3, np.random.default_rng(2)):
        value, _, *drawn = task(one)
        own = likelihood.log_likelihood_ratio({**row, **dict(zip(errors, drawn, strict=True))})
        assert value == pytest.approx(own, abs=1e-9)
        np.testing.assert_array_equal(task(one), task(one))


def test_the_normal_density_is_that_of_the_likelihoods_derivatives(problem_hl: tuple) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, True)
    mean, factor = task._normal(row)
    precision, step = factor @ factor.T, 1e-3
    keys = list(errors)

    def of(shift: np.ndarray) -> float:
        log_prior = sum(float(prior.ln_prob(value)) for prior, value in zip(errors.values(), shift, strict=True))
        return likelihood.log_likelihood_ratio({**row, **dict(zip(keys, shift.tolist(), strict=True))}) + log_prior

    zero = np.zeros(len(keys))
    gradient = np.array([(of(step * unit) - of(-step * unit)) / (2 * step) for unit in np.eye(len(keys))])
    np.testing.assert_allclose(precision @ mean, gradient, rtol=1e-3, atol=1e-3 * np.abs(gradient).max())
    curvature = np.array([(of(step * unit) - 2 * of(zero) + of(-step * unit)) / step**2 for unit in np.eye(len(keys))])
    # What is quadratic in a single error has residuals in it, too, which the linear factor leaves out.
    np.testing.assert_allclose(np.diag(precision), -curvature, rtol=0.2)


def test_priors_that_are_not_normal(problem_hl: tuple) -> None:
    """Uniform errors: some draws fall outside, and the average is right all the same."""
    likelihood, errors, row = calibrated(problem_hl)
    errors = PriorDict({key: Uniform(-0.05, 0.05) for key in errors})
    rng = np.random.default_rng(3)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, True)
    drawn = np.array([task(one) for one in with_seeds([row] * 800, rng)])
    average, error = mean_and_error(drawn[:, 0] + drawn[:, 1])
    plain = [
        likelihood.log_likelihood_ratio(
            {**row, **{key: float(prior.rescale(rng.random())) for key, prior in errors.items()}}
        )
        for _ in range(1500)
    ]
    other, other_error = mean_and_error(np.array(plain))
    assert abs(average - other) < 4 * np.hypot(error, other_error)


def test_without_a_wave_the_errors_are_those_of_the_priors(problem_hl: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood, errors, row = calibrated(problem_hl)
    task = CalibrationDraw(likelihood, problem_hl[0], errors, True)
    monkeypatch.setattr(likelihood.waveform_generator, "frequency_domain_strain", lambda parameters: None)
    monkeypatch.setattr(task._plain.waveform_generator, "frequency_domain_strain", lambda parameters: None)
    (one,) = with_seeds([row], np.random.default_rng(4))
    found = task(one)
    assert found is None or (found[1] == 0.0 and found[0] < -1e100)
