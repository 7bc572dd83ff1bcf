r"""The coordinates of the network's density, against numerical derivatives, quadrature and Monte Carlo.

Most tests take a prior in which time is counted from zero: GPS seconds in double precision are multiples of 1.2e-7 s, which
would drown numerical derivatives. The simulators' own priors come in where that does not matter.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from bilby.core.prior import Constraint, Cosine, PowerLaw, Sine, Uniform
from bilby.gw.prior import BBHPriorDict
from scipy.stats import kstest, norm

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.representation.coordinates import CoordinateConfig, Coordinates
from bilby_flowpe.representation.pivot import Pivot

ALL = ("mass_1", "mass_2", "luminosity_distance", "geocent_time", "phase", "dec", "theta_jn")
REST = tuple(key for key in ALL if key != "phase")
RELATIVE = {"relative_time": True}
TURN = {"phase_order": 2}
FOLDED_TURN = {"phase_order": 2, "fold_phase": True}
MIRROR = {"folded": ("theta_jn",)}
KINDS = {
    "plain": CoordinateConfig(ALL),
    "relative time": CoordinateConfig(ALL, **RELATIVE),
    "unfolded phase": CoordinateConfig(ALL, **TURN),
    "unfolded phase of negative order": CoordinateConfig(ALL, phase_order=-2),
    "folded phase": CoordinateConfig(ALL, **FOLDED_TURN),
    "folded inclination": CoordinateConfig(ALL, **MIRROR),
    "all": CoordinateConfig(ALL, **RELATIVE, **FOLDED_TURN, **MIRROR),
    "one detector": CoordinateConfig(ALL, response=(0.8, 0.3)),
    "phase drawn otherwise": CoordinateConfig(REST, **RELATIVE, **MIRROR),
}


def arrival(parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    """Arrival times at two detectors: a delay that depends on the position, and by parts in a million on the time."""
    time, dec = parameters["geocent_time"], parameters["dec"]
    delay = 0.02 * np.sin(dec) * (1 + 1e-4 * time)
    return np.stack([time + delay, time - delay], axis=-1)


@pytest.fixture(scope="module")
def transform() -> PriorTransform:
    return PriorTransform(
        BBHPriorDict(
            dictionary={
                "mass_1": Uniform(35, 80),
                "mass_2": Uniform(35, 80),
                "mass_ratio": Constraint(0, 1),
                "luminosity_distance": PowerLaw(2, 1000, 3000),
                "geocent_time": Uniform(0.65, 0.85),
                "phase": Uniform(0, 2 * np.pi),
                "dec": Cosine(),
                "theta_jn": Sine(),
            }
        )
    )


def pivot_of(size: int, time: float = 0.76, angle: float = 0.9) -> Pivot:
    one = torch.tensor([time], dtype=torch.float64), torch.tensor([angle], dtype=torch.float64)
    return Pivot(*one).expand(size)


def pivots_around(parameters: Mapping[str, np.ndarray], rng: np.random.Generator) -> Pivot:
    """Pivots as alignment gives them: the time to some milliseconds, the angle with a scatter."""
    size = len(parameters["geocent_time"])
    time = arrival(parameters)[:, 0] + 0.004 * rng.standard_normal(size)
    angle = 2 * parameters["phase"] + 0.3 * rng.standard_normal(size)
    return Pivot(torch.as_tensor(time), torch.as_tensor((angle + np.pi) % (2 * np.pi) - np.pi))


@pytest.fixture(params=list(KINDS))
def coordinates(request: pytest.FixtureRequest, transform: PriorTransform) -> Coordinates:
    """Coordinates of each kind, standardised as in training."""
    made = Coordinates(transform, KINDS[request.param], arrival)
    rng = np.random.default_rng(1)
    draws = transform.sample(4000, rng)
    made.standardise(draws, pivots_around(draws, rng))
    return made


def copies_apart(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], config: CoordinateConfig) -> None:
    """Assert that two sets of parameters differ by nothing but which copy they are."""
    for key in config.keys:
        left, right = one[key], other[key]
        if key in config.folded or (key == "theta_jn" and config.response):
            left, right = (np.minimum(angle, np.pi - angle) for angle in (left, right))
        if key == "phase":
            period = np.pi if config.fold_phase else 2 * np.pi
            difference = (left - right + period / 2) % period - period / 2
            np.testing.assert_allclose(difference, 0, atol=1e-5)
        else:
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5, err_msg=key)


class TestRoundTrip:
    def test_from_the_network_and_back(self, coordinates):
        theta = torch.as_tensor(np.random.default_rng(2).uniform(-2, 2, (300, len(coordinates.config.keys))))
        pivot = pivot_of(300)
        parameters, _, log_jacobian = coordinates.from_network(theta, pivot, np.random.default_rng(3))
        assert tuple(parameters) == coordinates.config.keys
        again, log_jacobian_again = coordinates.to_network(parameters, pivot)
        assert again.dtype == torch.float32
        # Single precision for the network: 1.2e-7 of numbers up to two.
        np.testing.assert_allclose(again, theta, atol=1e-6)
        np.testing.assert_allclose(log_jacobian_again, log_jacobian, atol=1e-6)

    def test_to_the_network_and_back(self, coordinates):
        rng = np.random.default_rng(4)
        draws = coordinates.transform.sample(300, rng)
        pivot = pivots_around(draws, rng)
        theta, log_jacobian = coordinates.to_network(draws, pivot)
        again, inside, log_jacobian_again = coordinates.from_network(theta, pivot, rng)
        assert inside.all()
        copies_apart(again, draws, coordinates.config)
        np.testing.assert_allclose(log_jacobian_again, log_jacobian, atol=1e-4)

    def test_training_draws_are_standardised(self, coordinates):
        rng = np.random.default_rng(5)
        draws = coordinates.transform.sample(4000, rng)
        theta, _ = coordinates.to_network(draws, pivots_around(draws, rng))
        # Two samples of 4000 draws; the tails of the time make the standard deviation scatter more than the mean.
        assert float(theta.mean(0).abs().max()) < 5 * (2 / 4000) ** 0.5
        assert float((theta.std(0) - 1).abs().max()) < 0.1

    @pytest.mark.parametrize("name", ["5d", "8d", "hl"])
    def test_with_gps_times_and_the_simulators_arrival(self, request, name):
        simulator = request.getfixturevalue(f"simulator_{name}")
        transform = simulator.prior
        folded = ("theta_jn",) if name == "8d" else ()
        config = CoordinateConfig(tuple(k for k in transform.keys if k != "phase"), relative_time=True, folded=folded)
        coordinates = Coordinates(transform, config, simulator.view.arrival)
        rng = np.random.default_rng(6)
        draws = transform.sample(500, rng)
        found = simulator.view.arrival(draws)[:, 0] + 0.004 * rng.standard_normal(500)
        pivot = Pivot(torch.as_tensor(found), torch.zeros(500, dtype=torch.float64))
        coordinates.standardise(draws, pivot)
        theta, log_jacobian = coordinates.to_network(draws, pivot)
        again, inside, log_jacobian_again = coordinates.from_network(theta, pivot, rng)
        # GPS times are multiples of 2.4e-7 s, and single-precision coordinates of about 1e-7 of some milliseconds.
        np.testing.assert_allclose(again["geocent_time"], draws["geocent_time"], rtol=0, atol=1e-6)
        assert np.mean(inside) > 0.99
        np.testing.assert_allclose(log_jacobian_again, log_jacobian, atol=1e-3)


def test_log_jacobian_is_that_of_finite_differences(coordinates):
    """The full determinant: cross terms (the delay depends on the position) must not matter."""
    keys = coordinates.config.keys
    size, step = 40, 1e-4
    theta = np.random.default_rng(7).uniform(-1.5, 1.5, (size, len(keys)))
    pivot = pivot_of(size)

    def parameters(values: np.ndarray) -> np.ndarray:
        # The same coins every time, so that both ends of a difference are in the same copy.
        drawn, _, _ = coordinates.from_network(torch.as_tensor(values), pivot, np.random.default_rng(8))
        return np.stack([drawn[key] for key in keys], axis=-1)

    jacobian = np.empty((size, len(keys), len(keys)))
    for column in range(len(keys)):
        high, low = (parameters(theta + sign * step * np.eye(len(keys))[column]) for sign in (1, -1))
        difference = high - low
        if "phase" in keys:
            index = keys.index("phase")
            difference[:, index] = (difference[:, index] + np.pi) % (2 * np.pi) - np.pi
        jacobian[:, :, column] = difference / (2 * step)
    numerical = -np.linalg.slogdet(jacobian).logabsdet
    _, _, ours = coordinates.from_network(torch.as_tensor(theta), pivot, np.random.default_rng(8))
    # Truncation of step^2 times third derivatives, and 2e-6 for the delay that changes with time, which is left out.
    # A step across a node of the distribution of the effective distance counts for nothing.
    crossing = 0.05 if coordinates.config.response else 0.0
    assert np.mean(np.abs(ours - numerical) > 1e-5) <= crossing


def test_density_sums_to_one_over_the_copies(coordinates):
    """A standard normal network, whatever it is worth as a posterior, is a normalised density of the parameters."""
    size = 40_000
    rng = np.random.default_rng(9)
    transform, config = coordinates.transform, coordinates.config
    pivot = pivot_of(size)
    draws = transform.sample(4000, rng)
    coordinates = Coordinates(transform, config, arrival)
    coordinates.standardise(draws, pivot_of(4000))
    theta = torch.as_tensor(1.1 * rng.standard_normal((size, len(config.keys))))
    parameters, inside, log_jacobian = coordinates.from_network(theta, pivot, rng)
    log_q = norm.logpdf(theta, scale=1.1).sum(axis=1) + log_jacobian - coordinates.log_copies
    if "phase" in config.keys:
        log_prior = transform.log_prob(parameters)
    else:
        log_prior = transform.log_prob({**parameters, "phase": np.full(size, 1.0)}) + np.log(2 * np.pi)
    log_prior = np.where(inside, log_prior, -np.inf)
    weights = np.exp(log_prior - log_q)
    error = weights.std() / size**0.5
    assert error < 0.02
    assert weights.mean() == pytest.approx(1, abs=5 * error)
    # A factor of one copy would be seen.
    assert abs(2 * weights.mean() - 1) > 10 * error


@pytest.mark.parametrize(
    ("key", "config", "low", "high"),
    [
        ("theta_jn", CoordinateConfig(("theta_jn",)), 0, np.pi),
        ("theta_jn", CoordinateConfig(("theta_jn",), **MIRROR), 0, np.pi),
        ("phase", CoordinateConfig(("phase",)), 0, 2 * np.pi),
        ("phase", CoordinateConfig(("phase",), **TURN), 0, 2 * np.pi),
        ("phase", CoordinateConfig(("phase",), **FOLDED_TURN), 0, 2 * np.pi),
        ("phase", CoordinateConfig(("phase",), phase_order=-2, fold_phase=True), 0, 2 * np.pi),
        ("luminosity_distance", CoordinateConfig(("luminosity_distance",)), 1000, 3000),
    ],
    ids=["inclination", "folded inclination", "phase", "turned phase", "folded phase", "negative order", "distance"],
)
def test_draws_follow_the_density_claimed(transform, key, config, low, high):
    """Draws of one parameter by a skewed network agree with a quadrature of the density."""
    coordinates = Coordinates(transform, config, arrival)
    coordinates.location, coordinates.scale = np.array([0.3]), np.array([0.8])
    network = norm(0.4, 0.7)
    n = 20_000
    grid = low + (np.arange(n) + 0.5) * (high - low) / n
    pivot = pivot_of(n)
    theta, log_jacobian = coordinates.to_network({key: grid}, pivot)
    density = np.exp(network.logpdf(theta[:, 0].double().numpy()) + log_jacobian - coordinates.log_copies)
    # The midpoint rule; the densities are smooth but for a steep edge where a coordinate runs to infinity.
    assert np.sum(density) * (high - low) / n == pytest.approx(1, abs=1e-4)
    rng = np.random.default_rng(10)
    values = torch.as_tensor(network.rvs(size=(n, 1), random_state=rng))
    drawn, _, _ = coordinates.from_network(values, pivot, rng)
    edges = np.append(low, grid + 0.5 * (high - low) / n)
    cdf = np.append(0, np.cumsum(density) / np.sum(density))
    # Fixed seed: fails for one right implementation in a thousand.
    assert kstest(drawn[key], lambda x: np.interp(x, edges, cdf)).pvalue > 1e-3


class TestFolding:
    def test_both_copies_come_equally_often_and_the_density_says_so(self, transform):
        config = KINDS["all"]
        coordinates = Coordinates(transform, config, arrival)
        assert coordinates.log_copies == pytest.approx(np.log(4))
        size = 4000
        theta = torch.zeros(size, len(config.keys), dtype=torch.float64)
        drawn, _, _ = coordinates.from_network(theta, pivot_of(size), np.random.default_rng(11))
        for key, centre in (("theta_jn", np.pi / 2), ("phase", np.pi)):
            values = np.unique(np.round(drawn[key], 9))
            assert len(values) == 2
            share = np.mean(drawn[key] > centre)
            assert share == pytest.approx(0.5, abs=5 * 0.5 / size**0.5)
        # Two coins, not one: independent.
        both = np.mean((drawn["theta_jn"] > np.pi / 2) & (drawn["phase"] > np.pi))
        assert both == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / size) ** 0.5)

    def test_copies_have_the_same_coordinates(self, transform):
        coordinates = Coordinates(transform, KINDS["all"], arrival)
        draws = transform.sample(100, np.random.default_rng(12))
        pivot = pivot_of(100)
        other = {**draws, "theta_jn": np.pi - draws["theta_jn"], "phase": (draws["phase"] + np.pi) % (2 * np.pi)}
        (one, log_one), (two, log_two) = coordinates.to_network(draws, pivot), coordinates.to_network(other, pivot)
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(log_one, log_two, atol=1e-9)

    def test_unfolded_phases_tell_the_modes_apart(self, transform):
        coordinates = Coordinates(transform, KINDS["unfolded phase"], arrival)
        assert coordinates.log_copies == 0
        index = ALL.index("phase")
        draws = transform.sample(100, np.random.default_rng(13))
        # The posterior's two modes, at the pivot's phase and half a turn away: symmetric about zero, far from the ends.
        pivot = pivot_of(100)
        for offset, expected in ((0.0, norm.ppf(0.25)), (np.pi, norm.ppf(0.75))):
            moved = {**draws, "phase": (pivot.phase(2) + offset) % (2 * np.pi)}
            theta, _ = coordinates.to_network(moved, pivot)
            np.testing.assert_allclose(theta[:, index], expected, atol=1e-5)


@pytest.mark.parametrize("order", [2, -2])
@pytest.mark.parametrize("fold", [True, False])
def test_phase_turns_with_the_pivot(transform, order, fold):
    """A signal turned by an angle has its phases moved by that angle over the order, whatever the network says."""
    config = CoordinateConfig(("phase",), phase_order=order, fold_phase=fold)
    coordinates = Coordinates(transform, config, arrival)
    theta = torch.as_tensor(np.random.default_rng(14).standard_normal((50, 1)))
    one, two = (
        coordinates.from_network(theta, pivot_of(50, angle=angle), np.random.default_rng(15))[0]["phase"]
        for angle in (0.4, 1.1)
    )
    np.testing.assert_allclose(np.exp(1j * (two - one)), np.exp(0.7j / order), atol=1e-12)
    # Folded, the middle of the range is where the phase is; unfolded, it is between the two modes.
    middle, _, _ = coordinates.from_network(torch.zeros(1, 1), pivot_of(1, angle=0.4), np.random.default_rng(15))
    expected = 0.4 / order + (0.0 if fold else np.pi / 2)
    np.testing.assert_allclose(np.exp(2j * middle["phase"]), np.exp(2j * expected), atol=1e-12)
    assert np.all((one >= 0) & (one < 2 * np.pi))


def test_the_end_of_the_range_of_a_phase_is_a_number(transform):
    """A quarter turn from the pivot, to the last bit: where the folded range ends."""
    coordinates = Coordinates(transform, CoordinateConfig(("phase",), **FOLDED_TURN), arrival)
    theta, log_jacobian = coordinates.to_network({"phase": np.array([np.pi / 2])}, pivot_of(1, angle=0.0))
    assert torch.isfinite(theta).all() and np.isfinite(log_jacobian).all()


def test_time_moves_with_the_pivot(transform):
    coordinates = Coordinates(transform, CoordinateConfig(ALL, **RELATIVE), arrival)
    coordinates.time_scale = 0.004
    theta = torch.as_tensor(np.random.default_rng(16).standard_normal((50, len(ALL))))
    one, two = (
        coordinates.from_network(theta, pivot_of(50, time=time), np.random.default_rng(17))[0] for time in (0.74, 0.75)
    )
    np.testing.assert_allclose(arrival(two)[:, 0] - arrival(one)[:, 0], 0.01, atol=1e-12)
    # And the arrival is where the coordinate says it is.
    expected = 0.74 + 0.004 * np.sinh(theta[:, ALL.index("geocent_time")].numpy())
    np.testing.assert_allclose(arrival(one)[:, 0], expected, atol=1e-12)


class TestOutside:
    def test_times_outside_the_prior_are_flagged(self, coordinates):
        size = 4000
        theta = torch.as_tensor(np.random.default_rng(18).standard_normal((size, len(coordinates.config.keys))))
        parameters, inside, log_jacobian = coordinates.from_network(
            theta, pivot_of(size, time=0.84), np.random.default_rng(19)
        )
        within = (parameters["geocent_time"] >= 0.65) & (parameters["geocent_time"] <= 0.85)
        if coordinates.config.response:
            # Of distance and inclination together some rows are outside, too.
            assert not np.any(inside & ~within) and np.mean(inside != within) < 0.02
        else:
            np.testing.assert_array_equal(inside, within)
        assert np.all(np.isfinite(log_jacobian))
        assert within.all() or coordinates.config.relative_time
        if coordinates.config.relative_time:
            # The pivot is near the end of the window: a good part falls beyond it, and is not wrapped back.
            assert 0.02 < np.mean(~inside) < 0.98
            assert parameters["geocent_time"][~inside].max() > 0.85

    def test_rows_that_break_a_constraint_are_flagged(self):
        transform = PriorTransform(
            BBHPriorDict(
                dictionary={"mass_1": Uniform(30, 80), "mass_2": Uniform(20, 70), "mass_ratio": Constraint(0, 1)}
            )
        )
        coordinates = Coordinates(transform, CoordinateConfig(transform.keys))
        theta = torch.as_tensor(np.random.default_rng(20).standard_normal((1000, 2)))
        drawn, inside, _ = coordinates.from_network(theta, None, np.random.default_rng(21))
        np.testing.assert_array_equal(inside, drawn["mass_2"] < drawn["mass_1"])
        assert 0 < np.mean(inside) < 1


class TestErrors:
    def test_relative_time_needs_arrivals(self, transform):
        with pytest.raises(ConfigurationError, match="relative_time=True needs arrival times"):
            Coordinates(transform, CoordinateConfig(ALL, **RELATIVE))

    @pytest.mark.parametrize("relative", [RELATIVE, TURN])
    def test_what_is_relative_needs_a_pivot(self, transform, relative):
        draws = transform.sample(10, np.random.default_rng(0))
        with pytest.raises(ConfigurationError, match="need a pivot"):
            Coordinates(transform, CoordinateConfig(ALL, **relative), arrival).to_network(draws, None)

    def test_unknown_keys(self, transform):
        with pytest.raises(ConfigurationError, match=r"\['chi_1'\] are not among the search parameters"):
            Coordinates(transform, CoordinateConfig(("mass_1", "chi_1")))

    def test_plain_values(self):
        values = KINDS["all"].to_dict()
        assert values["keys"] == list(ALL)
        assert values["folded"] == ["theta_jn"]


@pytest.mark.parametrize(
    ("changes", "copies"),
    [
        ({}, 1),
        (MIRROR, 2),
        (FOLDED_TURN, 2),
        ({**MIRROR, **FOLDED_TURN}, 4),
        ({"response": (0.8, 0.3), **FOLDED_TURN}, 4),
    ],
)
def test_copies_that_folding_identifies(transform: PriorTransform, changes: dict, copies: int) -> None:
    made = Coordinates(transform, CoordinateConfig(ALL, **changes))
    assert made.log_copies == pytest.approx(np.log(copies))


def test_priors_that_are_not_normalised_count_with_their_scale(transform: PriorTransform) -> None:
    """The density of the coordinates includes distance and inclination together, like any other parameter."""
    config = CoordinateConfig(ALL, response=(0.8, 0.3))
    draws = transform.sample(20, np.random.default_rng(3))
    _, before = Coordinates(transform, config).to_network(draws, None)
    scaled = copy.copy(transform)
    scaled.log_scale = {**transform.log_scale, "luminosity_distance": 0.3, "theta_jn": -0.7}
    _, after = Coordinates(scaled, config).to_network(draws, None)
    np.testing.assert_allclose(after - before, 0.3 - 0.7, atol=1e-9)
