"""Joint priors under independent ones: ratios of densities against the closed form, and by their sum."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import (
    Constraint,
    Gaussian,
    JointPrior,
    MultivariateGaussian,
    MultivariateGaussianDist,
    PriorDict,
    Uniform,
)
from bilby.core.prior.joint import BaseJointPriorDist
from bilby.core.utils import random
from scipy.stats import multivariate_normal

from bilby_flowpe.errors import PriorError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.covers import AnyPrior, Covers, has_joint
from bilby_flowpe.translation.translate import translated

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


@pytest.mark.parametrize("bounds", [None, [(-1e4, 1e4), (-1.0, 1.0)]])
def test_widths_of_far_apart_units_are_no_singular_covariance(bounds: list[tuple[float, float]] | None) -> None:
    """Hundreds of Mpc and a millisecond in one covariance, for which SciPy raises."""
    scale = np.array([300.0, 1e-3])
    covs = np.outer(scale, scale) * [[1.0, 0.6], [0.6, 1.0]]
    covers = Covers(joint(mus=[[0.0, 0.0]], covs=[covs], **({"bounds": bounds} if bounds else {})))
    draws = PriorTransform(covers.priors).sample(500, np.random.default_rng(0))
    of_cover = sum(covers.priors[key].ln_prob(draws[key]) for key in "ab")
    unit = multivariate_normal(cov=[[1.0, 0.6], [0.6, 1.0]])
    expected = unit.logpdf(np.stack([draws["a"], draws["b"]], axis=-1) / scale) - np.sum(np.log(scale))
    np.testing.assert_allclose(covers.log_ratio(draws) + of_cover, expected, atol=1e-6)


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
        assert np.mean(ratio) == pytest.approx(1.0, abs=4 * np.std(ratio) / np.sqrt(50_000))
        assert covers.log_normalisation_err == 0.0
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


def test_bounded_gaussian_is_the_closed_form() -> None:
    """A quadrant of two Gaussians of correlation r holds 1/4 + arcsin(r) / 2 pi: 0.3524 for 0.6."""
    covers = Covers(joint(bounds=[(1.0, 1e6), (-2.0, 1e6)]))
    draws = PriorTransform(covers.priors).sample(500, np.random.default_rng(0))
    of_cover = sum(covers.priors[key].ln_prob(draws[key]) for key in "ab")
    density = multivariate_normal(MEAN, COVARIANCE).logpdf(np.stack([draws["a"], draws["b"]], axis=-1))
    expected = density - np.log(0.25 + np.arcsin(0.6) / (2 * np.pi))
    np.testing.assert_allclose(covers.log_ratio(draws) + of_cover, expected, atol=1e-6)


def test_bounds_that_leave_nothing_of_a_mode_are_refused() -> None:
    with pytest.raises(PriorError, match="lies within the bounds"):
        Covers(
            joint(
                nmodes=2, mus=[[0.0, 0.0], [60.0, 3.0]], covs=[COVARIANCE] * 2, weights=[0.5, 0.5],
                bounds=[(-3.0, 3.0), (-10.0, 10.0)],
            )
        )  # fmt: skip


class Triangle(BaseJointPriorDist):
    """Uniform where the first is below the second, both in the unit interval; ``ln_prob`` off by a constant factor."""

    def __init__(self, names: list[str], factor: float) -> None:
        super().__init__(names=names, bounds=[(0.0, 1.0), (0.0, 1.0)])
        self.factor = factor

    def _sample(self, size, **kwargs):
        return np.sort(random.rng.random((size, 2)), axis=1)

    def _ln_prob(self, samp, lnprob, outbounds):
        lnprob[:] = np.where(samp[:, 0] <= samp[:, 1], np.log(2.0 * self.factor), -np.inf)
        return lnprob


@pytest.mark.parametrize("factor", [1.0, 0.99, 1.01, 3.0])
def test_error_of_a_density_normalised_by_draws_is_kept(factor: float) -> None:
    dist = Triangle(["a", "b"], factor)
    covers = Covers(PriorDict({key: JointPrior(dist, key) for key in "ab"}))
    assert 0 < covers.log_normalisation_err < 0.02
    middle = {"a": np.array([0.4]), "b": np.array([0.6])}
    of_cover = sum(covers.priors[key].ln_prob(middle[key]) for key in "ab")
    # The factor drops out: the density is two, to the error that is said.
    assert covers.log_ratio(middle) + of_cover == pytest.approx(np.log(2.0), abs=4 * covers.log_normalisation_err)


class Shifted(MultivariateGaussianDist):
    """Draws that are not of its density."""

    def sample(self, size=1, **kwargs):
        super().sample(size, **kwargs)
        self.current_sample["a"] = self.current_sample["a"] + 0.5


@pytest.mark.training
def test_density_and_draws_that_disagree_are_refused() -> None:
    dist = Shifted(["a", "b"], mus=[MEAN], covs=[COVARIANCE])
    with pytest.raises(PriorError, match="different distributions of 'a'"):
        Covers(PriorDict({key: MultivariateGaussian(dist, key) for key in "ab"}))


class Wide(BaseJointPriorDist):
    """Draws as narrow as they are wide in the density, or of another correlation: all means agree."""

    def __init__(self, names: list[str], scale: float, correlation: float) -> None:
        super().__init__(names=names)
        self.covariance = scale**2 * np.array([[1.0, correlation], [correlation, 1.0]])

    def _sample(self, size, **kwargs):
        return random.rng.standard_normal((size, 2))

    def _ln_prob(self, samp, lnprob, outbounds):
        lnprob[:] = multivariate_normal([0, 0], self.covariance).logpdf(samp)
        return lnprob


@pytest.mark.parametrize(("scale", "correlation"), [(1.4, 0.0), (0.7, 0.0), (1.0, 0.4)])
def test_widths_and_correlations_that_disagree_are_refused(scale: float, correlation: float) -> None:
    def priors(dist: Wide) -> PriorDict:
        return PriorDict({key: JointPrior(dist, key) for key in "ab"})

    Covers(priors(Wide(["a", "b"], 1.0, 0.0)))
    with pytest.raises(PriorError, match="density and its draws have different distributions"):
        Covers(priors(Wide(["a", "b"], scale, correlation)))


class Disc(MultivariateGaussianDist):
    """A standard normal cut to the unit disc, which holds 1 - exp(-1/2) of it: a subclass with another density."""

    def _sample(self, size, **kwargs):
        draws = random.rng.standard_normal((20 * size + 100, 2))
        return draws[np.linalg.norm(draws, axis=1) < 1][:size]

    def _ln_prob(self, samp, lnprob, outbounds):
        norm = np.linalg.norm(samp, axis=1)
        density = -0.5 * norm**2 - np.log(2 * np.pi) - np.log(1 - np.exp(-0.5))
        lnprob[:] = np.where(norm < 1, density, -np.inf)
        return lnprob


def test_a_subclass_has_its_own_density() -> None:
    dist = Disc(["a", "b"], mus=[[0, 0]], covs=[np.eye(2)])
    covers = Covers(PriorDict({key: MultivariateGaussian(dist, key) for key in "ab"}))
    rows = {"a": np.array([0.3, 0.9]), "b": np.array([-0.4, 0.9])}
    of_cover = sum(covers.priors[key].ln_prob(rows[key]) for key in "ab")
    found = covers.log_ratio(rows) + of_cover
    expected = -0.5 * 0.25 - np.log(2 * np.pi) - np.log(1 - np.exp(-0.5))
    assert found[0] == pytest.approx(expected, abs=4 * covers.log_normalisation_err)
    assert found[1] == -np.inf


def test_read_back_from_a_file_it_is_one_joint_prior() -> None:
    """After reading from a file, every member has a separate distribution that is equal to the others."""
    priors = joint()
    apart = PriorDict({key: copy.deepcopy(prior) for key, prior in priors.items()})
    assert apart["a"].dist is not apart["b"].dist
    rows = {"a": np.array([0.5, 2.0]), "b": np.array([-1.0, -4.0]), "c": np.array([0.5, 0.5])}
    np.testing.assert_allclose(AnyPrior(apart).log_prob(rows), AnyPrior(priors).log_prob(rows), atol=1e-12)
    other = MultivariateGaussianDist(["a", "b"], mus=[[9.0, 9.0]], covs=[COVARIANCE])
    apart["b"] = MultivariateGaussian(other, "b")
    with pytest.raises(PriorError, match="are not part of it"):
        AnyPrior(apart)


def test_little_within_the_bounds_is_no_long_wait() -> None:
    covers = Covers(joint(mus=[[0, 0]], covs=[np.eye(2)], bounds=[(2.2, 9.0), (1.0, 9.0)]))
    draws = PriorTransform(covers.priors).sample(20_000, np.random.default_rng(5))
    ratio = np.exp(covers.log_ratio(draws))
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * np.std(ratio) / np.sqrt(20_000))


def test_constraints_keep_their_conversion() -> None:
    """Bilby's copy of a dictionary falls back on the conversion of its class."""

    def convert(parameters: dict) -> dict:
        return {**parameters, "sum": parameters["c"] + parameters["d"]}

    priors = PriorDict({**joint(), "d": Uniform(0, 1), "sum": Constraint(0, 0.5)}, conversion_function=convert)
    prior = AnyPrior(priors)
    # A triangle of an eighth is left.
    assert prior.log_normalisation_err > 0
    rows = {"a": np.full(2, 1.0), "b": np.full(2, -2.0), "c": np.array([0.2, 0.4]), "d": np.array([0.2, 0.4])}
    expected = multivariate_normal(MEAN, COVARIANCE).logpdf(MEAN) + np.log(8.0)
    assert prior.log_prob(rows)[0] == pytest.approx(expected, abs=5 * prior.log_normalisation_err + 1e-6)
    assert prior.log_prob(rows)[1] == -np.inf
    tied = PriorDict(
        {**joint(), "sum": Constraint(0, 0.5)},
        conversion_function=lambda parameters: {**parameters, "sum": parameters["a"]},
    )
    with pytest.raises(PriorError, match="tied to others"):
        translated(Likelihood(), tied)


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
    with pytest.raises(PriorError, match="cannot be covered"):
        Covers(joint(names, mus=[np.zeros(8)], covs=[thin]))


def test_only_joint_ones_need_covers() -> None:
    assert has_joint(joint())
    assert not has_joint(PriorDict({"a": Uniform(0, 1)}))
