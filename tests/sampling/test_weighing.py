"""Importance weights against ones made by hand with the user's own likelihood and prior."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import i0e, logsumexp

from bilby_flowpe.bound import BoundPosterior
from bilby_flowpe.conditional.spot_check import rows_to_compare
from bilby_flowpe.importance import summarise
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.proposals.mixture import Draws, flow_alone
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.sampling.weighted import WeightedDraws
from bilby_flowpe.translation.translated import as_it_stands
from bilby_flowpe.waves.inner_products import InnerProducts

Trained = tuple[Path, TrainedPosterior]
SEED = 4


class Weigher:
    """A model, the problem it is bound to, and draws for it."""

    def __init__(self, model: TrainedPosterior, problem: tuple, size: int) -> None:
        self.likelihood, self.priors = problem
        self.transform = PriorTransform(self.priors)
        self.bound: BoundPosterior = model.bind(self.likelihood, self.transform)
        self.draws: Draws = flow_alone(self.bound).draw(size, np.random.default_rng(SEED))

    def __call__(self, likelihood: Any = None, use_ratio: bool = True, npool: int = 1) -> WeightedDraws:
        problem = problem_of(likelihood or self.likelihood, self.transform)
        target = Target(as_it_stands(problem), use_ratio, self.bound.conditional, npool)
        return target.weigh(self.draws, np.random.default_rng(SEED))

    def log_prior_by_hand(self, row: dict[str, float], keys: tuple[str, ...]) -> float:
        # Half of the masses' square has mass_1 >= mass_2: the normalised prior is twice as dense there.
        assert row["mass_1"] >= row["mass_2"]
        return float(sum(self.priors[key].ln_prob(row[key]) for key in keys)) + math.log(2)

    def row(self, weighted: WeightedDraws, index: int) -> dict[str, float]:
        return {**self.transform.fixed, **{key: float(v[index]) for key, v in weighted.parameters.items()}}


@pytest.fixture(scope="module")
def conditional(trained_5d: Trained, problem_5d: tuple) -> Weigher:
    return Weigher(trained_5d[1], problem_5d, 600)


@pytest.fixture(scope="module")
def network(trained_network_5d: Trained, problem_5d: tuple) -> Weigher:
    return Weigher(trained_network_5d[1], problem_5d, 600)


# Asked for by name, so that what needs a trained model is not seen by its fixtures.
@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.training) for name in ("conditional", "network")])
def either(request: pytest.FixtureRequest) -> Weigher:
    return request.getfixturevalue(request.param)


def test_weights_by_hand(network: Weigher) -> None:
    weighted = network()
    keys = network.transform.keys
    for index in np.flatnonzero(network.draws.inside)[:100]:
        row = network.row(weighted, index)
        log_likelihood = network.likelihood.log_likelihood_ratio(dict(row))
        log_prior = network.log_prior_by_hand(row, keys)
        assert weighted.log_likelihood[index] == pytest.approx(log_likelihood, abs=1e-9)
        assert weighted.log_prior[index] == pytest.approx(log_prior, abs=1e-9)
        expected = log_likelihood + log_prior - network.draws.log_q[index]
        assert weighted.log_weights[index] == pytest.approx(expected, abs=1e-9)
    assert weighted.n_likelihood == network.draws.inside.sum()
    assert weighted.spot_difference == 0.0


def test_density_of_the_draws(either: Weigher) -> None:
    """log q recomputed from the parameters: to coordinates, through the network, and back by the Jacobian."""
    draws, bound = either.draws, either.bound
    inside = np.flatnonzero(draws.inside)
    parameters = {key: value[inside] for key, value in draws.parameters.items()}
    pivot = bound.pivot.expand(len(inside))
    x, log_jacobian = bound.coordinates.to_network(parameters, pivot)
    with torch.no_grad():
        log_prob = bound.model.network.log_prob(x, bound.context.expand(len(inside), -1)).double().numpy()
    recomputed = log_prob + log_jacobian - bound.coordinates.log_copies
    # GPS times in doubles are 2e-7 s apart, a thousandth of the time's width; the coordinates are single precision.
    np.testing.assert_allclose(recomputed, draws.log_q[inside], atol=2e-2)


def test_conditional_weights_by_hand(conditional: Weigher) -> None:
    """The likelihood averaged over phase, distance and time on a grid, times the prior of the rest over its density."""
    weighted = conditional()
    prior = conditional.priors["luminosity_distance"]
    # Equal shares of the prior; the conditional's width is a twentieth of the range or more.
    distances = np.asarray(prior.rescale((np.arange(2000) + 0.5) / 2000))
    products = InnerProducts(conditional.likelihood)
    for index in np.flatnonzero(conditional.draws.inside)[:5]:
        row = conditional.row(weighted, index)
        # The conditional is 2e-4 s wide: its whole mass, in steps of an eighth of that.
        times = row["geocent_time"] + np.arange(-80, 81) * 2.5e-5
        log_prior = conditional.priors["geocent_time"].ln_prob(times)
        averaged = []
        for time in times:
            re, im, norm = products({**row, "luminosity_distance": 1000.0, "geocent_time": float(time)})
            factor, kappa = 1000.0 / distances, math.hypot(re, im)
            log_likelihood = np.log(i0e(factor * kappa)) + factor * kappa - factor**2 * norm / 2
            averaged.append(logsumexp(log_likelihood) - math.log(2000))
        expected = (
            logsumexp(averaged + log_prior)
            + math.log(2.5e-5)
            + conditional.log_prior_by_hand(row, ("mass_1", "mass_2"))
            - conditional.draws.log_q[index]
        )
        assert weighted.log_weights[index] == pytest.approx(expected, abs=5e-3)


def test_conditional_rows_are_those_of_the_likelihood(conditional: Weigher) -> None:
    weighted = conditional()
    for index in np.flatnonzero(conditional.draws.inside)[:50]:
        row = conditional.row(weighted, index)
        assert weighted.log_likelihood[index] == pytest.approx(
            conditional.likelihood.log_likelihood_ratio(dict(row)), abs=1e-6
        )
        assert weighted.log_prior[index] == pytest.approx(
            conditional.log_prior_by_hand(row, conditional.transform.keys), abs=1e-9
        )
    assert 0 < weighted.spot_difference < 1e-6
    assert not weighted.spot_check_failed
    assert weighted.n_likelihood == conditional.draws.inside.sum() + weighted.compared.n_rows
    assert 0 < weighted.compared.n_rows <= rows_to_compare(600)


def test_both_ways_give_one_evidence(trained_5d: Trained, trained_network_5d: Trained, problem_5d: tuple) -> None:
    one, other = (
        summarise(Weigher(trained[1], problem_5d, 4000)().log_weights) for trained in (trained_5d, trained_network_5d)
    )
    error = math.hypot(one.log_evidence_err, other.log_evidence_err)
    assert error < 0.3
    assert abs(one.log_evidence - other.log_evidence) < 4 * error


def test_ratio_or_not_differs_by_the_noise(either: Weigher) -> None:
    ratio, whole = either(use_ratio=True), either(use_ratio=False)
    noise = either.likelihood.noise_log_likelihood()
    inside = either.draws.inside
    for name in ("log_weights", "log_likelihood"):
        np.testing.assert_allclose(getattr(whole, name)[inside], getattr(ratio, name)[inside] + noise, atol=1e-8)


def test_processes_do_not_matter(either: Weigher) -> None:
    one, two = either(npool=1), either(npool=2)
    np.testing.assert_array_equal(one.log_weights, two.log_weights)
    for key, value in one.parameters.items():
        np.testing.assert_array_equal(value, two.parameters[key])


def test_rows_outside_the_prior_have_no_weight(either: Weigher) -> None:
    draws = either.draws
    outside = np.zeros(len(draws.log_q), dtype=bool)
    outside[::3] = True
    few = copy.copy(either)
    few.draws = replace(draws, inside=draws.inside & ~outside)
    weighted = few()
    assert np.all(weighted.log_weights[outside] == -np.inf)
    assert np.all(weighted.log_prior[outside] == -np.inf)
    assert weighted.n_outside == np.sum(~few.draws.inside)
    few.draws = replace(draws, inside=np.zeros_like(draws.inside))
    nothing = few()
    assert np.all(nothing.log_weights == -np.inf)
    assert nothing.n_likelihood == 0
    assert not nothing.spot_check_failed


def test_failing_waveforms_have_no_weight(either: Weigher) -> None:
    likelihood = copy.deepcopy(either.likelihood)
    generator = likelihood.waveform_generator
    plain = generator.frequency_domain_strain
    limit = float(np.median(either.draws.parameters["mass_1"]))
    generator.frequency_domain_strain = lambda row: None if row["mass_1"] > limit else plain(row)
    weighted, healthy = either(likelihood), either()
    failing = either.draws.parameters["mass_1"] > limit
    assert np.all(weighted.log_weights[failing] == -np.inf)
    alive = ~failing & either.draws.inside
    if not either.bound.conditional.keys:
        np.testing.assert_array_equal(weighted.log_weights[alive], healthy.log_weights[alive])
    else:  # others are drawn of what is drawn conditionally, to which the weights are blind but for the grid
        np.testing.assert_allclose(weighted.log_weights[alive], healthy.log_weights[alive], atol=0.02)
    assert summarise(weighted.log_weights).n_finite == alive.sum()


class NotANumber(GravitationalWaveTransient):
    def log_likelihood_ratio(self, parameters: dict | None = None) -> float:
        return math.nan if parameters["mass_2"] > 50 else super().log_likelihood_ratio(parameters)


class Tempered(GravitationalWaveTransient):
    """A likelihood whose inner products are not the whole of it."""

    def log_likelihood_ratio(self, parameters: dict | None = None) -> float:
        return 0.9 * super().log_likelihood_ratio(parameters)


class LyingProducts(GravitationalWaveTransient):
    """Inner products that are wrong at phase zero alone, where the closed form takes them from."""

    def calculate_snrs(self, *args: Any, parameters: dict, **kwargs: Any) -> Any:
        snrs = super().calculate_snrs(*args, parameters=parameters, **kwargs)
        if parameters["phase"] == 0.0:
            snrs.d_inner_h *= 1.001
        return snrs


def remade(likelihood: GravitationalWaveTransient, kind: type) -> GravitationalWaveTransient:
    other = copy.copy(likelihood)
    other.__class__ = kind
    return other


def test_likelihoods_that_are_no_number_have_no_weight(network: Weigher) -> None:
    weighted = network(remade(network.likelihood, NotANumber))
    light = network.draws.parameters["mass_2"] <= 50
    np.testing.assert_array_equal(np.isfinite(weighted.log_weights), light & network.draws.inside)
    assert light.any()
    assert not light.all()


def test_rows_without_a_number_are_counted_and_those_without_a_waveform_are_not(conditional: Weigher) -> None:
    """If inner products fail, only the likelihood itself can tell why."""
    limit = float(np.median(conditional.draws.parameters["mass_1"]))
    failing = int(np.sum((conditional.draws.parameters["mass_1"] > limit) & conditional.draws.inside))
    plain = conditional.likelihood.waveform_generator.frequency_domain_strain
    for spoil, counted in (
        (lambda strain: None, 0),
        (lambda strain: {mode: values * math.nan for mode, values in strain.items()}, failing),
    ):
        likelihood = copy.deepcopy(conditional.likelihood)
        likelihood.waveform_generator.frequency_domain_strain = lambda row, spoil=spoil: (
            spoil(plain(row)) if row["mass_1"] > limit else plain(row)
        )
        target = Target(
            as_it_stands(problem_of(likelihood, conditional.transform)), True, conditional.bound.conditional, 1
        )
        weighted = target.weigh(conditional.draws, np.random.default_rng(SEED))
        assert target.meter.n_nan == counted
        assert target.meter.n_likelihood == weighted.n_likelihood
        # As many rows are compared or looked at, whatever fails.
        assert weighted.n_likelihood == int(conditional.draws.inside.sum()) + rows_to_compare(600)


@pytest.mark.parametrize("kind", [Tempered, LyingProducts])
def test_spot_check_finds_a_lie(conditional: Weigher, kind: type) -> None:
    weighted = conditional(remade(conditional.likelihood, kind))
    assert weighted.spot_check_failed
    assert weighted.spot_difference > 1e-2


def test_without_the_closed_form_there_is_nothing_to_find(network: Weigher) -> None:
    weighted = network(remade(network.likelihood, Tempered))
    inside = network.draws.inside
    assert not weighted.spot_check_failed
    np.testing.assert_allclose(weighted.log_likelihood[inside], 0.9 * network().log_likelihood[inside], rtol=1e-12)
