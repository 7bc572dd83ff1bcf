"""Charts by value: a density that integrates to one, beyond the last quantile of a prior, too."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Gaussian, PriorDict, TruncatedGaussian, Uniform
from scipy.stats import norm

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.event_flow import fit_normals
from bilby_flowpe.proposals.event_values import ValueChart
from bilby_flowpe.proposals.parts import Charted

PRIORS = {"a": TruncatedGaussian(0, 1, -3, 9), "b": Uniform(0, 2), "c": Gaussian(0, 1e-23)}


def chart(in_values: tuple[str, ...]) -> ValueChart:
    transform = PriorTransform(PriorDict(PRIORS))
    return ValueChart(transform, transform.keys, in_values, {"a": 8.0, "c": 9e-23}, {"a": 0.5, "c": 1e-24})


@pytest.mark.parametrize("in_values", [("a",), ("c", "a"), ("a", "c")])
def test_a_chart_is_one_to_one_and_knows_its_jacobian(in_values: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    base = 0.3 * rng.standard_normal((200, 3))
    some = chart(in_values)
    parameters, inside = some.inverse(base, rng)
    assert inside.all()
    back, log_jacobian = some.forward(parameters)
    np.testing.assert_allclose(back, base, atol=1e-6)
    step = {key: 1e-6 * value for key, value in (("a", 0.5), ("b", 1.0), ("c", 1e-24))}
    numerical = np.zeros(200)
    for key, width in step.items():
        moved, _ = some.forward({**parameters, key: parameters[key] + width})
        numerical += np.log((moved - back)[:, some.keys.index(key)] / width)
    # A difference of 1e-6 in coordinates that are exact to 1e-15.
    np.testing.assert_allclose(log_jacobian, numerical, atol=1e-4)


def test_what_is_beyond_the_end_of_a_prior_is_outside() -> None:
    some = chart(("a",))
    parameters, inside = some.inverse(
        np.array([[1.9, 0.0, 0.0], [2.1, 0.0, 0.0], [np.inf, 0.0, 0.0]]), np.random.default_rng(1)
    )
    assert inside.tolist() == [True, False, False]
    assert np.all(np.isfinite(parameters["a"]))


def test_a_fit_draws_what_it_was_fitted_to() -> None:
    """Far out, with the density that it says: the mean weight of a normal density over it is one."""
    rng = np.random.default_rng(2)
    some = chart(("a", "c"))
    points = np.stack([0.2 * rng.standard_normal(4000) + 0.5, 0.5 * rng.standard_normal(4000),
                       rng.standard_normal(4000)], axis=-1)  # fmt: skip
    part = Charted(some, {"mixture in values": fit_normals(points, np.zeros(4000), rng, 1.2)})
    assert part.in_values == ("a", "c")
    parameters, inside = part.draw(0, 20_000, rng)
    base, log_jacobian = some.forward(parameters)
    exact = norm(0.5, 0.2).logpdf(base[:, 0]) + norm(0, 0.5).logpdf(base[:, 1]) + norm.logpdf(base[:, 2]) + log_jacobian
    weights = np.where(inside, np.exp(exact - part.log_prob(parameters)[:, 0]), 0.0)
    assert weights.mean() == pytest.approx(1, abs=5 * weights.std() / np.sqrt(20_000))
    assert weights.mean() ** 2 / np.mean(weights**2) > 0.6
