"""Effective distance and the inclination given it, against the prior itself."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PowerLaw, Prior, Sine, TruncatedGaussian, Uniform
from scipy.stats import ks_2samp, kstest

from bilby_flowpe.waves.effective_distance import EffectiveDistance, amplitude_seen, phase_seen

SIZE = 20_000
CASES = {
    "overhead": (PowerLaw(2, 1000, 3000), Sine(), (1.0, 1e-5)),
    "elliptical": (PowerLaw(2, 50, 2000), Sine(), (0.3, 0.5)),
    "dark edge on": (PowerLaw(2, 50, 2000), Sine(), (0.03, -0.9)),
    "one side": (Uniform(100, 1000), Uniform(0.2, 1.4), (0.5, 0.4)),
    "uneven": (Uniform(100, 1000), TruncatedGaussian(2.0, 0.3, 0, np.pi), (0.7, 0.1)),
    "across a right angle": (Uniform(100, 1000), Uniform(0.5, 2.0), (0.7, -0.6)),
}


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[EffectiveDistance, Prior, Prior]:
    distance, inclination, response = CASES[request.param]
    return EffectiveDistance(distance, inclination, response), distance, inclination


def test_prior_of_the_effective_distance(case: tuple[EffectiveDistance, Prior, Prior]) -> None:
    effective, distance, inclination = case
    rng = np.random.default_rng(1)
    d, theta = distance.rescale(rng.random(SIZE)), inclination.rescale(rng.random(SIZE))
    table, density = effective.prior()
    steps = (density[1:] + density[:-1]) / 2 * np.diff(table)
    assert steps.sum() == pytest.approx(1, abs=2e-3)
    cumulative = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
    sample = d / effective.amplitude(theta)
    assert kstest(sample, lambda x: np.interp(x, table, cumulative)).pvalue > 1e-3
    assert kstest(1.02 * sample, lambda x: np.interp(x, table, cumulative)).pvalue < 1e-3


def test_draws_given_it_are_the_prior(case: tuple[EffectiveDistance, Prior, Prior]) -> None:
    """Effective distances of prior draws, drawn apart again: the prior comes back, at even weights."""
    effective, distance, inclination = case
    rng = np.random.default_rng(2)
    d, theta = distance.rescale(rng.random(SIZE)), inclination.rescale(rng.random(SIZE))
    seen = d / effective.amplitude(theta)
    drawn, angle, log_ratio = effective.draw_given(seen, rng)
    np.testing.assert_allclose(drawn / effective.amplitude(angle), seen, rtol=1e-7)
    assert ks_2samp(drawn, d).pvalue > 1e-3
    assert ks_2samp(angle, theta).pvalue > 1e-3
    assert np.all(np.isfinite(distance.ln_prob(drawn)))
    assert np.all(np.isfinite(inclination.ln_prob(angle)))
    # What is left is the prior's density of the effective distance.
    table, density = effective.prior()
    log_prior = np.log(np.interp(seen, table, density))
    assert np.std(log_ratio - log_prior) < 0.05
    assert np.mean(np.exp(log_ratio - log_prior)) == pytest.approx(1, abs=5e-3)


def test_an_effective_distance_that_cannot_be() -> None:
    effective = EffectiveDistance(Uniform(100, 1000), Sine(0.2, 0.4), (0.9, 0.1))
    _, _, log_ratio = effective.draw_given(np.array([2e3, 500.0]), np.random.default_rng(3))
    assert log_ratio[0] == -np.inf
    assert np.isfinite(log_ratio[1])


@pytest.mark.parametrize("ratio", [1j, -1j])
@pytest.mark.parametrize("response", [(0.7, 0.4), (-0.3, 0.9)])
def test_amplitude_and_phase_seen_are_those_of_the_sum_of_polarisations(response: tuple, ratio: complex) -> None:
    theta = np.linspace(0, np.pi, 50)
    signal = response[0] * (1 + np.cos(theta) ** 2) / 2 + response[1] * ratio * np.cos(theta)
    np.testing.assert_allclose(amplitude_seen(theta, response), np.abs(signal), rtol=1e-12)
    relative = signal / signal[0]
    np.testing.assert_allclose(np.exp(1j * phase_seen(theta, response, ratio)), relative / np.abs(relative), rtol=1e-9)
