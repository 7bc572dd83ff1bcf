"""Matched filters: inner products at every time, against the sum over frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.waves.matched_filter import MatchedFilters, steps_in
from bilby_flowpe.waves.whitening import noise_weight

STEPS = np.array([3, 4000, 8111])


def by_hand(interferometer, series: np.ndarray, times: np.ndarray) -> np.ndarray:
    mask = interferometer.frequency_mask
    terms = series[mask].conj() * interferometer.frequency_domain_strain[mask] * noise_weight(interferometer, mask)
    return np.array(
        [np.sum(terms * np.exp(2j * np.pi * interferometer.frequency_array[mask] * time)) for time in times]
    )


@pytest.mark.parametrize("theta", [0.0, 1.2])
def test_series_and_norms(problem_hl, theta: float) -> None:
    """Face on, the second polarisation is the first one times a number, and is not transformed."""
    likelihood, _ = problem_hl
    filters = MatchedFilters(likelihood)
    row = {**likelihood.injection_parameters, "theta_jn": theta}
    wave = likelihood.waveform_generator.frequency_domain_strain(row)
    found, norms = filters(wave, STEPS)
    for index, interferometer in enumerate(likelihood.interferometers):
        mask = interferometer.frequency_mask
        weight = noise_weight(interferometer, mask)
        for mode, name in enumerate(("plus", "cross")):
            exact = by_hand(interferometer, wave[name], STEPS * filters.spacing)
            # Transforms are in single precision: 1e-7 of the largest output, at most.
            largest = np.sqrt(norms[index, mode, mode]) * 100
            np.testing.assert_allclose(found[index, mode], exact, rtol=0, atol=1e-6 * largest)
        inner = np.sum(wave["plus"][mask].conj() * wave["cross"][mask] * weight).real
        assert norms[index, 0, 1] == pytest.approx(inner, rel=1e-9, abs=1e-9 * norms[index, 0, 0])


def test_any_series(problem_hl) -> None:
    likelihood, _ = problem_hl
    filters = MatchedFilters(likelihood)
    wave = likelihood.waveform_generator.frequency_domain_strain(dict(likelihood.injection_parameters))
    series = [wave["plus"], 1j * wave["plus"]]
    for interferometer, (found, products) in zip(
        likelihood.interferometers, filters.of_series(series, STEPS), strict=True
    ):
        exact = by_hand(interferometer, wave["plus"], STEPS * filters.spacing)
        scale = 100 * np.sqrt(products[0, 0].real)
        np.testing.assert_allclose(found[0], exact, rtol=0, atol=1e-6 * scale)
        np.testing.assert_allclose(found[1], -1j * exact, rtol=0, atol=1e-6 * scale)
        assert products[0, 1] == pytest.approx(1j * products[0, 0])


def test_steps_are_a_power_of_two_and_fine_enough() -> None:
    assert steps_in(4.0, 500.0) == 8192
    assert steps_in(4.0, 512.0) == 8192
    assert steps_in(4.0, 513.0) == 16384
