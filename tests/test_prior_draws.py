"""Priors as their draws have them: against closed forms of the distribution and the density of ``rescale``."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from bilby.core.prior import Interped, Prior
from scipy.special import ndtr

from bilby_flowpe.prior_draws import ByDraws


class Cubic(Prior):
    """Draws ``20 u^3 - 10`` and says nothing else."""

    def __init__(self) -> None:
        super().__init__(name="x", minimum=-10.0, maximum=10.0)

    def rescale(self, val):
        return 20 * np.asarray(val) ** 3 - 10


class Steep(Prior):
    """An exponential of 5000 lengths: the first of Bilby's 1000 points has a fifth of it all behind it."""

    def __init__(self) -> None:
        super().__init__(name="x", minimum=0.0, maximum=1.0)

    def rescale(self, val):
        return -np.log1p(-np.asarray(val) * -np.expm1(-5000.0)) / 5000

    def prob(self, val):
        return 5000 * np.exp(-5000 * np.asarray(val))


U = ndtr(np.linspace(-6, 6, 1001))


@pytest.mark.parametrize("given", [Cubic(), Steep()], ids=["cubic", "steep"])
def test_distribution_inverts_the_draws(given) -> None:
    prior = ByDraws(given, has_density=False)
    # What rounding of x does to u: half a unit of its last decimal over the slope.
    u = U[400:]
    x = given.rescale(u)
    rounding = np.spacing(np.abs(x)) * np.exp(prior.ln_prob(x))
    assert np.all(np.abs(prior.cdf(x) - u) < 1e-14 + 4 * rounding)
    assert prior.cdf(-11.0) == 0.0
    assert prior.cdf(11.0) == 1.0
    assert isinstance(prior.cdf(float(x[100])), float)


def test_bilbys_stand_in_would_not() -> None:
    """If this fails, Bilby's own ``cdf`` has become good enough."""
    assert np.max(np.abs(Steep().cdf(Steep().rescale(U)) - U)) > 0.1


def test_density_is_the_slope_of_the_draws() -> None:
    prior = ByDraws(Cubic(), has_density=False)
    u = np.linspace(0.05, 0.95, 50)
    # Of x = 20 u^3 - 10 the density is 1 / (60 u^2); differences over 1e-3 leave their square times third derivatives.
    np.testing.assert_allclose(prior.prob(Cubic().rescale(u)), 1 / (60 * u**2), rtol=1e-4)
    assert np.isneginf(prior.ln_prob(np.array([-10.5, 10.5]))).all()
    assert isinstance(prior.ln_prob(0.0), float)


def test_density_of_a_table_is_even_between_its_points() -> None:
    x = np.linspace(0.0, 4.0, 5)
    given = Interped(x, np.array([0.0, 1.0, 4.0, 1.0, 0.0]))
    prior = ByDraws(given, has_density=False)
    middle = 0.5 * (x[1:] + x[:-1])
    np.testing.assert_allclose(prior.prob(middle), np.diff(given.YY), rtol=1e-4)


def test_a_density_that_is_right_is_kept() -> None:
    x = Steep().rescale(U[100:-100])
    np.testing.assert_array_equal(ByDraws(Steep(), has_density=True).prob(x), np.exp(np.log(Steep().prob(x))))


def test_is_a_prior_like_the_one_given() -> None:
    given = Interped(np.linspace(0, 1, 5), np.ones(5), name="x", boundary="reflective")
    prior = copy.deepcopy(ByDraws(given, has_density=False))
    assert (prior.minimum, prior.maximum, prior.boundary) == (0.0, 1.0, "reflective")
    assert "Interped" in repr(prior)
    assert prior.get_instantiation_dict()["xx"] is not None
    np.testing.assert_array_equal(prior.rescale(U), given.rescale(U))
