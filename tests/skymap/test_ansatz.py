"""The density of distances of a line of sight, against quadrature and against ligo.skymap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from bilby_flowpe.skymap.ansatz import moments_of, parameters_of

MEAN = np.array([1000.0, 1000.0, 1000.0, 40.0, 3000.0, 1000.0])
DEVIATION = np.array([0.5, 20.0, 300.0, 15.0, 1600.0, 560.0])


def test_parameters_have_the_moments_by_quadrature() -> None:
    for mean, deviation, mu, sigma, norm in zip(MEAN, DEVIATION, *parameters_of(MEAN, DEVIATION), strict=True):
        ends = max(mean - 12 * deviation, 0.0), mean + 25 * deviation

        def density(r: float, power: int, mu: float = mu, sigma: float = sigma, norm: float = norm) -> float:
            gaussian = np.exp(-0.5 * ((r - mu) / sigma) ** 2) / np.sqrt(2 * np.pi) / sigma
            return norm * gaussian * r ** (2 + power)

        total, first, second = (quad(density, *ends, args=(power,), limit=400, points=[mean])[0] for power in range(3))
        assert total == pytest.approx(1.0, abs=1e-6)
        assert first == pytest.approx(mean, rel=1e-6)
        assert np.sqrt(second - first**2) == pytest.approx(deviation, rel=2e-3)


def test_there_and_back() -> None:
    mean, deviation = moments_of(*parameters_of(MEAN, DEVIATION)[:2])
    assert mean == pytest.approx(MEAN, rel=1e-7) and deviation == pytest.approx(DEVIATION, rel=1e-5)


def test_a_wider_density_than_there_is_keeps_its_mean() -> None:
    mu, sigma, _ = parameters_of(np.array([1000.0]), np.array([900.0]))
    (mean,), (deviation,) = moments_of(mu, sigma)
    assert mean == pytest.approx(1000.0)
    assert 560 < deviation < 1000 / np.sqrt(3)


def test_no_distance_is_said_as_the_standard_says_it() -> None:
    mu, sigma, norm = parameters_of(np.array([np.nan, 100.0]), np.array([np.nan, 10.0]))
    assert (mu[0], sigma[0], norm[0]) == (np.inf, 1.0, 0.0) and np.isfinite(mu[1])
    assert np.isnan(moments_of(mu, sigma)[0][0])


@pytest.mark.slow
def test_it_is_that_of_ligo_skymap() -> None:
    distance = pytest.importorskip("ligo.skymap.distance")
    for ours, theirs in zip(
        parameters_of(MEAN, DEVIATION), distance.moments_to_parameters(MEAN, DEVIATION), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=3e-3)
