"""The map between Bilby priors and standard-normal coordinates, against Bilby, quadrature and finite differences.

Kolmogorov-Smirnov tests have fixed seeds and fail below a p-value of 1e-3: each passes for one seed in a thousand wrongly set
up, and none is tuned.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from bilby.core.prior import (
    ConditionalPowerLaw,
    ConditionalPriorDict,
    ConditionalUniform,
    Constraint,
    Cosine,
    DeltaFunction,
    Gaussian,
    Interped,
    LogUniform,
    MultivariateGaussian,
    MultivariateGaussianDist,
    PowerLaw,
    Prior,
    PriorDict,
    Sine,
    SymmetricLogUniform,
    TruncatedGaussian,
    Uniform,
)
from bilby.core.prior.slabspike import SlabSpikePrior
from bilby.core.utils import random as bilby_random
from bilby.gw.prior import BBHPriorDict
from scipy.stats import kstest, norm

from bilby_flowpe.errors import PriorError
from bilby_flowpe.priors import PriorTransform, prior_dict

P_VALUE = 1e-3


@pytest.fixture(autouse=True)
def bilby_generator() -> Iterator[None]:
    """Bilby's global generator at a fixed seed, and afterwards as it was."""
    state = bilby_random.rng.bit_generator.state
    bilby_random.seed(20200218)
    yield
    bilby_random.rng.bit_generator.state = state


def between_zero_and_x(reference_params: dict, x: np.ndarray) -> dict:
    return {"minimum": 0.0 * x, "maximum": x}


def from_y_on(reference_params: dict, y: np.ndarray, offset: float) -> dict:
    return {"alpha": reference_params["alpha"], "minimum": 1 + y + offset, "maximum": 4.0 + y}


def conditional_priors() -> ConditionalPriorDict:
    """A chain of conditions in an order that is not that of the dictionary, one on a fixed parameter."""
    return ConditionalPriorDict(
        {
            "z": ConditionalPowerLaw(from_y_on, name="z", alpha=2, minimum=1, maximum=4),
            "y": ConditionalUniform(between_zero_and_x, name="y", minimum=0, maximum=1),
            "x": Uniform(1, 2),
            "offset": DeltaFunction(0.5),
        }
    )


def total(parameters: dict) -> dict:
    """Conversion function of the constrained examples."""
    return {**parameters, "total": parameters["x"] + parameters["y"]} if {"x", "y"} <= set(parameters) else parameters


def ordered_masses(**more: object) -> BBHPriorDict:
    return BBHPriorDict(
        dictionary={
            "mass_1": PowerLaw(-1.5, 5, 80),
            "mass_2": PowerLaw(-1.5, 5, 80),
            "mass_ratio": Constraint(0, 1),
            **more,
        }
    )


def mixed_priors() -> PriorDict:
    return PriorDict(
        {
            "a": Uniform(-3, 5),
            "b": PowerLaw(2, 100, 3000),
            "c": Sine(),
            "d": Cosine(),
            "e": LogUniform(1e-3, 1e3),
            "f": Gaussian(4, 0.2),
            "g": DeltaFunction(7.0),
            "h": 0.25,
        }
    )


CASES = {
    "mixed": mixed_priors,
    "conditional": conditional_priors,
    "ordered pair": ordered_masses,
    "aligned BBH": lambda: BBHPriorDict(aligned_spin=True),
    "precessing BBH": BBHPriorDict,
}


@cache
def built(name: str) -> tuple[PriorDict, PriorTransform]:
    """Priors and their transform, built once for all tests: half a second each for Bilby's tables and a constraint."""
    priors = CASES[name]()
    return priors, PriorTransform(priors)


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[PriorDict, PriorTransform]:
    return built(request.param)


def bilby_draws(priors: PriorDict, size: int) -> dict[str, np.ndarray]:
    """Draws by Bilby alone."""
    return {key: np.asarray(value) for key, value in priors.sample(size).items()}


class TestMap:
    def test_round_trip_from_coordinates(self, case):
        _, transform = case
        v = np.random.default_rng(1).uniform(-4, 4, size=(500, transform.ndim))
        again = transform.to_unconstrained(transform.from_unconstrained(v))
        # Bilby's interpolated priors tabulate the distribution function and its inverse; the others invert it to rounding,
        # 1e-16 in the distribution function, which the slope of the probit at 4 sigma (7e3) makes 1e-11.
        interpolated = any(isinstance(transform.priors[key], Interped) for key in transform.keys)
        np.testing.assert_allclose(again, v, atol=1e-6 if interpolated else 1e-9)

    def test_round_trip_from_parameters(self, case):
        priors, transform = case
        draws = {key: value for key, value in bilby_draws(priors, 500).items() if key in transform.keys}
        again = transform.from_unconstrained(transform.to_unconstrained(draws))
        for key in transform.keys:
            np.testing.assert_allclose(again[key], draws[key], rtol=1e-6, atol=1e-9, err_msg=key)

    def test_bilbys_own_draws_have_standard_normal_coordinates(self, case):
        priors, transform = case
        v = transform.to_unconstrained(bilby_draws(priors, 20_000))
        general = transform.constraints and not transform.ordered_pair
        tied = set(transform.keys) - set(transform.independent_keys()) if general else set()
        for index, key in enumerate(transform.keys):
            if key not in tied:
                assert kstest(v[:, index], "norm").pvalue > P_VALUE, key
        free = [index for index, key in enumerate(transform.keys) if key not in tied]
        correlation = np.atleast_2d(np.corrcoef(v[:, free].T)) - np.eye(len(free))
        # Each correlation coefficient has a standard error of 1/sqrt(N).
        assert np.abs(correlation).max() < 5 / np.sqrt(len(v))

    def test_coordinates_keep_the_order_of_the_keys_and_the_columns_apart(self, case):
        _, transform = case
        v = np.random.default_rng(2).standard_normal((6, transform.ndim))
        parameters = transform.from_unconstrained(v)
        assert tuple(parameters) == transform.keys
        for row in range(6):
            alone = transform.from_unconstrained(v[row : row + 1])
            for key in transform.keys:
                np.testing.assert_allclose(alone[key][0], parameters[key][row], rtol=1e-14)

    def test_far_tails_stay_inside_the_prior(self, case):
        _, transform = case
        for extreme in (-40.0, 40.0):
            parameters = transform.from_unconstrained(np.full((3, transform.ndim), extreme))
            for key in transform.keys:
                prior = transform.priors[key]
                assert np.all(np.isfinite(parameters[key]))
                assert np.all((parameters[key] >= prior.minimum) & (parameters[key] <= prior.maximum)), key

    def test_the_users_priors_are_left_alone(self):
        priors = conditional_priors()
        before = repr(priors), priors["y"].maximum
        PriorTransform(priors).sample(10, np.random.default_rng(0))
        assert (repr(priors), priors["y"].maximum) == before

    def test_fixed_parameters_and_constraints_are_no_coordinates(self):
        transform = PriorTransform(mixed_priors())
        assert transform.keys == ("a", "b", "c", "d", "e", "f")
        assert transform.fixed == {"g": 7.0, "h": 0.25}
        assert PriorTransform(ordered_masses()).keys == ("mass_1", "mass_2")

    def test_median(self):
        median = PriorTransform(mixed_priors()).from_median()
        expected = {"a": 1.0, "b": (0.5 * (100**3 + 3000**3)) ** (1 / 3), "c": np.pi / 2, "d": 0.0, "e": 1.0, "f": 4.0}
        for key, value in expected.items():
            assert median[key] == pytest.approx(value, abs=1e-9), key

    def test_moments(self):
        moments = PriorTransform(mixed_priors()).moments(np.random.default_rng(3))
        # 2e5 draws: five standard errors of mean and standard deviation.
        assert moments["a"] == pytest.approx((1.0, 8 / 12**0.5), abs=5 * 8 / 12**0.5 / 2e5**0.5)
        assert moments["f"] == pytest.approx((4.0, 0.2), abs=5 * 0.2 / 2e5**0.5)


class TestNotBilbysRescale:
    """``PriorDict.rescale`` of conditional dictionaries, and so of all of Bilby's CBC ones, confuses arrays."""

    @pytest.mark.parametrize("make", [conditional_priors, ordered_masses], ids=["conditional", "CBC"])
    def test_rows_are_those_of_bilbys_rescale_one_at_a_time(self, make):
        priors = make()
        transform = PriorTransform(priors)
        v = np.random.default_rng(4).standard_normal((20, transform.ndim))
        u = norm.cdf(v)
        if transform.ordered_pair:
            u[:, 0] **= 0.5
            u[:, 1] *= u[:, 0]
        ours = transform.from_unconstrained(v)
        rows = np.array([priors.rescale(transform.keys, [float(x) for x in row]) for row in u])
        for index, key in enumerate(transform.keys):
            np.testing.assert_allclose(ours[key], rows[:, index], rtol=1e-13)

    def test_arrays_through_bilbys_rescale_would_not_be(self):
        """If this fails, Bilby has been corrected and ``from_unconstrained`` can be simplified."""
        priors = ordered_masses(chi_1=Uniform(-1, 1))
        u = np.random.default_rng(5).uniform(size=(3, 10))
        columns = priors.rescale(["mass_1", "mass_2", "chi_1"], list(u))
        assert not np.allclose(columns[0], priors["mass_1"].rescale(u[0]))


class TestOrderedPair:
    def test_is_found(self):
        assert PriorTransform(ordered_masses()).ordered_pair == ("mass_1", "mass_2")

    def test_is_found_for_tabulated_priors(self):
        grid = np.linspace(5, 80, 50)
        masses = {key: Interped(grid, grid**-1.5) for key in ("mass_1", "mass_2")}
        assert PriorTransform(ordered_masses(**masses)).ordered_pair == ("mass_1", "mass_2")
        masses["mass_2"] = Interped(grid, grid**-1.0)
        assert PriorTransform(ordered_masses(**masses)).ordered_pair is None

    @pytest.mark.parametrize(
        "change",
        [{"mass_2": PowerLaw(-1.5, 5, 79)}, {"mass_2": Uniform(5, 80)}, {"mass_ratio": Constraint(0, 0.9)}],
        ids=["another range", "another shape", "another limit"],
    )
    def test_is_not_made_where_the_distributions_or_the_limit_differ(self, change):
        transform = PriorTransform(ordered_masses(**change))
        assert transform.ordered_pair is None
        draws = transform.sample(1000, np.random.default_rng(6))
        assert np.all(draws["mass_2"] < draws["mass_1"])

    def test_is_not_made_where_bilby_does_not_constrain(self):
        """A dictionary without a conversion function never sees the ratio."""
        priors = PriorDict({"mass_1": Uniform(5, 80), "mass_2": Uniform(5, 80), "mass_ratio": Constraint(0, 1)})
        draws = bilby_draws(priors, 1000)
        assert np.any(draws["mass_2"] > draws["mass_1"])
        transform = PriorTransform(priors)
        assert transform.ordered_pair is None
        assert transform.log_normalisation == 0

    def test_is_exactly_bilbys_constrained_prior(self):
        transform = PriorTransform(ordered_masses())
        ours = transform.from_unconstrained(np.random.default_rng(7).standard_normal((20_000, 2)))
        # Rejection by hand, from one-dimensional draws by Bilby.
        one, two = (PowerLaw(-1.5, 5, 80).sample(60_000) for _ in range(2))
        kept = one > two
        for key, column in (("mass_1", one[kept]), ("mass_2", two[kept])):
            assert kstest(ours[key], column).pvalue > P_VALUE, key
        assert kstest(ours["mass_2"] / ours["mass_1"], (two / one)[kept]).pvalue > P_VALUE

    def test_never_violates_the_constraint(self):
        transform = PriorTransform(ordered_masses())
        v = np.random.default_rng(8).uniform(-12, 12, size=(100_000, 2))
        parameters = transform.from_unconstrained(v)
        assert np.all(parameters["mass_1"] >= parameters["mass_2"])
        # Beyond eight sigma the two masses may be one number: the ratio is then 1, which Bilby's constraint excludes.
        near = np.all(np.abs(v) < 6, axis=1)
        assert np.all(transform.satisfies({key: value[near] for key, value in parameters.items()}))

    def test_log_prob_is_bilbys_with_a_factor_two(self):
        priors = ordered_masses()
        transform = PriorTransform(priors)
        draws = {key: value for key, value in bilby_draws(priors, 1000).items() if key in transform.keys}
        bilby = priors.ln_prob(draws, axis=0, normalized=False) + np.log(2)
        np.testing.assert_allclose(transform.log_prob(draws), bilby, rtol=1e-13)
        # Bilby's own factor is a Monte Carlo one: ten times at least 1e4 accepted, rounded to what is certain.
        normalised = priors.ln_prob(draws, axis=0, normalized=True)
        np.testing.assert_allclose(transform.log_prob(draws), normalised, atol=0.02)

    def test_a_further_constraint_on_the_pair_is_kept(self):
        transform = PriorTransform(ordered_masses(chirp_mass=Constraint(20, 40)))
        assert transform.ordered_pair
        draws = transform.sample(2000, np.random.default_rng(9))
        chirp = (draws["mass_1"] * draws["mass_2"]) ** 0.6 / (draws["mass_1"] + draws["mass_2"]) ** 0.2
        assert 20 < chirp.min() < chirp.max() < 40
        assert transform.log_normalisation > np.log(2) + 0.5


class TestDensity:
    def test_log_prob_is_bilbys_normalised_one_for_a_general_constraint(self):
        priors, transform = built("aligned BBH")
        draws = {key: value for key, value in bilby_draws(priors, 500).items() if key in transform.keys}
        difference = transform.log_prob(draws) - priors.ln_prob(draws, axis=0, normalized=True)
        # The same number for every row; two Monte Carlo factors, ours of 4e5 draws, Bilby's rounded at three of its errors.
        assert np.ptp(difference) < 1e-9
        assert abs(difference[0]) < 0.03

    def test_outside_is_minus_infinity(self):
        _, transform = built("aligned BBH")
        middle = {key: np.full(4, value) for key, value in transform.from_median().items()}
        middle |= {"chirp_mass": np.array([40.0, 24.0, 99.0, 40.0]), "mass_ratio": np.array([0.8, 0.8, 0.2, 1.01])}
        # Row 2 is inside both one-dimensional priors, and has a component of more than 100 solar masses.
        np.testing.assert_array_equal(np.isfinite(transform.log_prob(middle)), [True, False, False, False])
        np.testing.assert_array_equal(transform.satisfies(middle)[[0, 2]], [True, False])

    def test_a_constrained_density_integrates_to_one(self):
        priors = PriorDict(
            {"x": Uniform(0, 2), "y": PowerLaw(1, 0.5, 3), "total": Constraint(1, 3)}, conversion_function=total
        )
        n = 1000
        x, y = np.meshgrid((np.arange(n) + 0.5) * 2 / n, 0.5 + (np.arange(n) + 0.5) * 2.5 / n)
        transform = PriorTransform(priors)
        density = np.exp(transform.log_prob({"x": x.ravel(), "y": y.ravel()}))
        integral = density.sum() * 2 / n * 2.5 / n
        # The accepted share p, about a half, comes from 4e5 draws: relative error sqrt((1 - p) / p / 4e5) = 1.6e-3.
        assert integral == pytest.approx(1, abs=5 * 1.6e-3)
        assert np.exp(-transform.log_normalisation) == pytest.approx(0.5, abs=0.2)

    def test_the_ordered_pairs_density_integrates_to_one(self):
        transform = PriorTransform(ordered_masses())
        n = 1500
        mass = 5 + (np.arange(n) + 0.5) * 75 / n
        one, two = (mesh.ravel() for mesh in np.meshgrid(mass, mass))
        integral = np.exp(transform.log_prob({"mass_1": one, "mass_2": two})).sum() * (75 / n) ** 2
        # The cells on the diagonal are left out, half of which belongs: sum p^2 dm^2 < 0.2 dm, as p is below 0.2.
        assert integral == pytest.approx(1, abs=0.2 * 75 / n)

    def test_conditional_density(self):
        transform = PriorTransform(conditional_priors())
        draws = bilby_draws(conditional_priors(), 300)
        low, high = 1 + draws["y"] + 0.5, 4 + draws["y"]
        by_hand = -np.log(draws["x"]) + np.log(3 * draws["z"] ** 2 / (high**3 - low**3))
        np.testing.assert_allclose(transform.log_prob(draws), by_hand, rtol=1e-10)

    def test_independent_constraint_free_density_is_bilbys(self):
        priors = mixed_priors()
        transform = PriorTransform(priors)
        draws = {key: value for key, value in bilby_draws(priors, 300).items() if key in transform.keys}
        np.testing.assert_allclose(transform.log_prob(draws), priors.ln_prob(draws, axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", ["mixed", "conditional", "ordered pair"])
def test_log_jacobian_is_that_of_finite_differences(name):
    transform = PriorTransform(CASES[name]())
    v = np.random.default_rng(10).uniform(-2, 2, size=(20, transform.ndim))
    step = 1e-4
    jacobian = np.empty((len(v), transform.ndim, transform.ndim))
    for column in range(transform.ndim):
        ends = [transform.from_unconstrained(v + sign * step * np.eye(transform.ndim)[column]) for sign in (1, -1)]
        for row, key in enumerate(transform.keys):
            jacobian[:, row, column] = (ends[0][key] - ends[1][key]) / (2 * step)
    numerical = -np.linalg.slogdet(jacobian).logabsdet
    ours = transform.log_jacobian(transform.from_unconstrained(v), v, transform.keys)
    # Central differences: an error of step^2 times third derivatives (of order ten here).
    np.testing.assert_allclose(ours, numerical, atol=1e-6)


def test_log_jacobian_of_some_keys_is_prior_over_standard_normal():
    transform = PriorTransform(mixed_priors())
    v = np.random.default_rng(11).standard_normal((50, transform.ndim))
    parameters = transform.from_unconstrained(v)
    expected = sum(
        mixed_priors()[key].ln_prob(parameters[key]) - norm.logpdf(v[:, transform.keys.index(key)])
        for key in ("b", "d")
    )
    np.testing.assert_allclose(transform.log_jacobian(parameters, v, ("b", "d")), expected, rtol=1e-9, atol=1e-12)


class TestSample:
    def test_is_bilbys_constrained_prior(self):
        priors, transform = built("aligned BBH")
        ours = transform.sample(10_000, np.random.default_rng(12))
        theirs = bilby_draws(priors, 10_000)
        for key in ours:
            assert len(ours[key]) == 10_000
            assert kstest(ours[key], theirs[key]).pvalue > P_VALUE, key

    def test_is_reproducible_and_leaves_bilbys_generator_alone(self):
        transform = PriorTransform(ordered_masses())
        before = bilby_random.rng.bit_generator.state
        one, two = (transform.sample(20, np.random.default_rng(13)) for _ in range(2))
        np.testing.assert_array_equal(one["mass_1"], two["mass_1"])
        assert bilby_random.rng.bit_generator.state == before


class TestIndependentKeys:
    def test_pair_and_conditions_are_tied(self):
        assert PriorTransform(ordered_masses(chi_1=Uniform(0, 1))).independent_keys() == ("chi_1",)
        assert PriorTransform(conditional_priors()).independent_keys() == ()
        assert PriorTransform(mixed_priors()).independent_keys() == ("a", "b", "c", "d", "e", "f")

    def test_parameters_of_a_constraint_are_found_by_moving_them(self):
        priors = PriorDict(
            {"w": Uniform(0, 1), "x": Uniform(0, 1), "y": Uniform(0, 1), "total": Constraint(0, 1)},
            conversion_function=total,
        )
        assert PriorTransform(priors).independent_keys() == ("w",)
        aligned = built("aligned BBH")[1].independent_keys()
        assert set(aligned) == {"luminosity_distance", "dec", "ra", "theta_jn", "psi", "phase", "chi_1", "chi_2"}


class TestErrors:
    def test_nothing_to_sample(self):
        with pytest.raises(PriorError, match="every parameter is fixed"):
            PriorTransform(PriorDict({"x": 1.0, "y": DeltaFunction(2.0), "total": Constraint(0, 5)}))

    def test_joint_prior(self):
        joint = MultivariateGaussianDist(["x", "y"], mus=[0.0, 0.0], covs=np.eye(2))
        priors = PriorDict({"x": MultivariateGaussian(joint, "x"), "y": MultivariateGaussian(joint, "y")})
        with pytest.raises(PriorError, match=r"priors\['x'\].*joint prior"):
            PriorTransform(priors)

    @pytest.mark.parametrize("prior", [Uniform(0, np.inf), Uniform(-np.inf, np.inf)], ids=["half line", "line"])
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_improper_range(self, prior):
        with pytest.raises(PriorError, match=r"priors\['x'\].*proper prior"):
            PriorTransform(PriorDict({"x": prior}))

    @pytest.mark.parametrize("height", [0.5, 0.2, 0.01, 1e-6])
    def test_spike(self, height):
        prior = SlabSpikePrior(Uniform(-5, 5), spike_location=4.9, spike_height=height)
        with pytest.raises(PriorError, match=r"priors\['x'\]"):
            PriorTransform(PriorDict({"x": prior}))

    @pytest.mark.parametrize("prior", [PowerLaw(-1, 0, 5), Prior(name="x"), Gaussian(0, 1e300)])
    def test_what_cannot_be_evaluated(self, prior):
        with pytest.raises(PriorError, match=r"priors\['x'\]"):
            PriorTransform(PriorDict({"x": prior}))

    def test_a_repr_that_fails(self):
        with pytest.raises(PriorError, match=r"priors\['x'\]=TruncatedGaussian"):
            PriorTransform(PriorDict({"x": TruncatedGaussian(0, 0, -1, 1)}))

    def test_constraint_that_leaves_next_to_nothing(self):
        priors = PriorDict(
            {"x": Uniform(0, 1), "y": Uniform(0, 1), "total": Constraint(1.999, 2)}, conversion_function=total
        )
        # The corner's share is 0.001^2 / 2.
        with pytest.raises(PriorError, match=r"\['total'\] leave a fraction of"):
            PriorTransform(priors)


class TestDensityAndCumulativeDistribution:
    @pytest.mark.parametrize("prior", [Sine(0.2, 1.4), Cosine(-0.3, 0.9)], ids=["sine", "cosine"])
    def test_narrowed_angles_are_normalised(self, prior):
        """Bilby's density of these is that over the whole sphere; its samplers go by the cumulative distribution."""
        transform = PriorTransform(PriorDict({"x": prior, "y": Uniform(0, 2)}))
        grid = np.linspace(prior.minimum, prior.maximum, 20_001)
        columns = {"x": grid, "y": np.ones_like(grid)}
        assert np.trapezoid(np.exp(transform.log_prob(columns)) * 2, grid) == pytest.approx(1, abs=1e-6)
        assert np.trapezoid(np.exp(transform.log_prob(columns, ("x",))), grid) == pytest.approx(1, abs=1e-6)
        inner = grid[100:-100]
        v = transform.to_unconstrained({"x": inner, "y": np.ones_like(inner)})
        slope = np.gradient(v[:, 0], inner)[1:-1]
        jacobian = transform.log_jacobian({"x": inner, "y": np.ones_like(inner)}, v, ("x",))[1:-1]
        np.testing.assert_allclose(np.exp(jacobian), slope, rtol=1e-3)

    def test_whole_priors_are_left_as_they_are(self):
        _, transform = built("aligned BBH")
        assert set(transform.log_scale) == set(transform.keys)
        assert max(abs(value) for value in transform.log_scale.values()) < 2e-3
        assert PriorTransform(mixed_priors()).log_scale == dict.fromkeys("abcdef", 0.0)

    @pytest.mark.parametrize("width", [1e-6, 1e-4, 3e-4, 1e-2, 0.2])
    def test_windows_of_gps_times_are_as_wide_as_they_say(self, width):
        assert PriorTransform(PriorDict({"x": Uniform(1126259462.8, 1126259462.8 + width)})).log_scale["x"] == 0.0

    def test_a_gap_in_the_support_is_none_in_the_density(self):
        assert abs(PriorTransform(PriorDict({"x": SymmetricLogUniform(1, 2)})).log_scale["x"]) < 1e-3

    def test_the_draws_count_where_the_density_is_another(self):
        """As in nested samplers ``prob``, which is twice the density of the draws at the upper end, is not used."""

        class Tilted(Uniform):
            def prob(self, val):
                return 2 * val * self.is_in_prior_range(val)

            def ln_prob(self, val):
                return np.log(self.prob(val))

        transform = PriorTransform(PriorDict({"x": Tilted(0, 1)}))
        assert "slope of rescale" in transform.by_draws["x"]
        x = {"x": np.linspace(0.01, 0.99, 50)}
        # The slope comes from differences of quantiles over 1e-3 of a deviation: an error of its square.
        np.testing.assert_allclose(transform.log_prob(x), 0.0, atol=1e-5)
        v = transform.to_unconstrained(x)
        np.testing.assert_allclose(norm.cdf(v[:, 0]), x["x"], atol=1e-12)


def test_the_edges_of_a_prior_have_finite_coordinates() -> None:
    """Draws reach the last quantile that differs from its end, on both sides; there is no density beyond."""
    transform = PriorTransform(PriorDict({"x": Uniform(-1.0, 3.0)}))
    parameters = {"x": np.array([-1.0, 1.0, 3.0, 2.999999999])}
    v = transform.to_unconstrained(parameters)
    assert v[:, 0] == pytest.approx([-norm.isf(1e-15), 0.0, norm.isf(1e-15), norm.isf(2.5e-10)], rel=1e-3)
    jacobian = transform.log_jacobian(parameters, v, ("x",))
    assert np.isneginf(jacobian[[0, 2]]).all()
    assert jacobian[1] == pytest.approx(-np.log(4.0) + 0.5 * np.log(2 * np.pi))
    assert transform.outermost(parameters)["x"].tolist() == [True, False, True, False]


def test_density_of_some_keys_minds_their_constraints_alone() -> None:
    """The density is plain for parameters that no constraint ties, also where another one breaks a constraint."""
    priors = BBHPriorDict({"mass_1": Uniform(10, 50), "mass_2": Uniform(20, 60), "phase": Uniform(0, 4)})
    priors["mass_ratio"] = Constraint(0, 1)
    transform = PriorTransform(priors)
    rows = {"mass_1": np.array([30.0, 30.0]), "mass_2": np.array([25.0, 40.0]), "phase": np.array([1.0, 1.0])}
    assert transform.log_prob(rows, ("phase",)) == pytest.approx([-np.log(4.0)] * 2)
    tied = transform.log_prob(rows, ("mass_1", "mass_2"))
    assert tied[0] > -2 * np.log(40.0) and np.isneginf(tied[1])


def test_a_plain_table_is_a_table_of_priors() -> None:
    made = prior_dict({"a": Uniform(0, 1), "b": 2.0})
    assert isinstance(made, PriorDict) and isinstance(made["b"], DeltaFunction)
    assert prior_dict(made) is made
    with pytest.raises(PriorError, match=r"priors='mine.prior': give Bilby's PriorDict, .*filename"):
        prior_dict("mine.prior")
