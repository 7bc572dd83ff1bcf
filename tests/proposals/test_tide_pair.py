"""Coordinates of both tidal deformabilities: their leading combination, and what is left, uniform by the prior."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import PowerLaw, Prior, PriorDict, Uniform
from bilby.gw.conversion import lambda_1_lambda_2_to_lambda_tilde
from scipy.stats import kstest

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.binary_chart import BinaryChart

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
