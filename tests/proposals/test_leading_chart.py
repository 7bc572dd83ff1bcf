"""Coordinates with the best-measured phase in the place of the chirp mass: one to one, whatever that phase is."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Constraint, Gaussian, PriorDict, Uniform
from bilby.gw.conversion import chirp_mass_and_mass_ratio_to_component_masses as components

from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.proposals.leading_chart import LeadingChart, can_lead
from bilby_flowpe.proposals.mixture import Mixture
from bilby_flowpe.proposals.parts import Charted, FromPrior, Normal

SCALE = 1e-3


def leading(columns: Parameters) -> np.ndarray:
    """A curve of chirp masses, as it might be."""
    bent: np.ndarray = np.log(1.2) + 2e-3 * (1 - columns["mass_ratio"]) ** 2 + 5e-3 * columns["chi_1"]
    return bent


def converted(parameters: Parameters) -> Parameters:
    found = dict(parameters)
    found["mass_1"], found["mass_2"] = components(found["chirp_mass"], found["mass_ratio"])
    return found


def transform(**more: Constraint) -> PriorTransform:
    priors = {"chirp_mass": Uniform(1.19, 1.21), "mass_ratio": Uniform(0.3, 1), "chi_1": Uniform(-0.1, 0.1), **more}
    return PriorTransform(PriorDict(priors, conversion_function=converted))


@pytest.fixture
def chart() -> LeadingChart:
    return LeadingChart(transform(), ("chirp_mass", "mass_ratio", "chi_1"), leading, SCALE)


def test_the_coordinate_is_the_distance_from_the_curve(chart: LeadingChart) -> None:
    sample = chart.transform.sample(100, np.random.default_rng(1))
    base, _ = chart.forward(sample)
    np.testing.assert_allclose(base[:, 0], (np.log(sample["chirp_mass"]) - leading(sample)) / SCALE, atol=1e-9)


def test_it_comes_back_and_is_outside_beyond_the_prior(chart: LeadingChart) -> None:
    rng = np.random.default_rng(2)
    sample = chart.transform.sample(300, rng)
    back, inside = chart.inverse(chart.forward(sample)[0], rng)
    assert inside.all()
    for key, column in sample.items():
        np.testing.assert_allclose(back[key], column, atol=1e-9)
    _, inside = chart.inverse(np.array([[1000.0, 0, 0], [np.inf, 0, 0], [0, np.inf, 0], [0, 0, 0]]), rng)
    assert inside.tolist() == [False, False, False, True]


def test_the_jacobian_is_that_of_finite_differences(chart: LeadingChart) -> None:
    sample = chart.transform.sample(100, np.random.default_rng(3))
    step, slopes = 1e-7, np.empty((100, 3, 3))
    for number, key in enumerate(chart.keys):
        ends = [chart.forward({**sample, key: sample[key] + sign * step})[0] for sign in (1, -1)]
        slopes[:, :, number] = (ends[0] - ends[1]) / (2 * step)
    expected = np.log(np.abs(np.linalg.det(slopes)))
    assert np.median(np.abs(chart.forward(sample)[1] - expected)) < 1e-4


def test_constraints_are_those_of_the_mass_itself() -> None:
    """Most masses violate the constraint, and among them the middle of the prior's."""
    some = transform(mass_1=Constraint(1.0, 1.45))
    chart, rng = LeadingChart(some, some.keys, leading, SCALE), np.random.default_rng(4)
    base = rng.standard_normal((2000, 3)) * np.array([3.0, 1.0, 1.0])
    parameters, inside = chart.inverse(base, rng)
    mass = np.exp(leading(parameters) + SCALE * base[:, 0])
    expected = some.satisfies({**parameters, "chirp_mass": mass}) & (np.abs(mass - 1.2) < 0.01)
    assert 0.05 < inside.mean() < 0.95
    np.testing.assert_array_equal(inside, expected)


@pytest.mark.parametrize("mass", [Uniform(1.199, 1.201), Gaussian(1.2, 1e-4)], ids=["edges", "tails"])
def test_a_draw_inside_has_a_density(mass: Uniform | Gaussian) -> None:
    """Many draws lie beyond an edge of the prior, or so far out in its tail that quantiles end: weights average to one."""
    some = PriorTransform(PriorDict({"chirp_mass": mass, "mass_ratio": Uniform(0.3, 1), "chi_1": Uniform(-0.1, 0.1)}))
    about = Charted(LeadingChart(some, some.keys, leading, SCALE), {"about": Normal(3)})
    draws = Mixture([about, FromPrior(some, some.keys)], [0.75, 0.25]).draw(20_000, np.random.default_rng(5))
    inside = {key: column[draws.inside] for key, column in draws.parameters.items()}
    assert 0.3 < draws.inside.mean() < 0.9
    assert np.isfinite(about.log_prob(inside)).all()
    weights = np.exp(some.log_prob(inside) - draws.log_q[draws.inside])
    assert weights.sum() / len(draws) == pytest.approx(1.0, abs=0.03)


def test_a_mass_that_is_tied_does_not_lead() -> None:
    assert can_lead(transform(), ("chirp_mass", "mass_ratio"))
    assert not can_lead(transform(), ("mass_ratio",))
