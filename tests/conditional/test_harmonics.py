"""Waves of several modes: draws with the phase on a grid, against the user's likelihood summed over the prior."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from bilby.core.prior import PowerLaw, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.special import logsumexp

from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.blocks.harmonics import HarmonicsBlocks
from bilby_flowpe.conditional.choose import DrawnBy, conditional_config, conditional_of
from bilby_flowpe.conditional.harmonics import HarmonicsConditional
from bilby_flowpe.errors import ContractError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.extrinsic import Extrinsic
from bilby_flowpe.waves.symmetries import find_symmetries

KEYS = ("phase", "luminosity_distance", "geocent_time", "psi", "ra", "dec")
CONFIG = ConditionalConfig(KEYS, phase_orders=(1, 2, 3, 4))
START = 1126259460.0
Case = tuple[GravitationalWaveTransient, PriorTransform]


@pytest.fixture(scope="module")
def make(make_problem_hl: Callable) -> Callable[[float], Case]:
    """An unequal binary seen from the side, at some distance in Mpc, in data without noise."""

    def made(distance: float) -> Case:
        likelihood, priors = make_problem_hl()
        generator = WaveformGenerator(
            duration=4.0,
            sampling_frequency=1024.0,
            start_time=START,
            frequency_domain_source_model=lal_binary_black_hole,
            waveform_arguments={
                "waveform_approximant": "IMRPhenomXHM",
                "reference_frequency": 20.0,
                "minimum_frequency": 20.0,
            },
        )
        true = {**likelihood.injection_parameters, "mass_2": 26.0, "theta_jn": 1.2, "luminosity_distance": distance}
        priors["geocent_time"] = Uniform(true["geocent_time"] - 4e-3, true["geocent_time"] + 4e-3)
        priors["luminosity_distance"] = PowerLaw(2, 300, 9000)
        interferometers = InterferometerList(["H1", "L1"])
        for interferometer in interferometers:
            interferometer.minimum_frequency, interferometer.maximum_frequency = 20.0, 500.0
            interferometer.set_strain_data_from_zero_noise(1024.0, 4.0, START)
        interferometers.inject_signal(parameters=true, waveform_generator=generator)
        event = GravitationalWaveTransient(interferometers, generator)
        event.injection_parameters = true
        return event, PriorTransform(priors)

    return made


def draws(case: Case, conditional: HarmonicsConditional, size: int):
    task, rng = conditional.task(case[0]), np.random.default_rng(1)
    row = {**case[0].injection_parameters, **conditional.reference}
    return conditional.draw(np.array([task(one) for one in conditional.task_rows([row] * size, rng)]), rng)


@pytest.mark.training
def test_weights_average_to_the_sum_over_the_prior(make) -> None:
    likelihood, transform = case = make(6500.0)
    drawn = draws(case, conditional_of(CONFIG, transform), 100)
    ours = logsumexp(drawn.log_weight) - np.log(100)
    spread = np.std(np.exp(drawn.log_weight - ours))
    assert spread < 0.5
    sample = transform.sample(6000, np.random.default_rng(2))
    rows = ({key: float(sample[key][i]) for key in KEYS} for i in range(6000))
    values = np.array([likelihood.log_likelihood_ratio({**likelihood.injection_parameters, **row}) for row in rows])
    brute = logsumexp(values) - np.log(6000)
    error = np.hypot(spread / 10, np.std(np.exp(values - brute)) / 6000**0.5)
    assert error < 0.25
    assert ours == pytest.approx(brute, abs=4 * error)


@pytest.mark.training
def test_loud_waves_are_drawn_well_and_their_likelihood_is_the_users(make) -> None:
    likelihood, transform = case = make(900.0)
    conditional = conditional_of(CONFIG, transform)
    drawn = draws(case, conditional, 80)
    weights = np.exp(drawn.log_weight - drawn.log_weight.max())
    assert weights.sum() ** 2 / np.sum(weights**2) > 0.6 * len(weights)
    for index in range(10):
        row = {**likelihood.injection_parameters, **{key: float(drawn.parameters[key][index]) for key in KEYS}}
        assert drawn.log_likelihood_ratio[index] == pytest.approx(
            likelihood.log_likelihood_ratio(row), rel=1e-9, abs=1e-6
        )
    # One mode of the phase, where a wave of the (2, 2) mode alone would have two.
    turned = np.exp(1j * drawn.parameters["phase"])
    assert np.abs(np.average(turned, weights=weights)) > 0.5
    average = conditional.log_average(likelihood, dict(likelihood.injection_parameters))
    assert average == pytest.approx(logsumexp(drawn.log_weight) - np.log(80), abs=0.4)


@pytest.mark.training
def test_a_wave_of_nearly_one_term_has_the_users_likelihood(make_problem_hl) -> None:
    """Imitate a time-domain model, whose wave rotates with the phase like one term to a few parts in a hundred thousand."""
    likelihood, priors = make_problem_hl()
    transform = PriorTransform(priors)
    keys = ("phase", "geocent_time")
    drawn = draws((likelihood, transform), conditional_of(ConditionalConfig(keys, phase_orders=(2,)), transform), 4)
    for index in range(4):
        row = {key: float(drawn.parameters[key][index]) for key in keys}
        users = likelihood.log_likelihood_ratio({**likelihood.injection_parameters, **row})
        assert drawn.log_likelihood_ratio[index] == pytest.approx(users, rel=1e-9, abs=1e-6)


@pytest.mark.training
def test_the_loudest_mode_alone_would_not_do(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the other modes in the choice of the phase, weights are as uneven as the modes are loud."""
    case = make(900.0)
    conditional = conditional_of(CONFIG, case[1])
    plain = HarmonicsBlocks._at

    def blind(self, phases, inner, norms):
        alone = np.array([order == 2 for order in self._orders])
        return plain(self, phases, inner * alone, norms * np.outer(alone, alone))

    monkeypatch.setattr(HarmonicsBlocks, "_at", blind)
    log_ratio = draws(case, conditional, 60).log_weight
    weights = np.exp(log_ratio - log_ratio.max())
    assert weights.sum() ** 2 / np.sum(weights**2) < 0.3 * len(weights)


@pytest.mark.training
def test_what_is_drawn_is_found_out(make) -> None:
    likelihood, transform = make(900.0)
    extrinsic = Extrinsic(transform, (), find_symmetries(likelihood.waveform_generator, transform))
    duration = likelihood.interferometers.duration
    assert extrinsic.symmetries.phase_orders == (1, 2, 3, 4)
    config = conditional_config(extrinsic, duration, DrawnBy(), None)
    assert set(config.keys) == set(KEYS)
    assert config.phase_orders == (1, 2, 3, 4)
    assert ConditionalConfig.from_dict(config.to_dict()) == config
    assert conditional_config(extrinsic, duration, DrawnBy(phase="network"), None).keys == ()


@pytest.mark.training
def test_priors_of_the_phase_and_pickles(make) -> None:
    likelihood, transform = make(900.0)
    narrow = PriorTransform(type(transform.priors)({**transform.priors, "phase": Uniform(0, 1)}))
    with pytest.raises(ContractError, match="not uniform from 0 to 2 pi"):
        conditional_of(CONFIG, narrow)
    conditional = conditional_of(CONFIG, transform)
    task = conditional.task(likelihood)
    row = {**likelihood.injection_parameters, **conditional.reference}
    seeded = conditional.task_rows([row], np.random.default_rng(4))[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(task))(seeded), task(seeded))
