"""Coordinates of distance and inclination: a bijection of known Jacobian, standard normal under the prior."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PowerLaw, Sine
from scipy.stats import kstest

from bilby_flowpe.representation.amplitude import AmplitudeCoordinates

CASES = {
    "overhead": (PowerLaw(2, 1000, 3000), (1.0, 1e-5)),
    "elliptical": (PowerLaw(2, 50, 2000), (0.3, 0.5)),
}
SIZE = 20_000


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[AmplitudeCoordinates, np.ndarray, np.ndarray]:
    """Coordinates and draws from the prior."""
    distance, response = CASES[request.param]
    inclination = Sine(0, np.pi)
    rng = np.random.default_rng(3)
    return (
        AmplitudeCoordinates(distance, inclination, response),
        distance.rescale(rng.uniform(size=SIZE)),
        inclination.rescale(rng.uniform(size=SIZE)),
    )


def test_standard_normal_and_independent_under_the_prior(case) -> None:
    coordinates, distance, theta = case
    first, second, _ = coordinates.forward(distance, theta)
    # The nodes and the uniform share move the second one by less than 20000 draws resolve.
    assert kstest(first, "norm").pvalue > 1e-3
    assert kstest(second, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(SIZE)


def test_there_and_back(case) -> None:
    coordinates, distance, theta = case
    first, second, _ = coordinates.forward(distance, theta)
    again, angle, inside = coordinates.inverse(first, second, np.random.default_rng(0))
    assert inside.all()
    np.testing.assert_allclose(again, distance, rtol=1e-9)
    np.testing.assert_allclose(np.minimum(angle, np.pi - angle), np.minimum(theta, np.pi - theta), atol=1e-9)


def test_the_coin_is_fair(case) -> None:
    coordinates, distance, theta = case
    first, second, _ = coordinates.forward(distance, theta)
    _, angle, _ = coordinates.inverse(first, second, np.random.default_rng(0))
    # Five standard errors of a fair coin thrown 20000 times.
    assert abs(np.mean(angle > np.pi / 2) - 0.5) < 5 * 0.5 / np.sqrt(SIZE)


def test_jacobian_is_the_derivative(case) -> None:
    coordinates, distance, theta = (part if index == 0 else part[:300] for index, part in enumerate(case))
    step = 1e-5

    def slope(towards: tuple[float, float]) -> np.ndarray:
        shifted = [
            np.array(coordinates.forward(distance * (1 + sign * towards[0]), theta + sign * towards[1])[:2])
            for sign in (1, -1)
        ]
        return (shifted[0] - shifted[1]) / 2

    by_distance, by_theta = slope((step, 0.0)) / (step * distance), slope((0.0, step)) / step
    determinant = np.abs(by_distance[0] * by_theta[1] - by_distance[1] * by_theta[0])
    difference = np.abs(np.log(determinant) - coordinates.forward(distance, theta)[2])
    # Central differences are good to 1e-6 except where a step crosses a node, in about one of ten thousand cells.
    assert np.quantile(difference, 0.98) < 1e-5


def test_a_proposal_through_them_integrates_the_prior_to_one(case) -> None:
    coordinates, _, _ = case
    rng = np.random.default_rng(5)
    width = 1.1
    v = width * rng.standard_normal((SIZE, 2))
    distance, theta, inside = coordinates.inverse(v[:, 0], v[:, 1], rng)
    log_normal = -0.5 * np.sum((v / width) ** 2, axis=1) - np.log(2 * np.pi) - 2 * np.log(width)
    log_q = log_normal + coordinates.forward(distance, theta)[2] - np.log(2.0)
    prior = coordinates.distance.prob(distance) * coordinates.inclination.prob(theta)
    weights = np.where(inside, prior * np.exp(-log_q), 0.0)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(SIZE)


@pytest.mark.parametrize("plus", [0.02, 0.1])
def test_an_almost_dark_edge_on_view_keeps_the_jacobian(plus: float) -> None:
    """Range and density of the effective distance then stretch over decades."""
    coordinates = AmplitudeCoordinates(PowerLaw(2, 300, 4000), Sine(0, np.pi), (plus, 0.9))
    rng = np.random.default_rng(6)
    v = rng.standard_normal((SIZE, 2))
    distance, theta, inside = coordinates.inverse(v[:, 0], v[:, 1], rng)
    first, _, log_jacobian = coordinates.forward(distance, theta)
    log_q = -0.5 * np.sum(v**2, axis=1) - np.log(2 * np.pi) + log_jacobian - np.log(2.0)
    prior = coordinates.distance.prob(distance) * coordinates.inclination.prob(theta)
    weights = np.where(inside, prior * np.exp(-log_q), 0.0)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(SIZE)
    assert np.quantile(np.abs(first - v[:, 0]), 0.999) < 1e-3
