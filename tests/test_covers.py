"""Joint priors under independent ones: ratios of densities against the closed form, and by their sum."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import Gaussian, MultivariateGaussian, MultivariateGaussianDist, PriorDict, Uniform
from bilby.core.utils import random
from scipy.stats import multivariate_normal

from bilby_flowpe.covers import Covers, has_joint
from bilby_flowpe.errors import PriorError
from bilby_flowpe.priors import PriorTransform

MEAN, COVARIANCE = [1.0, -2.0], [[1.0, 1.2], [1.2, 4.0]]


def joint(names: tuple[str, ...] = ("a", "b"), **changes) -> PriorDict:
    arguments = {"mus": [MEAN], "covs": [COVARIANCE], **changes}
    dist = MultivariateGaussianDist(list(names), **arguments)
    return PriorDict({**{name: MultivariateGaussian(dist, name) for name in names}, "c": Uniform(0, 1)})


def test_density_is_the_closed_form() -> None:
    covers = Covers(joint())
    draws = PriorTransform(covers.priors).sample(500, np.random.default_rng(0))
    of_cover = sum(covers.priors[key].ln_prob(draws[key]) for key in "ab")
    expected = multivariate_normal(MEAN, COVARIANCE).logpdf(np.stack([draws["a"], draws["b"]], axis=-1))
    np.testing.assert_allclose(covers.log_ratio(draws) + of_cover, expected, atol=1e-9)


def test_cover_is_wider_than_the_marginals() -> None:
    covers = Covers(joint())
    assert set(covers.priors) == {"a", "b"}
    for key, sigma in (("a", 1.0), ("b", 2.0)):
        # Twice the deviation, known from 5000 draws to one per cent.
        assert isinstance(covers.priors[key], Gaussian)
        assert covers.priors[key].sigma == pytest.approx(2 * sigma, rel=0.04)


def test_bounded_and_many_modes_are_normalised() -> None:
    """Bilby's densities are not: bounds cut off mass, and weights of modes are left out."""
    bounded = Covers(joint(bounds=[(0.0, 3.0), (-10.0, 10.0)]))
    mixture = Covers(joint(nmodes=2, mus=[[0.0, 0.0], [6.0, 3.0]], covs=[COVARIANCE, COVARIANCE], weights=[0.2, 0.8]))
    for covers in (bounded, mixture):
        draws = PriorTransform(covers.priors).sample(50_000, np.random.default_rng(5))
        ratio = np.exp(covers.log_ratio(draws))
        # Two sets of draws: that of the test, and one as large that the scale was found with.
        error = np.std(ratio) / np.sqrt(50_000) * np.sqrt(2)
        assert np.mean(ratio) == pytest.approx(1.0, abs=4 * error)
    outside = {"a": np.array([-0.1, 3.1, 1.0]), "b": np.array([0.0, 0.0, 10.1])}
    assert np.all(np.isneginf(bounded.log_ratio(outside)))


def test_modes_have_the_weights_of_bilbys_draws() -> None:
    dist = MultivariateGaussianDist(
        ["a", "b"], nmodes=2, mus=[[0.0, 0.0], [6.0, 3.0]], covs=[COVARIANCE, COVARIANCE], weights=[0.2, 0.8]
    )
    priors = PriorDict({key: MultivariateGaussian(dist, key) for key in "ab"})
    covers = Covers(priors)
    draws = PriorTransform(covers.priors).sample(50_000, np.random.default_rng(5))
    weights = np.exp(covers.log_ratio(draws))
    weights /= weights.sum()
    # The share of the mode at 6: a deviation is 1, the modes are told apart at 3 to a thousandth.
    share, error = np.sum(weights * (draws["a"] > 3)), np.sqrt(0.16 * np.sum(weights**2))
    assert share == pytest.approx(0.8, abs=4 * error + 2e-3)


class Shifted(MultivariateGaussianDist):
    """Draws that are not of its density."""

    def sample(self, size=1, **kwargs):
        super().sample(size, **kwargs)
        self.current_sample["a"] = self.current_sample["a"] + 0.5


def test_density_and_draws_that_disagree_are_refused() -> None:
    dist = Shifted(["a", "b"], mus=[MEAN], covs=[COVARIANCE])
    with pytest.raises(PriorError, match="by its density the mean of 'a'"):
        Covers(PriorDict({key: MultivariateGaussian(dist, key) for key in "ab"}))


def test_same_numbers_every_time_and_bilbys_generator_left_alone() -> None:
    before = random.rng.bit_generator.state
    first = Covers(joint(nmodes=2, mus=[[0, 0], [3, 3]], covs=[COVARIANCE] * 2, weights=[0.5, 0.5])).priors
    assert random.rng.bit_generator.state == before
    random.rng.random(7)
    second = Covers(joint(nmodes=2, mus=[[0, 0], [3, 3]], covs=[COVARIANCE] * 2, weights=[0.5, 0.5])).priors
    assert first == second


def test_refusals() -> None:
    half = joint()
    half["b"] = Uniform(0, 1)
    with pytest.raises(PriorError, match="'b'"):
        Covers(half)
    names = tuple("defghijk")
    thin = np.full((8, 8), 0.9999) + np.eye(8) * 1e-4
    with pytest.raises(PriorError, match="not covered"):
        Covers(joint(names, mus=[np.zeros(8)], covs=[thin]))


def test_only_joint_ones_need_covers() -> None:
    assert has_joint(joint())
    assert not has_joint(PriorDict({"a": Uniform(0, 1)}))
