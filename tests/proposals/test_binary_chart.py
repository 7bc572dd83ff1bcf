"""Coordinates of spins along the orbit and of combined tides: the prior stays a standard normal, and the map is one to one."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PowerLaw, Prior, PriorDict, Sine, Uniform
from bilby.gw.conversion import lambda_1_lambda_2_to_lambda_tilde
from scipy.stats import kstest

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.proposals.charts import PriorChart

PRIORS = {"a_1": Uniform(0, 0.99), "tilt_1": Sine(), "a_2": Uniform(0, 0.8), "tilt_2": Sine(), "mass": Uniform(3, 4)}


@pytest.fixture(scope="module")
def transform() -> PriorTransform:
    return PriorTransform(PriorDict(dict(PRIORS)))


TIDES = {"mass_ratio": Uniform(0.2, 1), "lambda_1": Uniform(0, 5000), "lambda_2": Uniform(0, 3000)}


def combined(sample: dict[str, np.ndarray]) -> np.ndarray:
    """The leading combination of tides, by Bilby."""
    light = sample["mass_ratio"] / (1 + sample["mass_ratio"])
    return lambda_1_lambda_2_to_lambda_tilde(sample["lambda_1"], sample["lambda_2"], 1 - light, light)


def test_tides_are_a_standard_normal_whatever_the_mass_ratio_and_come_back() -> None:
    transform = PriorTransform(PriorDict(dict(TIDES)))
    chart, rng = BinaryChart(transform), np.random.default_rng(6)
    sample = transform.sample(6000, rng)
    base, _ = chart.forward(sample)
    some = sample["mass_ratio"] < 0.4
    assert min(kstest(column, "norm").pvalue for rows in (base, base[some][:, 1:]) for column in rows.T) > 1e-3
    # A correlation of 6000 independent pairs scatters by 0.013.
    assert np.max(np.abs(np.corrcoef(base.T) - np.eye(3))) < 0.055
    back, inside = chart.inverse(base, rng)
    assert inside.all()
    for key, column in sample.items():
        np.testing.assert_allclose(back[key], column, rtol=0, atol=1e-7 * column.max())
    assert chart.across == ("lambda_2",)


def test_the_first_of_the_tides_is_their_leading_combination() -> None:
    transform = PriorTransform(PriorDict(dict(TIDES)))
    chart, sample = BinaryChart(transform), transform.sample(400, np.random.default_rng(7))
    sample["mass_ratio"][:] = 0.7
    column = chart.forward(sample)[0][:, chart.keys.index("lambda_1")]
    assert np.all(np.diff(column[np.argsort(combined(sample))]) >= 0)


def test_the_jacobian_of_tides_is_that_of_finite_differences() -> None:
    transform = PriorTransform(PriorDict(dict(TIDES)))
    chart, sample = BinaryChart(transform), transform.sample(300, np.random.default_rng(8))
    steps, slopes = {"mass_ratio": 1e-6, "lambda_1": 1e-3, "lambda_2": 1e-3}, np.empty((300, 3, 3))
    for number, key in enumerate(chart.keys):
        ends = [chart.forward({**sample, key: sample[key] + sign * steps[key]})[0] for sign in (1, -1)]
        slopes[:, :, number] = (ends[0] - ends[1]) / (2 * steps[key])
    expected = np.log(np.abs(np.linalg.det(slopes)))
    assert np.median(np.abs(chart.forward(sample)[1] - expected)) < 1e-5


@pytest.mark.parametrize(
    "changed",
    [{"lambda_1": Uniform(10, 5000)}, {"mass_ratio": Uniform(0.2, 1.5)}, {"lambda_2": PowerLaw(1, 1, 3000)}],
)
def test_other_priors_of_tides_keep_their_own_coordinates(changed: dict[str, Prior]) -> None:
    assert BinaryChart(PriorTransform(PriorDict({**TIDES, **changed}))).across == ()


def test_the_prior_is_a_standard_normal_and_comes_back(transform: PriorTransform) -> None:
    chart, rng = BinaryChart(transform), np.random.default_rng(1)
    sample = transform.sample(4000, rng)
    base, _ = chart.forward(sample)
    assert min(kstest(column, "norm").pvalue for column in base.T) > 1e-3
    # A correlation of 4000 independent pairs scatters by 0.016.
    assert np.max(np.abs(np.corrcoef(base.T) - np.eye(5))) < 0.065
    back, inside = chart.inverse(base, rng)
    assert inside.all()
    for key, column in sample.items():
        np.testing.assert_allclose(back[key], column, atol=1e-9)


def test_the_first_coordinate_is_the_spin_along_the_orbit(transform: PriorTransform) -> None:
    chart, sample = BinaryChart(transform), transform.sample(500, np.random.default_rng(2))
    along = sample["a_1"] * np.cos(sample["tilt_1"])
    column = chart.forward(sample)[0][:, chart.keys.index("a_1")]
    assert np.all(np.diff(column[np.argsort(along)]) >= 0)
    assert chart.across == ("tilt_1", "tilt_2")


def test_the_jacobian_is_that_of_finite_differences(transform: PriorTransform) -> None:
    chart = BinaryChart(transform)
    # Away from the cusp of the component's density at zero, which finite differences smear.
    sample = transform.sample(200, np.random.default_rng(3))
    away = np.abs(sample["a_1"] * np.cos(sample["tilt_1"])) * np.abs(sample["a_2"] * np.cos(sample["tilt_2"])) > 1e-3
    sample = {key: column[away] for key, column in sample.items()}
    step, slopes = 1e-6, np.empty((int(away.sum()), 5, 5))
    for number, key in enumerate(chart.keys):
        ends = [chart.forward({**sample, key: sample[key] + sign * step})[0] for sign in (1, -1)]
        slopes[:, :, number] = (ends[0] - ends[1]) / (2 * step)
    expected = np.log(np.abs(np.linalg.det(slopes)))
    assert np.median(np.abs(chart.forward(sample)[1] - expected)) < 1e-6


def test_other_priors_keep_their_own_coordinates() -> None:
    for priors in ({**PRIORS, "a_1": Uniform(0.1, 0.9)}, {**PRIORS, "tilt_1": Uniform(0, np.pi)}):
        transform = PriorTransform(PriorDict(dict(priors)))
        chart, sample = BinaryChart(transform), transform.sample(10, np.random.default_rng(4))
        assert chart.across == ("tilt_2",)
        plain = PriorChart(transform).forward(sample)[0]
        kept = [chart.keys.index(key) for key in ("a_1", "tilt_1", "mass")]
        np.testing.assert_array_equal(chart.forward(sample)[0][:, kept], plain[:, kept])


def test_what_is_beyond_the_quantiles_is_outside(transform: PriorTransform) -> None:
    base = np.full((3, 5), 0.1)
    base[:2, 0] = 40.0, np.inf
    _, inside = BinaryChart(transform).inverse(base, np.random.default_rng(5))
    assert inside.tolist() == [False, False, True]
