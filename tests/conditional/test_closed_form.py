"""Conditional draws of phase, distance and inclination, against the user's own likelihood."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bilby.core.prior import Constraint, DeltaFunction, Interped, PowerLaw, PriorDict, Sine, TruncatedGaussian, Uniform
from scipy.special import i0e, logsumexp
from scipy.stats import kstest

from bilby_flowpe.conditional.amplitudes import averaged_over_phase
from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.closed_form import ExactConditional
from bilby_flowpe.errors import ContractError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.inner_products import InnerProducts

PHASE_ONLY = ConditionalConfig(("phase",), 2)
WITH_DISTANCE = ConditionalConfig(("phase", "luminosity_distance"), 2)


def amplitude(response: tuple[float, float] = (1.0, 0.0)) -> ConditionalConfig:
    return ConditionalConfig(("phase", "luminosity_distance", "theta_jn"), 2, response, (0.0, -1.0))


def toy_priors(**changes) -> PriorDict:
    priors = {
        "mass": Uniform(0, 1),
        "phase": Uniform(0, 2 * np.pi),
        "luminosity_distance": PowerLaw(2, 500, 3000),
        "theta_jn": Sine(),
    }
    return PriorDict({**priors, **changes})


def toy_log_likelihood(config: ConditionalConfig, exact: ExactConditional, products: np.ndarray, sample: dict):
    """Log likelihood ratio by the definition, of a signal that is ``products`` at the reference values."""
    inner, norm = products[0] + 1j * products[1], products[2]
    factor = 1.0
    if "luminosity_distance" in config.keys:
        factor = exact.reference["luminosity_distance"] / sample["luminosity_distance"]
    if "theta_jn" in config.keys:
        plus, cross = config.response
        ratio, cosine = complex(*config.cross_ratio), np.cos(sample["theta_jn"])
        seen = plus * (1 + cosine**2) / 2 + cross * ratio * cosine
        factor = factor * seen / (plus + cross * ratio)
    if not config.phase_known:
        factor = factor * np.exp(1j * config.phase_order * sample["phase"])
    return np.real(np.conj(factor) * inner) - np.abs(factor) ** 2 * norm / 2


CASES = {
    "phase": PHASE_ONLY,
    "phase, negative order": ConditionalConfig(("phase",), -2),
    "distance": WITH_DISTANCE,
    "distance, phase known": ConditionalConfig(("luminosity_distance",), phase_known=True),
    "inclination": amplitude(),
    "inclination, both responses": amplitude((0.6, -0.5)),
}
SIGNALS = {
    "loud": (500.0, 480.0),
    "quiet": (4.0, 3.0),
    "none": (0.5, 9.0),
    "too loud for the prior": (20.0, 5.0),
    "out of phase": (-20.0, 15.0),
}


@cache
def million() -> tuple[PriorTransform, dict[str, np.ndarray]]:
    """The toy's prior and a million draws from it."""
    transform = PriorTransform(toy_priors())
    return transform, transform.sample(1_000_000, np.random.default_rng(2))


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.training if "inclination" in case else ()) for case in CASES]
)
def test_weights_are_the_average_over_the_prior(case: str, signal: str) -> None:
    """Mean of exp(log_ratio) is the likelihood averaged over the prior, by brute force on 1e6 draws from it."""
    config, (kappa, norm) = CASES[case], SIGNALS[signal]
    transform, prior = million()
    exact = ExactConditional(config, transform)
    products = np.array([kappa * np.cos(0.7), kappa * np.sin(0.7), norm])
    # As many draws as leave less error in our average than in the one over the prior.
    draws = exact.draw(np.tile(products, (10_000, 1)), np.random.default_rng(1))
    average = logsumexp(draws.log_weight) - np.log(10_000)
    error = np.std(np.exp(draws.log_weight - average)) / 100
    log_likelihood = toy_log_likelihood(config, exact, products, prior)
    brute = logsumexp(log_likelihood) - np.log(1e6)
    spread = np.std(np.exp(log_likelihood - brute)) / 1000
    assert average == pytest.approx(brute, abs=5 * np.hypot(error, spread) + 1e-6)
    # The grid follows the conditional: weights are even, whatever the signal.
    # The prior of the effective distance has kinks, which a signal that says little leaves in place.
    assert error * 100 < (1e-9 if config.keys == ("phase",) else 0.02 if "theta_jn" not in config.keys else 0.12)
    assert exact.log_marginal(products[None])[0] == pytest.approx(average, abs=0.01)


@pytest.mark.training
@pytest.mark.parametrize("case", ["distance", "distance, phase known"])
@pytest.mark.parametrize("width", [5.0, 10.0, 40.0])
def test_a_prior_that_pulls_away_from_the_likelihood(case: str, width: float) -> None:
    """The likelihood alone has its top near 500 Mpc, many of its widths from where it lies with the prior."""
    config, prior = CASES[case], TruncatedGaussian(725 + 4 * width, width, 300, 1500)
    exact = ExactConditional(config, PriorTransform(toy_priors(luminosity_distance=prior)))
    norm = 900.0
    products = np.array([norm * exact.reference["luminosity_distance"] / 500, 0.0, norm])
    draws = exact.draw(np.tile(products, (5000, 1)), np.random.default_rng(1))
    average = logsumexp(draws.log_weight) - np.log(5000)
    weights = np.exp(draws.log_weight - average)
    # By quadrature, in the distance itself.
    grid = np.linspace(300, 1500, 200_001)
    scale = exact.reference["luminosity_distance"] / grid
    loud = scale * products[0]
    of_phase = loud if config.phase_known else np.log(i0e(loud)) + loud
    log_target = np.asarray(prior.ln_prob(grid)) + of_phase - scale**2 * norm / 2
    density = np.exp(log_target - log_target.max())
    brute = np.log(np.trapezoid(density, grid)) + log_target.max()
    assert average == pytest.approx(brute, abs=5 * np.std(weights) / 5000**0.5 + 1e-3)
    assert np.std(weights) < 0.3
    assert exact.log_marginal(products[None])[0] == pytest.approx(brute, abs=5e-3)
    distances = draws.parameters["luminosity_distance"]
    mean, spread = np.average(distances, weights=weights), np.std(distances)
    assert mean == pytest.approx(np.average(grid, weights=density), abs=6 * spread / 5000**0.5)


@pytest.mark.parametrize("case", CASES)
def test_likelihood_of_a_draw_is_that_of_its_parameters(case: str) -> None:
    config = CASES[case]
    exact = ExactConditional(config, PriorTransform(toy_priors()))
    products = np.array([30.0, -20.0, 40.0])
    draws = exact.draw(np.tile(products, (500, 1)), np.random.default_rng(3))
    assert set(draws.parameters) == set(config.keys)
    own = toy_log_likelihood(config, exact, products, draws.parameters)
    np.testing.assert_allclose(draws.log_likelihood_ratio, own, rtol=1e-10, atol=1e-10)


def test_draws_follow_the_conditional() -> None:
    """Distances, weighted, against prior times likelihood on a fine grid; a wrong norm must fail."""
    transform = PriorTransform(toy_priors())
    exact = ExactConditional(WITH_DISTANCE, transform)
    products = np.array([60.0, 10.0, 55.0])
    grid = np.linspace(500, 3000, 20_001)
    scale = exact.reference["luminosity_distance"] / grid
    kappa = np.hypot(*products[:2])

    def cdf(norm: float):
        log_density = 2 * np.log(grid) + averaged_over_phase(scale, kappa, norm)
        density = np.exp(log_density - log_density.max())
        return lambda x: np.interp(x, grid, np.cumsum(density) / density.sum())

    draws = exact.draw(np.tile(products, (20_000, 1)), np.random.default_rng(4))
    assert np.ptp(draws.log_weight) < 0.02
    assert kstest(draws.parameters["luminosity_distance"], cdf(products[2])).pvalue > 1e-3
    assert kstest(draws.parameters["luminosity_distance"], cdf(1.05 * products[2])).pvalue < 1e-3


@pytest.mark.parametrize(("problem", "config"), [("5d", WITH_DISTANCE), ("8d", amplitude()), ("hl", WITH_DISTANCE)])
def test_the_users_own_likelihood(problem: str, config: ConditionalConfig, request: pytest.FixtureRequest) -> None:
    likelihood, _ = request.getfixturevalue(f"problem_{problem}")
    transform = request.getfixturevalue(f"transform_{problem}")
    exact = ExactConditional(config, transform)
    row = {**likelihood.injection_parameters, **exact.reference}
    products = InnerProducts(likelihood)(row)
    draws = exact.draw(np.tile(products, (8, 1)), np.random.default_rng(5))
    for index in range(8):
        drawn = {key: float(column[index]) for key, column in draws.parameters.items()}
        own = likelihood.log_likelihood_ratio({**likelihood.injection_parameters, **drawn})
        # F+ and Fx of the packaged problems are 1 and 0 to a few parts in a million.
        assert draws.log_likelihood_ratio[index] == pytest.approx(own, rel=1e-5, abs=1e-4)


@pytest.mark.training
def test_priors_of_any_shape() -> None:
    """Another prior of the distance than any trained with enters exactly."""
    priors = toy_priors(luminosity_distance=TruncatedGaussian(1500, 100, 800, 2000))
    transform = PriorTransform(priors)
    exact = ExactConditional(WITH_DISTANCE, transform)
    products = np.array([20.0, 0.0, 18.0])
    draws = exact.draw(np.tile(products, (20_000, 1)), np.random.default_rng(6))
    prior = transform.sample(1_000_000, np.random.default_rng(7))
    brute = logsumexp(toy_log_likelihood(WITH_DISTANCE, exact, products, prior)) - np.log(1e6)
    assert logsumexp(draws.log_weight) - np.log(20_000) == pytest.approx(brute, abs=0.02)
    assert draws.parameters["luminosity_distance"].max() <= 2000


@pytest.mark.training
@pytest.mark.parametrize(
    "inclination", [Sine(0.3, 1.2), Sine(1.2, 2.9), Uniform(0.5, 2.5)], ids=["near", "both", "flat"]
)
def test_inclinations_of_any_prior(inclination) -> None:
    """Folded or not, normalised or not: the average over the prior as it is sampled from."""
    transform = PriorTransform(toy_priors(theta_jn=inclination))
    config = amplitude((0.6, -0.5))
    exact = ExactConditional(config, transform)
    products = np.array([14.0, -6.0, 20.0])
    draws = exact.draw(np.tile(products, (20_000, 1)), np.random.default_rng(8))
    prior = transform.sample(1_000_000, np.random.default_rng(9))
    log_likelihood = toy_log_likelihood(config, exact, products, prior)
    brute = logsumexp(log_likelihood) - np.log(1e6)
    spread = np.std(np.exp(log_likelihood - brute)) / 1000
    average = logsumexp(draws.log_weight) - np.log(20_000)
    error = np.std(np.exp(draws.log_weight - average)) / 20_000**0.5
    assert average == pytest.approx(brute, abs=5 * np.hypot(error, spread))
    assert np.all(np.isfinite(transform.log_prob({**draws.parameters, "mass": np.full(20_000, 0.5)})))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phase": DeltaFunction(0.0)}, "not a search parameter"),
        ({"phase": Uniform(0, np.pi)}, "not uniform"),
        ({"luminosity_distance": DeltaFunction(1000.0)}, "luminosity_distance"),
        ({"luminosity_distance": Uniform(1, 2), "sum": Constraint(0, 1)}, "luminosity_distance"),
    ],
)
def test_priors_that_do_not_fit_are_refused(changes: dict, message: str) -> None:
    priors = toy_priors(**changes)
    if "sum" in changes:
        priors.conversion_function = summed
    with pytest.raises(ContractError, match=message):
        ExactConditional(WITH_DISTANCE, PriorTransform(priors))


def summed(sample: dict) -> dict:
    return {**sample, "sum": sample["mass"] + sample["luminosity_distance"] - 1.5}


def test_round_trip() -> None:
    for config in (ConditionalConfig(), WITH_DISTANCE, amplitude((0.3, 0.2))):
        assert ConditionalConfig.from_dict(config.to_dict()) == config


def test_nothing_conditional() -> None:
    exact = ExactConditional(ConditionalConfig(), PriorTransform(toy_priors()))
    assert exact.reference == {}
    assert exact.keys == ()


def test_a_distance_prior_of_spikes_is_refused() -> None:
    """Between the nodes it would never be drawn, and no weight would show it."""
    grid = np.linspace(100, 5000, 20_001)
    spikes = ((grid > 500) & (grid < 505)) | ((grid > 2000) & (grid < 2010))
    with pytest.raises(ContractError, match="features too narrow"):
        ExactConditional(WITH_DISTANCE, PriorTransform(toy_priors(luminosity_distance=Interped(grid, spikes + 0.0))))
    for smooth in (PowerLaw(2, 1, 100_000), PowerLaw(-1, 1, 100_000), Uniform(10, 5000), PowerLaw(2, 1000, 3000)):
        ExactConditional(WITH_DISTANCE, PriorTransform(toy_priors(luminosity_distance=smooth)))


def test_a_prior_of_the_inclination_with_a_spike_is_refused() -> None:
    grid = np.linspace(0, np.pi, 40_001)
    spike = np.sin(grid) / 2 + ((grid > 1.0) & (grid < 1.0002)) * 2500.0
    with pytest.raises(ContractError, match=r"(?s)draws theta_jn from .* features too narrow"):
        ExactConditional(
            amplitude((1.0, 0.0)), PriorTransform(toy_priors(theta_jn=Interped(grid, spike, minimum=0, maximum=np.pi)))
        )
    for smooth in (Sine(), Sine(0.2, 1.4), Uniform(0, np.pi)):
        ExactConditional(amplitude((1.0, 0.0)), PriorTransform(toy_priors(theta_jn=smooth)))


@pytest.mark.training
@pytest.mark.parametrize("products", [(30.0, 10.0, 35.0), (900.0, 100.0, 950.0), (0.1, 0.0, 0.02)])
def test_a_share_of_the_prior_leaves_the_average(products: tuple[float, float, float]) -> None:
    """It also lets distances be drawn that are out of the likelihood's reach."""
    exact = ExactConditional(WITH_DISTANCE, PriorTransform(toy_priors()))
    rows = np.repeat(np.array([products]), 6000, axis=0)
    plain = exact.draw(rows, np.random.default_rng(1))
    defended = exact.defended(0.3).draw(rows, np.random.default_rng(2))
    # And what it was made of stays as it is.
    np.testing.assert_array_equal(exact.draw(rows, np.random.default_rng(1)).log_weight, plain.log_weight)
    expected = float(exact.log_marginal(rows[:1])[0])
    for drawn in (plain, defended):
        assert logsumexp(drawn.log_weight) - np.log(6000) == pytest.approx(expected, abs=0.05)
    distances = [drawn.parameters["luminosity_distance"] for drawn in (plain, defended)]
    assert np.ptp(distances[1]) > 0.95 * (3000 - 500)
    if products[0] > 100:
        assert np.ptp(distances[0]) < 0.6 * (3000 - 500)
