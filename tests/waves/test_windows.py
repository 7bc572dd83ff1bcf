"""Moments of windowed power, held against exact ones of a quadratic form and against noise that Bilby windowed."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from bilby.gw.detector import Interferometer, InterferometerStrainData, PowerSpectralDensity, get_empty_interferometer
from scipy.signal.windows import tukey
from scipy.stats import kstest

from bilby_flowpe.waves.windows import correlations, data_mask, power_moments

RATE, DURATION = 512.0, 1.0
EMPTY = get_empty_interferometer("H1")


def detector(roll_off: float, rng: np.random.Generator) -> Interferometer:
    """White noise of the curve's own power."""
    made = copy.copy(EMPTY)
    made.strain_data = InterferometerStrainData()
    made.minimum_frequency, made.maximum_frequency = 20.0, 240.0
    made.strain_data.roll_off = roll_off
    made.power_spectral_density = PowerSpectralDensity(np.arange(0, 257.0), np.full(257, 2 / RATE))
    made.strain_data.set_from_time_domain_strain(
        rng.standard_normal(int(RATE * DURATION)), sampling_frequency=RATE, duration=DURATION
    )
    return made


def power(made: Interferometer, mask: np.ndarray) -> float:
    return float(np.sum(np.abs(made.whitened_frequency_domain_strain[mask]) ** 2))


@pytest.mark.parametrize("roll_off", [0.01, 0.1, 0.2, 0.5])
def test_moments_are_those_of_a_quadratic_form(roll_off: float) -> None:
    """P = n' A n of white noise n has the expectation tr A and the variance 2 tr A A."""
    made = detector(roll_off, np.random.default_rng(0))
    made.strain_data.notch_list = [(60.0, 70.0), (100.0, 101.0)]
    mask, correlation = data_mask(made), correlations(made)
    size = int(RATE * DURATION)
    transform = np.exp(-2j * np.pi * np.outer(np.flatnonzero(mask), np.arange(size)) / size) * np.sqrt(2 / size)
    rows = transform * tukey(size, 2 * roll_off / DURATION)
    form = np.real(rows.conj().T @ rows)
    expected, variance = power_moments(mask, correlation)
    assert expected == pytest.approx(np.trace(form), rel=1e-3)
    # What is left out: real and imaginary parts are not quite alike near frequency zero.
    assert variance == pytest.approx(2 * np.sum(form**2), rel=0.01)


def test_without_a_window_it_is_chi_squared() -> None:
    made = detector(0.1, np.random.default_rng(0))
    made.set_strain_data_from_frequency_domain_strain(
        np.ones(257, dtype=complex), sampling_frequency=RATE, duration=DURATION
    )
    count = int(data_mask(made).sum())
    assert power_moments(data_mask(made), correlations(made)) == pytest.approx((2 * count, 4 * count))
    assert power_moments(np.zeros(257, dtype=bool), correlations(made)) == (0, 0)


@pytest.mark.parametrize("roll_off", [0.01, 0.2])
def test_noise_that_was_windowed_has_them(roll_off: float) -> None:
    rng = np.random.default_rng(3)
    standard = []
    for _ in range(300):
        made = detector(roll_off, rng)
        expected, variance = power_moments(data_mask(made), correlations(made))
        standard.append((power(made, data_mask(made)) - expected) / variance**0.5)
    # Means and widths of 300 scatter by 0.06 and 0.04.
    assert abs(np.mean(standard)) < 5 / 300**0.5
    assert np.std(standard) == pytest.approx(1, abs=5 / 600**0.5)
    assert kstest(standard, "norm").pvalue > 1e-3


def test_a_curve_scaled_by_bilby_scales_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = detector(0.2, np.random.default_rng(0))
    plain, factor = correlations(made), made.strain_data.window_factor
    monkeypatch.setenv("BILBY_INCORRECT_PSD_NORMALIZATION", "TRUE")
    np.testing.assert_allclose(correlations(made), plain / factor)
    assert correlations(made)[0] == pytest.approx(1)


def test_infinite_curves_and_notches_hold_no_data() -> None:
    made = detector(0.2, np.random.default_rng(0))
    made.strain_data.notch_list = [(60.0, 70.0)]
    made.power_spectral_density = PowerSpectralDensity(
        np.arange(0, 257.0), np.where(np.arange(257) < 30, np.inf, 2 / RATE)
    )
    mask = data_mask(made)
    assert not mask[:30].any()
    # Bilby's notches leave their ends in.
    assert not mask[61:70].any()
    assert mask[31:60].all()
