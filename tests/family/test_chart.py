"""Networks on the data of an event: bijections with known Jacobians, and densities that are ones."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bilby.core.prior import Constraint, LogUniform, PriorDict, Sine, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import AlignedSpin, BBHPriorDict, UniformInComponentsMassRatio

from bilby_flowpe.family.chart import FamilyChart
from bilby_flowpe.priors import Parameters, PriorTransform
from bilby_flowpe.proposals.charts import dimension
from bilby_flowpe.proposals.mixture import Shares, defensive, flow_alone
from tests.family.small import ALIGNED, BODY, INJECTED, PRECESSING, likelihood, seen_of, untrained

FEATURES = {ALIGNED.name: 48, PRECESSING.name: 177}
ANGLES = {"phi_12": Uniform(0, 2 * np.pi), "phi_jl": Uniform(0, 2 * np.pi), "theta_jn": Sine()}
MASSES = {
    "mass_1": Uniform(10, 80), "mass_2": Uniform(10, 80), "mass_ratio": Constraint(0.1, 1), "chirp_mass": Constraint(15, 45)
}  # fmt: skip
OF_FAMILY = {"chirp_mass": LogUniform(20, 40), "mass_ratio": UniformInComponentsMassRatio(0.2, 1)}
ALONG = {key: AlignedSpin(Uniform(0, 0.9), Uniform(-1, 1)) for key in ("chi_1", "chi_2")}
TILTED = {"a_1": Uniform(0, 0.9), "a_2": Uniform(0, 0.9), "tilt_1": Sine(), "tilt_2": Sine()}
TRUTH = {
    **INJECTED, "mass_1": 38.5, "mass_2": 27.0, "total_mass": 65.5, "a_1": 0.4, "a_2": 0.2, "tilt_1": 0.7, "tilt_2": 2.0,
    "phi_12": 1.0, "phi_jl": 2.0,
}  # fmt: skip

PRIORS = {
    "as the family": BBHPriorDict({**OF_FAMILY, **ALONG}),
    "component masses": BBHPriorDict({**MASSES, **ALONG, "theta_jn": Sine()}),
    "total mass": PriorDict({"total_mass": Uniform(40, 100), "mass_ratio": Uniform(0.2, 1), **ALONG}),
    "precessing": BBHPriorDict({**OF_FAMILY, **TILTED, **ANGLES}),
    "precessing, component masses": BBHPriorDict({**MASSES, **TILTED, **ANGLES}),
}


@cache
def data() -> GravitationalWaveTransient:
    return likelihood()


@cache
def chart_of(name: str, network: str = "maf", width: float = 1.2) -> FamilyChart:
    transform = PriorTransform(PRIORS[name])
    family = PRECESSING if name.startswith("precessing") else ALIGNED
    model = untrained(family, FEATURES[family.name], network, width)
    return FamilyChart(model, data(), transform, transform.keys, TRUTH, (0, 1))


def drawn(chart: FamilyChart, size: int, seed: int = 1) -> Parameters:
    """Draws within the prior."""
    rng = np.random.default_rng(seed)
    parameters, inside = chart.inverse(0.7 * rng.standard_normal((size, dimension(chart))), rng)
    assert inside.mean() > 0.5
    return {key: column[inside] for key, column in parameters.items()}


@pytest.mark.parametrize("network", ["maf", "nsf", "cvae+"])
@pytest.mark.parametrize("name", PRIORS)
def test_there_and_back(name: str, network: str) -> None:
    chart = chart_of(name, network)
    assert chart.keys == PriorTransform(PRIORS[name]).keys
    assert len(chart.latent) == (2 if network == "cvae+" else 0)
    rng = np.random.default_rng(2)
    base = 0.7 * rng.standard_normal((200, dimension(chart)))
    parameters, inside = chart.inverse(base, rng)
    assert set(parameters) == {*chart.keys, *chart.latent}
    assert inside.mean() > 0.5
    again, log_jacobian = chart.forward({key: column[inside] for key, column in parameters.items()})
    assert np.all(np.isfinite(log_jacobian))
    # Networks are of single precision, and some parameters are told by less than a hundredth of their prior.
    np.testing.assert_allclose(again, base[inside], atol=2e-3)
    ln_prob = chart.transform.log_prob({key: column[inside] for key, column in parameters.items()}, chart.keys)
    assert np.all(np.isfinite(ln_prob))


@pytest.mark.parametrize("name", PRIORS)
def test_the_jacobian_is_that_of_finite_differences(name: str) -> None:
    chart = chart_of(name)
    parameters = {key: column[:4] for key, column in drawn(chart, 200).items()}
    _, log_jacobian = chart.forward(parameters)
    columns = []
    for key in chart.keys:
        # As long as single precision needs, and as short as the posterior is wide.
        step = 1e-4 * np.abs(parameters[key]) + 3e-5
        up, down = (chart.forward({**parameters, key: parameters[key] + sign * step})[0] for sign in (1, -1))
        columns.append((up - down) / (2 * step[:, None]))
    numerical = np.linalg.slogdet(np.stack(columns, axis=2))[1]
    np.testing.assert_allclose(log_jacobian, numerical, atol=0.02)


@pytest.mark.parametrize("network", ["maf", "cvae+"])
@pytest.mark.parametrize("name", ["component masses", "precessing"])
def test_weights_of_the_prior_average_to_one(name: str, network: str) -> None:
    """The mean of the prior's density over the mixture's is one where the mixture is a density and reaches the prior."""
    chart = chart_of(name, network, width=3.0)
    transform = chart.transform
    mixture = defensive(chart, transform, Shares(prior=0.2))
    draws = mixture.draw(4000, np.random.default_rng(3))
    log_prior = transform.log_prob({key: draws.parameters[key] for key in chart.keys}, chart.keys)
    weights = np.exp(np.where(draws.inside, log_prior + draws.log_encoder - draws.log_q, -np.inf))
    assert weights.max() < 1 / 0.2 * 1.001
    assert abs(weights.mean() - 1) < 4.5 * weights.std() / np.sqrt(len(weights))


@pytest.mark.parametrize("name", ["component masses", "total mass"])
def test_the_networks_density_is_normalised(name: str) -> None:
    """A normal density of known integral, narrower than the network's, averages to one over the network's draws."""
    chart = chart_of(name)
    draws = flow_alone(chart).draw(6000, np.random.default_rng(4))
    of_all = np.stack([draws.parameters[key][draws.inside] for key in chart.keys])
    centre = np.median(of_all, axis=1, keepdims=True)
    near = np.all(np.abs(of_all - centre) < np.std(of_all, axis=1, keepdims=True), axis=0)
    covariance = 0.3 * np.cov(of_all[:, near])
    apart = of_all - centre
    log_density = -0.5 * np.sum(apart * np.linalg.solve(covariance, apart), axis=0)
    log_density -= 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    weights = np.zeros(len(draws))
    weights[draws.inside] = np.exp(log_density - draws.log_q[draws.inside])
    assert weights.mean() ** 2 / np.mean(weights**2) > 0.005
    assert abs(weights.mean() - 1) < 4.5 * weights.std() / np.sqrt(len(weights))


def test_latent_variables_are_drawn_by_the_encoder() -> None:
    chart = chart_of("component masses", "cvae+")
    assert chart.latent == ("latent[0]", "latent[1]")
    parameters = {key: column[:50] for key, column in drawn(chart, 300).items() if key not in chart.latent}
    encoded = chart.encode(parameters, np.random.default_rng(5))
    assert set(encoded) == {*chart.latent}
    log_density = chart.log_encoder({**parameters, **encoded})
    assert log_density.shape == (50,) and np.all(np.isfinite(log_density))
    same = chart.encode(parameters, np.random.default_rng(5))
    np.testing.assert_array_equal(encoded["latent[0]"], same["latent[0]"])
    # Outside of the family, where the network does not reach, they have a standard normal density.
    outside = {key: np.array([value]) for key, value in {**TRUTH, "mass_1": 200.0, "mass_2": 190.0}.items()}
    z = chart.encode(outside, np.random.default_rng(6))
    expected = -0.5 * sum(z[key][0] ** 2 for key in chart.latent) - np.log(2 * np.pi)
    assert chart.log_encoder({**outside, **z})[0] == pytest.approx(expected, rel=1e-5)
    assert chart.forward({**outside, **z})[1][0] == -np.inf


def test_outside_of_the_family_there_is_no_density() -> None:
    chart = chart_of("component masses")
    rows = {key: np.full(3, value) for key, value in TRUTH.items()}
    rows["mass_1"], rows["mass_2"] = np.array([38.5, 200.0, 30.0]), np.array([27.0, 180.0, 1.0])
    assert list(np.isfinite(chart.forward(rows)[1])) == [True, False, False]


def test_the_view_is_that_of_the_events_own_wave() -> None:
    """A search's row that is off is forgotten: the view is taken anew about the wave that is found."""
    transform = PriorTransform(PRIORS["as the family"])
    model = untrained(ALIGNED, FEATURES[ALIGNED.name])
    off = {**TRUTH, "chirp_mass": 27.0, "mass_ratio": 0.5, "chi_1": -0.2, "chi_2": 0.3}
    one = chart_of("as the family").seen
    other = FamilyChart(model, data(), transform, transform.keys, off, (0, 1)).seen
    assert other.snr == pytest.approx(one.snr, rel=0.01)
    assert other.pivot.value > one.pivot.value - 2
    assert len(one.features) == len(seen_of([np.zeros(1968)], 10.0)[1].features) == FEATURES[ALIGNED.name]
    assert one.pivot.body[0] == pytest.approx(BODY[0], rel=0.05)


def test_edges_of_a_family_that_cut_a_posterior() -> None:
    """A prior up to one reaches beyond spins of 0.99; a posterior far from there is not one at an edge."""
    transform = PriorTransform(BBHPriorDict({**OF_FAMILY, "chi_1": Uniform(-1, 1), "chi_2": Uniform(-0.5, 0.5)}))
    model = untrained(ALIGNED, FEATURES[ALIGNED.name])
    chart = FamilyChart(model, data(), transform, transform.keys, TRUTH, (0, 1))
    near = {key: np.full(100, TRUTH[key]) + 1e-3 * np.linspace(-1, 1, 100) for key in chart.keys}
    assert chart.cut(near, np.zeros(100)) == 0
    assert chart.cut(near, np.full(100, -np.inf)) == 0
    high = {**near, "chi_1": np.linspace(0.89, 0.99, 100)}
    assert chart.cut(high, np.zeros(100)) == pytest.approx(0.1, abs=0.011)
    # The prior ends there as well.
    assert chart_of("as the family").cut(high, np.zeros(100)) == 0
