"""The time drawn from what the data say of it, against the user's own likelihood on a grid of times."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import TruncatedGaussian, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import logsumexp
from scipy.stats import kstest

from bilby_flowpe.conditional.arrival import SHARE, TimedProducts
from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.closed_form import ExactConditional
from bilby_flowpe.errors import ContractError
from bilby_flowpe.names import TIME
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.inner_products import InnerProducts

PHASE_AND_TIME = ConditionalConfig(("phase", TIME), 2)
WITH_DISTANCE = ConditionalConfig(("phase", "luminosity_distance", TIME), 2)
ALL = ConditionalConfig(("phase", "luminosity_distance", "theta_jn", TIME), 2, (1.0, 0.0), (0.0, -1.0))
PHASE_KNOWN = ConditionalConfig((TIME,), phase_known=True)
DISTANCE_PHASE_KNOWN = ConditionalConfig(("luminosity_distance", TIME), phase_known=True)
CASES = [
    ("5d", PHASE_AND_TIME),
    ("5d", WITH_DISTANCE),
    ("5d", PHASE_KNOWN),
    ("8d", ALL),
    ("hl", PHASE_AND_TIME),
    ("hl", WITH_DISTANCE),
    ("hl", DISTANCE_PHASE_KNOWN),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{'-'.join(case[1].keys)}")
def case(request: pytest.FixtureRequest) -> tuple[GravitationalWaveTransient, ExactConditional]:
    name, config = request.param
    likelihood, _ = request.getfixturevalue(f"problem_{name}")
    return likelihood, ExactConditional(config, request.getfixturevalue(f"transform_{name}"))


def rows(likelihood: GravitationalWaveTransient, exact: ExactConditional, size: int, quiet: float = 1.0) -> list[dict]:
    """The true signal, ``quiet`` times as far away where the distance is in the waveform."""
    row = {**likelihood.injection_parameters, **exact.reference}
    if "luminosity_distance" not in exact.keys:
        row["luminosity_distance"] *= quiet
    return list(exact.task_rows([row] * size, np.random.default_rng(1)))


def marginal(likelihood: GravitationalWaveTransient, exact: ExactConditional, row: dict, times: np.ndarray):
    """Log likelihood averaged over the rest, at each time, from inner products made in the ordinary way."""
    task = InnerProducts(likelihood, own_phase=exact.config.phase_known)
    products = np.array([task({**row, TIME: float(time)}) for time in times])
    return exact.log_marginal(products)


@pytest.fixture(scope="module")
def thousand(case) -> tuple[list[dict], np.ndarray]:
    """A thousand rows of a case, and what its task makes of them."""
    likelihood, exact = case
    task, wanted = exact.task(likelihood), rows(likelihood, exact, 1000)
    return wanted, np.array([task(row) for row in wanted])


@pytest.mark.training
def test_weights_are_even_and_average_to_the_marginal(case, thousand) -> None:
    likelihood, exact = case
    wanted, products = thousand
    draws = exact.draw(products, np.random.default_rng(2))
    size = len(wanted)
    average = logsumexp(draws.log_weight) - np.log(size)
    weights = np.exp(draws.log_weight - average)
    # One draw in a thousand comes from the prior and is in vain.
    assert 1 / np.mean(weights**2) > 0.99
    times = draws.parameters[TIME][weights > 0.5]
    around = np.arange(times.min() - 2e-4, times.max() + 2e-4, np.std(times) / 3)
    log_prior = exact.log_prior_of_time(around)
    brute = logsumexp(marginal(likelihood, exact, wanted[0], around) + log_prior) + np.log(around[1] - around[0])
    assert average == pytest.approx(brute, abs=5 * np.std(weights) / size**0.5 + 2e-3)
    assert exact.log_average(likelihood, wanted[0]) == pytest.approx(brute, abs=5e-3)


@pytest.mark.training
def test_draws_follow_the_data(case, thousand) -> None:
    likelihood, exact = case
    wanted, products = thousand
    draws = exact.draw(products[:800], np.random.default_rng(3))
    near = np.abs(draws.parameters[TIME] - np.median(draws.parameters[TIME])) < 3e-3
    times = draws.parameters[TIME][near]
    fine = np.linspace(times.min() - 2e-4, times.max() + 2e-4, 200)
    log_density = marginal(likelihood, exact, wanted[0], fine)
    density = np.exp(log_density - log_density.max())
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    cumulative /= cumulative[-1]
    assert kstest(times, lambda x: np.interp(x, fine, cumulative)).pvalue > 1e-3
    assert kstest(times + 0.3 * np.std(times), lambda x: np.interp(x, fine, cumulative)).pvalue < 1e-3


def test_likelihood_of_a_draw_is_the_users_own(case) -> None:
    likelihood, exact = case
    task = exact.task(likelihood)
    draws = exact.draw(np.array([task(row) for row in rows(likelihood, exact, 20)]), np.random.default_rng(4))
    for index in range(20):
        drawn = {key: float(column[index]) for key, column in draws.parameters.items()}
        own = likelihood.log_likelihood_ratio({**likelihood.injection_parameters, **drawn})
        # F+ and Fx of the packaged problems are 1 and 0 to a few parts in a million.
        assert draws.log_likelihood_ratio[index] == pytest.approx(own, rel=1e-5, abs=1e-4)


@pytest.mark.training
@pytest.mark.parametrize("quiet", [1.0, 3.0, 10.0, 1000.0])
def test_quiet_signals(problem_5d, transform_5d, quiet: float) -> None:
    """Weights stay even, from a narrow peak to a density that is the prior."""
    exact = ExactConditional(PHASE_AND_TIME, transform_5d)
    task = exact.task(problem_5d[0])
    products = np.array([task(row) for row in rows(problem_5d[0], exact, 500, quiet)])
    log_ratio = exact.draw(products, np.random.default_rng(5)).log_weight
    weights = np.exp(log_ratio - log_ratio.max())
    assert weights.sum() ** 2 / np.sum(weights**2) > 495
    spread = np.std(products[:, 3])
    assert spread == pytest.approx(0.2 / 12**0.5, rel=0.1) if quiet == 1000 else spread < 0.05


@pytest.mark.training
def test_any_prior_of_the_time(problem_5d) -> None:
    """A narrow one beside the signal, and one with a shape; both integrate to what a grid gives."""
    likelihood, priors = problem_5d
    true = likelihood.injection_parameters[TIME]
    for prior in (Uniform(true + 2e-4, true + 5e-4), TruncatedGaussian(true + 1e-3, 3e-4, true - 0.05, true + 0.05)):
        transform = PriorTransform(type(priors)({**priors, TIME: prior}))
        exact = ExactConditional(WITH_DISTANCE, transform)
        task, wanted = exact.task(likelihood), rows(likelihood, exact, 1000)
        draws = exact.draw(np.array([task(row) for row in wanted]), np.random.default_rng(6))
        assert np.all(np.isfinite(draws.log_weight))
        average = logsumexp(draws.log_weight) - np.log(1000)
        grid = np.linspace(max(prior.minimum, true - 2e-3), min(prior.maximum, true + 2.5e-3), 301)
        log_density = marginal(likelihood, exact, wanted[0], grid) + prior.ln_prob(grid)
        peak = log_density.max()
        brute = np.log(np.trapezoid(np.exp(log_density - peak), grid)) + peak
        error = np.std(np.exp(draws.log_weight - average)) / 1000**0.5
        assert average == pytest.approx(brute, abs=5 * error + 5e-3)


@pytest.mark.training
@pytest.mark.parametrize("gap", [1e-4, 3e-4, 1e-3, -2e-5])
@pytest.mark.parametrize("last_bits", range(4))
def test_windows_that_end_beside_the_signal(problem_5d, gap: float, last_bits: int) -> None:
    """Before it or just behind it, whatever the last bits of the ends: draws inside, and the evidence of a grid."""
    likelihood, priors = problem_5d
    end = likelihood.injection_parameters[TIME] - gap
    for _ in range(last_bits):
        end = np.nextafter(end, np.inf)
    prior = Uniform(end - 0.0501 - 1e-7 * last_bits, end)
    exact = ExactConditional(WITH_DISTANCE, PriorTransform(type(priors)({**priors, TIME: prior})))
    task, wanted = exact.task(likelihood), rows(likelihood, exact, 300)
    draws = exact.draw(np.array([task(row) for row in wanted]), np.random.default_rng(8))
    assert np.all(np.isfinite(draws.log_weight))
    assert np.all((draws.parameters[TIME] >= prior.minimum) & (draws.parameters[TIME] <= prior.maximum))
    weights = np.exp(draws.log_weight - draws.log_weight.max())
    assert weights.sum() ** 2 / np.sum(weights**2) > 250


class Delayed(GravitationalWaveTransient):
    """Inner products of its own: the signal as it would be a tenth of a millisecond later."""

    def calculate_snrs(self, waveform_polarizations, interferometer, return_array=True, parameters=None):
        later = {**parameters, TIME: parameters[TIME] + 1e-4}
        return super().calculate_snrs(waveform_polarizations, interferometer, return_array, parameters=later)


@pytest.mark.training
def test_inner_products_of_the_users_own(problem_5d, transform_5d) -> None:
    """Times are proposed by Bilby's inner products, and weighed by those of the likelihood at hand."""
    delayed = Delayed(problem_5d[0].interferometers, problem_5d[0].waveform_generator)
    exact = ExactConditional(WITH_DISTANCE, transform_5d)
    wanted = rows(problem_5d[0], exact, 1000)

    def average(likelihood: GravitationalWaveTransient) -> tuple[float, float]:
        task = exact.task(likelihood)
        draws = exact.draw(np.array([task(row) for row in wanted]), np.random.default_rng(7))
        value = logsumexp(draws.log_weight) - np.log(len(wanted))
        return value, np.std(np.exp(draws.log_weight - value)) / len(wanted) ** 0.5

    one, other = average(problem_5d[0]), average(delayed)
    assert one[0] == pytest.approx(other[0], abs=5 * np.hypot(one[1], other[1]))
    assert other[1] > 5 * one[1]


def test_a_failed_waveform_has_no_time(problem_5d, transform_5d) -> None:
    likelihood = problem_5d[0]
    failing = GravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator)

    class Failing:
        strain = None

        def frequency_domain_strain(self, parameters: dict) -> dict | None:
            return self.strain

    failing.waveform_generator = Failing()
    exact = ExactConditional(WITH_DISTANCE, transform_5d)
    task, row = exact.task(failing), rows(likelihood, exact, 1)[0]
    assert task(row) is None
    Failing.strain = dict.fromkeys(("plus", "cross"), np.full(513, np.nan + 0j))
    assert task(row) is None


def test_a_time_without_bounds_is_refused(problem_5d) -> None:
    from bilby.core.prior import Gaussian

    priors = type(problem_5d[1])({**problem_5d[1], TIME: Gaussian(1126259462.6, 0.01)})
    with pytest.raises(ContractError, match="no bounds"):
        ExactConditional(WITH_DISTANCE, PriorTransform(priors))


def test_rows_keep_their_share(problem_5d, transform_5d) -> None:
    """The draw of a row is its own, whatever process makes it."""
    exact = ExactConditional(WITH_DISTANCE, transform_5d)
    task = exact.task(problem_5d[0])
    assert isinstance(task, TimedProducts)
    row = rows(problem_5d[0], exact, 1)[0]
    np.testing.assert_array_equal(task(row), task(dict(row)))
    later = task({**row, SHARE: 0.9})
    assert later[3] > task({**row, SHARE: 0.2})[3]
