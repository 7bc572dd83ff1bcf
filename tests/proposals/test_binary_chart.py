"""Coordinates of a binary, here of its spins: the prior stays a standard normal, and the map is one to one."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Sine, Uniform
from scipy.stats import kstest

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart
from bilby_flowpe.proposals.charts import PriorChart

PRIORS = {"a_1": Uniform(0, 0.99), "tilt_1": Sine(), "a_2": Uniform(0, 0.8), "tilt_2": Sine(), "mass": Uniform(3, 4)}


@pytest.fixture(scope="module")
def transform() -> PriorTransform:
    return PriorTransform(PriorDict(dict(PRIORS)))


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
