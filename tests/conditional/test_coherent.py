"""Sky, orientation, time, distance and phase drawn given the wave, against sums over the prior and the user's likelihood."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from bilby.core.prior import Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import logsumexp

from bilby_flowpe.conditional.averaged import AveragedLikelihood
from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.blocks.coherent import Effort
from bilby_flowpe.conditional.choose import conditional_of
from bilby_flowpe.conditional.closed_form import ExactConditional
from bilby_flowpe.conditional.coherent import CoherentConditional
from bilby_flowpe.errors import ContractError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.harmonics import inclination_factors
from bilby_flowpe.waves.inner_products import InnerProducts

OWN = ("geocent_time", "theta_jn", "psi", "ra", "dec")
ALL = ConditionalConfig(("phase", "luminosity_distance", *OWN), 2)
NO_DISTANCE = ConditionalConfig(("phase", *OWN), 2)
INCLINED = ConditionalConfig(("phase", "geocent_time", "psi", "ra", "dec"), 2)
PHASE_KNOWN = ConditionalConfig(("luminosity_distance", *OWN), phase_known=True)
CONFIGS = {"all": ALL, "no distance": NO_DISTANCE, "inclination in the wave": INCLINED, "phase known": PHASE_KNOWN}
QUIET = {1: 4000.0, 2: 5000.0, 3: 9000.0}
"""Distances in Mpc, by the number of detectors."""

Case = tuple[GravitationalWaveTransient, PriorTransform]


def case(make_problem_hl: Callable, names: tuple[str, ...] = ("H1", "L1"), farther: float = 1.0) -> Case:
    """A quiet event, and a time window that sums over the prior can fill."""
    likelihood, priors = make_problem_hl()
    true = {**likelihood.injection_parameters, "luminosity_distance": farther * QUIET[len(names)]}
    priors["geocent_time"] = Uniform(true["geocent_time"] - 4e-3, true["geocent_time"] + 4e-3)
    interferometers = InterferometerList(list(names))
    for interferometer in interferometers:
        interferometer.minimum_frequency, interferometer.maximum_frequency = 20.0, 500.0
        interferometer.set_strain_data_from_zero_noise(1024.0, 4.0, float(likelihood.interferometers.start_time))
    interferometers.inject_signal(parameters=true, waveform_generator=likelihood.waveform_generator)
    quiet = GravitationalWaveTransient(interferometers, likelihood.waveform_generator)
    quiet.injection_parameters = true
    return quiet, PriorTransform(priors)


def reference(likelihood: GravitationalWaveTransient, conditional: CoherentConditional, distance: float) -> dict:
    row = {**likelihood.injection_parameters, **conditional.reference}
    return row if "luminosity_distance" in conditional.keys else {**row, "luminosity_distance": distance}


def draws(likelihood: GravitationalWaveTransient, conditional: CoherentConditional, row: dict, size: int):
    task, rng = conditional.task(likelihood), np.random.default_rng(1)
    values = task.many(conditional.task_rows([row] * size, rng))
    return conditional.draw(np.array(values), rng)


def over_the_prior(likelihood, transform, conditional: CoherentConditional, row: dict, size: int):
    """Draws of the conditional parameters from their priors, and log likelihoods averaged over phase and distance."""
    sample = transform.sample(size, np.random.default_rng(2))
    products = InnerProducts(likelihood, own_phase=conditional.config.phase_known)
    waves = products.polarisations(row)
    values = np.empty((size, 3))
    for index in range(size):
        one = {**row, **{key: float(sample[key][index]) for key in conditional.own}}
        factors = inclination_factors(np.array(one["theta_jn"])) if "theta_jn" in conditional.own else (1.0, 1.0)
        inclined = {mode: waves[mode] * factor for mode, factor in zip(("plus", "cross"), factors, strict=True)}
        values[index] = products.of(inclined, one)
    return sample, conditional.inner.log_marginal(values)


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("all", ("H1", "L1")),
        ("no distance", ("H1",)),
        ("no distance", ("V1", "H1", "L1")),
        ("inclination in the wave", ("H1", "L1")),
        ("phase known", ("H1", "L1")),
    ],
)
def test_weights_average_to_the_sum_over_the_prior(make_problem_hl, name: str, names: tuple) -> None:
    # A phase that is known leaves less of the prior: sums over it need a signal that says less.
    known = CONFIGS[name].phase_known
    likelihood, transform = case(make_problem_hl, names, farther=3.0 if known else 1.0)
    conditional = CoherentConditional(CONFIGS[name], transform)
    row = reference(likelihood, conditional, QUIET[len(names)])
    drawn = draws(likelihood, conditional, row, 200)
    ours = logsumexp(drawn.log_weight) - np.log(len(drawn.log_weight))
    spread = np.std(np.exp(drawn.log_weight - ours))
    sample, log_likelihood = over_the_prior(likelihood, transform, conditional, row, 12_000)
    brute = logsumexp(log_likelihood) - np.log(len(log_likelihood))
    terms = np.exp(log_likelihood - brute)
    error = np.hypot(spread / 200**0.5, np.std(terms) / len(terms) ** 0.5)
    assert error < 0.3
    assert ours == pytest.approx(brute, abs=4 * error)
    assert spread < (1.0 if known else 0.5)
    # The draws are the prior's, weighted: means of what the data say something of.
    weights = np.exp(drawn.log_weight - ours)
    for values, known in (
        (drawn.parameters["geocent_time"], sample["geocent_time"]),
        (np.sin(drawn.parameters["dec"]), np.sin(sample["dec"])),
        (np.cos(drawn.parameters["ra"]), np.cos(sample["ra"])),
    ):
        mean, wanted = np.average(values, weights=weights), np.average(known, weights=terms)
        ours_error = np.std(values) / (weights.sum() ** 2 / np.sum(weights**2)) ** 0.5
        assert abs(mean - wanted) < 4.5 * np.hypot(
            ours_error, np.std(known) / (terms.sum() ** 2 / np.sum(terms**2)) ** 0.5
        )


@pytest.mark.training
def test_another_turn_of_the_right_ascension_is_the_same_posterior(make_problem_hl) -> None:
    likelihood, transform = case(make_problem_hl)
    likelihood.injection_parameters["ra"] -= 2 * np.pi
    averages = []
    for low in (0.0, -np.pi):
        priors = type(transform.priors)({**transform.priors, "ra": Uniform(low, low + 2 * np.pi)})
        conditional = CoherentConditional(ALL, PriorTransform(priors))
        averages.append(conditional.log_average(likelihood, dict(likelihood.injection_parameters)))
    assert averages[0] == pytest.approx(averages[1], abs=0.15)


@pytest.mark.parametrize("config", [ALL, PHASE_KNOWN], ids=["all", "phase known"])
def test_likelihood_of_a_draw_is_the_users_own(problem_hl, transform_hl, config: ConditionalConfig) -> None:
    likelihood, _ = problem_hl
    conditional = CoherentConditional(config, transform_hl)
    row = reference(likelihood, conditional, 0.0)
    drawn = draws(likelihood, conditional, row, 20)
    for index in range(20):
        own = likelihood.log_likelihood_ratio(
            {**row, **{key: float(column[index]) for key, column in drawn.parameters.items()}}
        )
        assert drawn.log_likelihood_ratio[index] == pytest.approx(own, rel=1e-6, abs=1e-5)


@pytest.mark.training
@pytest.mark.parametrize("config", [ALL, PHASE_KNOWN], ids=["all", "phase known"])
def test_loud_signals_are_drawn_well(problem_hl, transform_hl, config: ConditionalConfig) -> None:
    """At the true masses and spins of a loud source nearly every draw counts, of a known phase every other."""
    likelihood, _ = problem_hl
    conditional = CoherentConditional(config, transform_hl)
    drawn = draws(likelihood, conditional, reference(likelihood, conditional, 0.0), 200)
    weights = np.exp(drawn.log_weight - drawn.log_weight.max())
    assert weights.sum() ** 2 / np.sum(weights**2) > (0.4 if config.phase_known else 0.8) * len(weights)
    true, found = likelihood.injection_parameters, drawn.parameters["geocent_time"]
    assert abs(np.average(found, weights=weights) - true["geocent_time"]) < 5 * np.std(found)
    average = conditional.log_average(likelihood, dict(true))
    assert average == pytest.approx(logsumexp(drawn.log_weight) - np.log(200), abs=0.2)


@pytest.mark.training
def test_coarse_choices_cost_efficiency_and_no_exactness(problem_hl, transform_hl, monkeypatch) -> None:
    """A table that is wrong by a nat here and there leaves the average where it was."""
    likelihood, _ = problem_hl
    good = CoherentConditional(ALL, transform_hl)
    row = reference(likelihood, good, 0.0)
    expected = good.log_average(likelihood, row)
    plain = AveragedLikelihood.__call__
    monkeypatch.setattr(AveragedLikelihood, "__call__", lambda self, k, n: plain(self, k, n) + np.sin(7 * np.log(n)))
    log_ratio = draws(likelihood, CoherentConditional(ALL, transform_hl), row, 400).log_weight
    average = logsumexp(log_ratio) - np.log(400)
    weights = np.exp(log_ratio - average)
    assert np.std(weights) > 0.3
    assert average == pytest.approx(expected, abs=4 * np.std(weights) / 20 + 0.05)


@pytest.mark.training
def test_few_angles_are_uneven_and_right_on_average(problem_hl, transform_hl) -> None:
    likelihood, _ = problem_hl
    good = CoherentConditional(ALL, transform_hl)
    row = reference(likelihood, good, 0.0)
    expected = good.log_average(likelihood, row)
    few = CoherentConditional(ALL, transform_hl, effort=Effort(turns=1))
    log_ratio = draws(likelihood, few, row, 400).log_weight
    weights = np.exp(log_ratio - expected)
    assert np.std(weights) > 0.3
    assert abs(np.mean(weights) - 1) < 4 * np.std(weights) / 20 + 0.05


@pytest.mark.parametrize("config", [ALL, NO_DISTANCE])
def test_the_table_of_averages(transform_hl, config: ConditionalConfig) -> None:
    exact = CoherentConditional(config, transform_hl).inner
    table = AveragedLikelihood(exact.amplitudes)
    rng = np.random.default_rng(3)
    snr, norm = rng.uniform(0, 40, 300), np.exp(rng.uniform(np.log(1.0), np.log(1e4), 300))
    kappa = snr * np.sqrt(norm)
    truth = exact.log_marginal(np.stack([kappa, np.zeros(300), norm], axis=1))
    assert np.max(np.abs(table(kappa, norm) - truth)) < 0.15
    assert np.median(np.abs(table(kappa, norm) - truth)) < 0.01
    assert np.isfinite(table(np.zeros(1), np.zeros(1)))[0]


def test_which_conditional_it_takes(transform_hl) -> None:
    assert type(conditional_of(ALL, transform_hl)) is CoherentConditional
    assert (
        type(conditional_of(ConditionalConfig(("phase", "luminosity_distance"), 2), transform_hl)) is ExactConditional
    )
    assert ConditionalConfig.from_dict(ALL.to_dict()) == ALL


def test_priors_that_do_not_allow_it(make_problem_hl) -> None:
    priors = dict(make_problem_hl()[1])
    with pytest.raises(ContractError, match=r"\['psi'\] are fixed or tied"):
        CoherentConditional(ALL, PriorTransform(type(make_problem_hl()[1])({**priors, "psi": 1.0})))


def test_tasks_are_picklable_and_repeat(problem_hl, transform_hl) -> None:
    likelihood, _ = problem_hl
    conditional = CoherentConditional(ALL, transform_hl)
    task = conditional.task(likelihood)
    row = conditional.task_rows([reference(likelihood, conditional, 0.0)], np.random.default_rng(4))[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(task))(row), task(row))


def test_failing_waveforms_have_no_value(problem_hl, transform_hl, monkeypatch) -> None:
    likelihood, _ = problem_hl
    conditional = CoherentConditional(ALL, transform_hl)
    task = conditional.task(likelihood)
    row = conditional.task_rows([reference(likelihood, conditional, 0.0)], np.random.default_rng(5))[0]
    for made in (None, {mode: np.full(2049, np.nan + 0j) for mode in ("plus", "cross")}):
        monkeypatch.setattr(InnerProducts, "polarisations", lambda self, row, made=made: made)
        assert task(row) is None
