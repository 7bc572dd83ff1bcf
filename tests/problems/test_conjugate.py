"""Closed forms of the evidence against a sum over the parameters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from bilby_flowpe.problems import conjugate
from bilby_flowpe.problems.toys import SolvedProblem

PROBLEMS = {
    make.__name__: make for make in (conjugate.linear_regression, conjugate.poisson_counts, conjugate.waiting_times)
}


def by_quadrature(problem: SolvedProblem) -> float:
    """Sum on a grid of each parameter's quantiles, which is fine where nearly all of the posterior is."""
    likelihood, priors, _ = problem
    n = 400 if len(priors) == 2 else 20_000
    axes = [priors[key].rescale((np.arange(n) + 0.5) / n) for key in priors]
    grids = np.meshgrid(*axes, indexing="ij")
    points = [dict(zip(priors, map(float, row), strict=True)) for row in zip(*(g.ravel() for g in grids), strict=True)]
    values = [likelihood.log_likelihood(point) for point in points]
    return float(logsumexp(values) - np.log(len(values)))


@pytest.mark.training
@pytest.mark.parametrize("name", PROBLEMS)
def test_closed_form_is_the_integral(name: str) -> None:
    problem = PROBLEMS[name](seed=3)
    # Steps of a tenth of the posterior's width and less: the midpoint rule is good to a thousandth.
    assert by_quadrature(problem) == pytest.approx(problem[2], abs=5e-3)


@pytest.mark.parametrize("name", PROBLEMS)
def test_data_follow_the_seed(name: str) -> None:
    one, same, other = (PROBLEMS[name](seed=seed)[0].y for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
