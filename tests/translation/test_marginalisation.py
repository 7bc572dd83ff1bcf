"""The value of Bilby's sum over times at one time, compared with the sum itself."""

from __future__ import annotations

import copy
import pickle

import bilby
import numpy as np
import pytest
from bilby.core.prior import PriorDict, TruncatedGaussian, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.translation.marginalisation import AtOneTime, needs_one_time
from bilby_flowpe.translation.plain import unmarginalised
from bilby_flowpe.translation.translate import translated

START, DURATION, SAMPLING = 1126259460.0, 16.0, 512.0
TRUTH = {
    "mass_1": 36.0, "mass_2": 29.0, "a_1": 0.0, "a_2": 0.0, "tilt_1": 0.0, "tilt_2": 0.0, "phi_12": 0.0, "phi_jl": 0.0,
    "luminosity_distance": 1500.0, "theta_jn": 0.4, "psi": 2.6, "phase": 1.3, "geocent_time": START + 8.0003, "ra": 1.4,
    "dec": -1.2,
}  # fmt: skip
STEP = 2 / SAMPLING


@pytest.fixture(scope="module")
def plain() -> GravitationalWaveTransient:
    bilby.core.utils.random.seed(3)
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for detector in detectors:
        detector.minimum_frequency = 30
    detectors.set_strain_data_from_power_spectral_densities(SAMPLING, DURATION, START)
    generator = bilby.gw.WaveformGenerator(
        DURATION,
        SAMPLING,
        START,
        bilby.gw.source.lal_binary_black_hole,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_black_hole_parameters,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomD",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    detectors.inject_signal(waveform_generator=generator, parameters=TRUTH)
    return GravitationalWaveTransient(detectors, generator)


PRIORS = {
    "wide": lambda: Uniform(TRUTH["geocent_time"] - 0.05, TRUTH["geocent_time"] + 0.05),
    "an edge through the signal": lambda: Uniform(TRUTH["geocent_time"] + 0.001, TRUTH["geocent_time"] + 0.05),
    "not uniform": lambda: TruncatedGaussian(
        TRUTH["geocent_time"], 0.002, TRUTH["geocent_time"] - 0.01, TRUTH["geocent_time"] + 0.01
    ),
}


def marginal(
    plain: GravitationalWaveTransient, name: str, **flags: bool
) -> tuple[GravitationalWaveTransient, PriorDict]:
    priors = PriorDict({**TRUTH, "geocent_time": PRIORS[name](), "phase": Uniform(0, 2 * np.pi)})
    given = GravitationalWaveTransient(
        plain.interferometers, plain.waveform_generator, priors=priors, time_marginalization=True, **flags
    )
    priors.convert_floats_to_delta_functions()
    return given, priors


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("phase_marginalization", [False, True])
def test_the_average_over_times_is_the_sum(
    plain: GravitationalWaveTransient, name: str, phase_marginalization: bool
) -> None:
    """Each jitter is taken alone: one time in each step, with the prior that the sum gives it."""
    given, priors = marginal(plain, name, phase_marginalization=phase_marginalization)
    jitter = priors["time_jitter"]
    # Over the times alone: the phase stays marginalised here.
    one = AtOneTime(given, jitter)
    prior = one.plain_prior()
    for offset in (0.0, 0.3 * STEP, -0.4 * STEP):
        row = {**TRUTH, "geocent_time": START, "time_jitter": offset}
        expected = given.log_likelihood_ratio(row)
        times = START + STEP * np.arange(int(DURATION / STEP)) + offset
        times = times[(times >= prior.minimum) & (times <= prior.maximum)]
        values = np.array([one.log_likelihood_ratio({**TRUTH, "geocent_time": time}) for time in times])
        found = np.logaddexp.reduce(values + prior.ln_prob(times) + np.log(STEP))
        # A GPS time in double precision is good to 1.2e-7 s, of which the phase of the loudest frequencies turns by 2e-4.
        assert found == pytest.approx(expected, abs=1e-6 * abs(expected) + 1e-9), offset


def test_it_is_close_to_the_plain_likelihood(plain: GravitationalWaveTransient) -> None:
    """Draws of the plain likelihood can be used: they differ by at most 6e-4, by the Earth's rotation in half of the data."""
    given, priors = marginal(plain, "wide")
    one = AtOneTime(unmarginalised(given, but=("time",)), priors["time_jitter"])
    for off in (-0.01, 0.0, 0.0004, 0.013):
        row = {**TRUTH, "geocent_time": TRUTH["geocent_time"] + off}
        assert one.log_likelihood_ratio(row) == pytest.approx(plain.log_likelihood_ratio(row), abs=0.5)


def test_times_that_the_sum_does_not_have(plain: GravitationalWaveTransient) -> None:
    given, priors = marginal(plain, "wide")
    one = AtOneTime(given, priors["time_jitter"])
    prior = one.plain_prior()
    assert prior.maximum - prior.minimum == pytest.approx(0.1, abs=1e-6)
    for time in (prior.minimum - 1e-4, prior.maximum + 1e-4, START - 1, START + 17):
        assert one.log_likelihood_ratio({**TRUTH, "geocent_time": time}) == -np.inf


def test_it_goes_to_another_process(plain: GravitationalWaveTransient) -> None:
    given, priors = marginal(plain, "wide")
    one = AtOneTime(given, priors["time_jitter"])
    again = pickle.loads(pickle.dumps(one))
    assert again.log_likelihood_ratio(TRUTH) == one.log_likelihood_ratio(TRUTH)
    assert one.log_likelihood(TRUTH) == one.log_likelihood_ratio(TRUTH) + given.noise_log_likelihood()


def test_what_it_is_needed_for(plain: GravitationalWaveTransient) -> None:
    assert needs_one_time(marginal(plain, "wide")[0])
    assert not needs_one_time(plain)
    given, priors = marginal(plain, "wide")
    translation = translated(given, copy.deepcopy(priors))
    assert translation.obstacle is None
    assert translation.corrects
    assert isinstance(translation.asked, AtOneTime)
    assert {*translation.keys} == {"phase", "time_jitter"}


def test_the_reported_jitter_is_the_step_s_rest(plain: GravitationalWaveTransient) -> None:
    given, priors = marginal(plain, "wide")
    translation = translated(given, copy.deepcopy(priors))
    times = START + 8 + STEP * np.array([0.1, 0.6, 1.4, 3.0])
    sample = {"geocent_time": times, "phase": np.zeros(4)}
    np.testing.assert_allclose(
        translation.reported(sample)["time_jitter"], STEP * np.array([0.1, -0.4, 0.4, 0.0]), atol=1e-6
    )
