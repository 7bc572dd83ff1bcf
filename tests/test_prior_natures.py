"""The nature of a prior's draws: plain, invertible, or sampled through their quantile."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import (
    Beta,
    Categorical,
    Cauchy,
    ConditionalGaussian,
    ConditionalInterped,
    ConditionalUniform,
    Exponential,
    Gaussian,
    Interped,
    Prior,
    PriorDict,
    SymmetricLogUniform,
    Uniform,
)
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.gw.prior import AlignedSpin, UniformInComponentsMassRatio, UniformSourceFrame

from bilby_flowpe.errors import PriorError
from bilby_flowpe.prior_natures import Nature, log_density, nature_of, natures, rescaled
from bilby_flowpe.priors import PriorTransform


class Drawn(Prior):
    """A prior of one function of the quantile, and one of the value."""

    def __init__(self, rescale, prob=None, minimum=0.0, maximum=1.0) -> None:
        super().__init__(name="x", minimum=minimum, maximum=maximum)
        self._rescale, self._prob = rescale, prob

    def rescale(self, val):
        return self._rescale(val)

    def prob(self, val):
        return np.nan if self._prob is None else self._prob(val)


def unit(x):
    return 1.0 * ((np.asarray(x) >= 0) & (np.asarray(x) <= 1))


PLAIN = {
    "uniform": Uniform(-1, 2),
    "GPS time": Uniform(1126259462.3, 1126259462.5),
    "a narrow GPS time": Uniform(1126259462.3, 1126259462.3 + 1e-5),
    "tails": Cauchy(0, 1),
    "half line": Exponential(2.0),
    "infinite at its ends": Beta(0.5, 0.5),
    "a gap": SymmetricLogUniform(0.1, 5),
    "fine table": UniformSourceFrame(100, 5000, name="luminosity_distance"),
    "mass ratio": UniformInComponentsMassRatio(0.1, 1),
    "aligned spin": AlignedSpin(Uniform(0, 0.99), Uniform(-1, 1)),
    "a spike of no height": SlabSpikePrior(Uniform(0, 1), spike_location=0.3, spike_height=0.0),
}
DRAWS = {
    "coarse table": (Interped(np.linspace(0, 1, 12), np.linspace(0.1, 1, 12) ** 3), False),
    "no density": (Drawn(lambda u: np.asarray(u) ** 2), False),
    "no cdf but Bilby's": (Drawn(lambda u: np.asarray(u) ** 2, lambda x: 0.5 / np.sqrt(x)), True),
}
QUANTILES = {
    "four values": (Categorical(4), True),
    "spike": (SlabSpikePrior(Uniform(0, 1), spike_location=0.3, spike_height=1e-6), True),
    "integers": (Drawn(lambda u: np.floor(10 * np.asarray(u)), lambda x: 0.1 + 0 * x, maximum=9.0), True),
    "a rare value": (Drawn(lambda u: np.maximum(u, 1e-3), unit), True),
    "folded": (Drawn(lambda u: np.abs(2 * np.asarray(u) - 1), unit), True),
    "falling": (Drawn(lambda u: 1 - np.asarray(u), unit), True),
    "numbers only": (Drawn(lambda u: u if u < 0.5 else 1.0 * u, unit), True),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain(name: str) -> None:
    nature = nature_of("x", PLAIN[name])
    assert (nature.how, nature.by_rows) == ("plain", False), nature.reason


@pytest.mark.parametrize("name", DRAWS)
def test_by_draws(name: str) -> None:
    prior, has_density = DRAWS[name]
    nature = nature_of("x", prior)
    assert (nature.how, nature.has_density) == ("draws", has_density)
    assert nature.reason


@pytest.mark.parametrize("name", QUANTILES)
def test_through_the_quantile(name: str) -> None:
    prior, has_density = QUANTILES[name]
    nature = nature_of("x", prior)
    assert (nature.how, nature.has_density, nature.by_rows) == ("quantile", has_density, name == "numbers only")


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        (Drawn(lambda u: np.inf * np.asarray(u)), "proper prior"),
        (Drawn(lambda u: 0.5 + 0 * np.asarray(u)), "fix the parameter"),
        (Drawn(lambda u: 1e200 * np.asarray(u)), "use a prior of smaller values"),
    ],
    ids=["infinite", "one value", "too large"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_refused(prior: Prior, said: str) -> None:
    with pytest.raises(PriorError, match=said):
        nature_of("x", prior)


def of_arrays(reference_params, x):
    return {"minimum": 0.0 * x, "maximum": 1.0 + x}


def of_numbers(reference_params, x):
    return {"minimum": 0.0, "maximum": 1.0 + x if x > 0 else 1.0}


def silently_wrong(reference_params, x):
    return {"minimum": 0.0, "maximum": 1.0 + float(np.max(x))}


def failing(reference_params, x):
    return {"minimum": 0.0, "maximum": 1 / (x - x)}


def narrower(reference_params, x):
    return {"minimum": 0.3 * x}


def nature_given_x(prior: Prior) -> Nature:
    return natures({"x": Uniform(0, 1), "y": prior}, ["x", "y"], {})["y"]


def test_conditional_on_arrays_is_plain() -> None:
    assert nature_given_x(ConditionalUniform(of_arrays, name="y", minimum=0, maximum=1)) == Nature()


@pytest.mark.parametrize("function", [of_numbers, silently_wrong])
def test_conditional_on_numbers_goes_row_by_row(function) -> None:
    nature = nature_given_x(ConditionalUniform(function, name="y", minimum=0, maximum=1))
    assert (nature.how, nature.by_rows, nature.has_density) == ("quantile", True, True)


def test_conditional_table_is_held_against_its_draws() -> None:
    """A conditional table of few points lacks the density of its draws, one of many points has it."""
    coarse, fine = (
        ConditionalInterped(narrower, name="y", xx=np.linspace(0, 2, n), yy=np.linspace(0, 1, n) ** 3)
        for n in (8, 2000)
    )
    assert (nature_given_x(coarse).how, nature_given_x(coarse).has_density) == ("quantile", False)
    assert (nature_given_x(fine).how, nature_given_x(fine).has_density) == ("quantile", True)


def test_condition_that_fails_is_named() -> None:
    with pytest.raises(PriorError, match=r"priors\['y'\].*\{'x': .*ZeroDivisionError"):
        nature_given_x(ConditionalUniform(failing, name="y", minimum=0, maximum=1))


def test_rows_are_the_scalars() -> None:
    prior = ConditionalUniform(of_numbers, name="y", minimum=0, maximum=1)
    u, x = np.array([0.2, 0.5, 0.9]), np.array([-1.0, 0.5, 2.0])
    values = rescaled(prior, u, {"x": x}, by_rows=True)
    np.testing.assert_allclose(values, u * (1 + np.maximum(x, 0)))
    np.testing.assert_allclose(log_density(prior, values, {"x": x}, by_rows=True), -np.log(1 + np.maximum(x, 0)))


def test_the_users_priors_are_left_alone() -> None:
    prior = ConditionalGaussian(lambda reference_params, x: {"mu": x}, name="y", mu=7.0, sigma=1.0)
    natures({"x": Gaussian(0, 1), "y": prior}, ["x", "y"], {})
    assert prior.mu == 7.0


@pytest.mark.parametrize("sigma", [5e-324, 2e-323])
def test_a_prior_narrower_than_numbers_is_refused(sigma: float) -> None:
    """The square of the width is zero in double precision, and Bilby's density zero over zero."""
    with pytest.raises(
        PriorError, match=r"priors\['a'\]=.* is so narrow .* its density is not a number: fix the parameter"
    ):
        natures(PriorDict({"a": Gaussian(0.0, sigma)}), ["a"], {})


@pytest.mark.parametrize("sigma", [1e-300, 1e-170, 1e-150])
def test_a_prior_whose_square_is_no_number_keeps_its_draws(sigma: float) -> None:
    transform = PriorTransform(PriorDict({"a": Gaussian(0.0, sigma)}))
    draws = transform.sample(200, np.random.default_rng(0))
    assert np.std(draws["a"] / sigma) == pytest.approx(1, abs=0.2)
    assert np.all(np.isfinite(transform.log_prob(draws)))
