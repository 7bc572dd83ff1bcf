"""Sources of coarse waves: twins, models that are functions of the frequency, other approximants, reading; and refusals."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from bilby.core.prior import DeltaFunction, Uniform
from bilby.gw import source
from bilby.gw.conversion import convert_to_lal_binary_neutron_star_parameters
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.errors import CoarseObstacle
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.coarse.build import coarse_waves
from bilby_flowpe.waves.coarse.coarse_waves import CoarseWaves
from bilby_flowpe.waves.coarse.search import find_reference
from tests.approximations import generator_of
from tests.waves.coarse.test_coarse_waves import compare


def made(likelihood, priors, orders=(2,), reference: dict | None = None, **more) -> CoarseWaves:
    reference = reference or {**PriorTransform(priors).fixed, **likelihood.injection_parameters}
    window = priors["geocent_time"].minimum, priors["geocent_time"].maximum
    return coarse_waves(likelihood, PriorTransform(priors), orders, reference, window, **more)


def chirp(frequency_array, mass_1, mass_2, luminosity_distance, theta_jn, phase, **_):
    """A wave that is a function of each frequency: an inspiral at leading order, cut off smoothly."""
    chirp_mass = 4.925491e-6 * (mass_1 * mass_2) ** 0.6 / (mass_1 + mass_2) ** 0.2
    frequencies = np.maximum(frequency_array, 5.0)
    turns = 3 / 128 * (np.pi * chirp_mass * frequencies) ** (-5 / 3)
    amplitude = 4e-20 / luminosity_distance * frequencies ** (-7 / 6) * np.exp(-((frequencies / 200) ** 2))
    wave = np.where(frequency_array >= 20, amplitude * np.exp(1j * (turns + 2 * phase)), 0)
    return {"plus": wave * (1 + np.cos(theta_jn) ** 2) / 2, "cross": 1j * wave * np.cos(theta_jn)}


def whole_chirp(frequency_array, **parameters):
    """The same, from a model that needs all frequencies."""
    if len(frequency_array) < 1000:
        raise ValueError("all frequencies, please")
    return chirp(frequency_array, **parameters)


def in_time(time_array, mass_1, mass_2, luminosity_distance, theta_jn, phase, **_):
    """A ringing pulse that merges at time zero, wrapped round."""
    since = (time_array - time_array[0] + 2.0) % 4.0 - 2.0
    frequency = 1800 / (mass_1 + mass_2)
    pulse = 1e-20 / luminosity_distance * np.exp(-((since / 0.02) ** 2) + 2j * np.pi * frequency * since - 2j * phase)
    return {"plus": pulse.real * (1 + np.cos(theta_jn) ** 2) / 2, "cross": pulse.imag * np.cos(theta_jn)}


def user_model(likelihood, **models) -> None:
    given = likelihood.waveform_generator
    likelihood.waveform_generator = WaveformGenerator(
        duration=given.duration,
        sampling_frequency=given.sampling_frequency,
        start_time=given.start_time,
        waveform_arguments={},
        parameter_conversion=given.parameter_conversion,
        **models,
    )


def chirp_with_keys(frequency_array, mass_1, mass_2, luminosity_distance, theta_jn, phase):
    return chirp(frequency_array, mass_1, mass_2, luminosity_distance, theta_jn, phase)


def whole_chirp_with_keys(frequency_array, mass_1, mass_2, luminosity_distance, theta_jn, phase):
    return whole_chirp(
        frequency_array,
        mass_1=mass_1,
        mass_2=mass_2,
        luminosity_distance=luminosity_distance,
        theta_jn=theta_jn,
        phase=phase,
    )


def pulse_with_keys(time_array, mass_1, mass_2, luminosity_distance, theta_jn, phase):
    return in_time(time_array, mass_1, mass_2, luminosity_distance, theta_jn, phase)


def test_neutron_stars(make_problem_hl) -> None:
    """Light ones, long signals: the group delay of a phase of many turns."""
    likelihood, priors = make_problem_hl()
    generator = generator_of(
        likelihood,
        source.lal_binary_neutron_star,
        waveform_approximant="IMRPhenomXP_NRTidalv2",
        minimum_frequency=60.0,
    )
    generator.parameter_conversion = convert_to_lal_binary_neutron_star_parameters
    likelihood.waveform_generator = generator
    tides = {"lambda_1": 400.0, "lambda_2": 600.0}
    priors.update({key: DeltaFunction(value) for key, value in tides.items()})
    priors.update({"mass_1": Uniform(1.4, 1.7), "mass_2": Uniform(1.1, 1.4)})
    reference = {**likelihood.injection_parameters, **tides, "mass_1": 1.5, "mass_2": 1.3, "chi_1": 0.02, "chi_2": 0.01}
    coarse = made(likelihood, priors, reference=reference)
    assert "neutron_star" in coarse.source
    assert coarse.error < 0.05
    for row in (reference, {**reference, "mass_1": 1.502, "lambda_2": 100.0}):
        compare(coarse, likelihood, row)


def test_a_function_of_the_frequency(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    user_model(likelihood, frequency_domain_source_model=chirp_with_keys)
    coarse = made(likelihood, priors)
    assert "chirp_with_keys" in coarse.source
    assert coarse.nodes[0] == 20
    compare(coarse, likelihood, {**likelihood.injection_parameters, "mass_1": 36.0})


@pytest.mark.parametrize(
    "model",
    [{"frequency_domain_source_model": whole_chirp_with_keys}, {"time_domain_source_model": pulse_with_keys}],
    ids=["of all frequencies", "in time"],
)
def test_anything_else_is_read(make_problem_hl, model: dict) -> None:
    likelihood, priors = make_problem_hl()
    user_model(likelihood, **model)
    coarse = made(likelihood, priors)
    assert "read at some" in coarse.source
    # Nodes are frequencies of the data.
    np.testing.assert_allclose(coarse.nodes * 4, np.rint(coarse.nodes * 4))
    compare(coarse, likelihood, {**likelihood.injection_parameters, "mass_1": 36.0})


def test_a_search_does_not_call_what_is_dear(make_problem_hl) -> None:
    """If waves have to be read from all frequencies, the search uses the usual waves of black holes."""
    likelihood, priors = make_problem_hl()
    user_model(likelihood, frequency_domain_source_model=whole_chirp_with_keys)
    window = priors["geocent_time"].minimum, priors["geocent_time"].maximum
    found = find_reference(likelihood, PriorTransform(priors), (2,), window, np.random.default_rng(1), draws=20)
    assert "IMRPhenomXAS" in found.words


def test_another_approximant(make_problem_hl) -> None:
    """Waves of the one that is named, for whatever generator: compared with a generator of its own."""
    likelihood, priors = make_problem_hl()
    user_model(likelihood, frequency_domain_source_model=whole_chirp_with_keys)
    coarse = made(likelihood, priors, coarse="IMRPhenomD")
    assert "IMRPhenomD" in coarse.source
    likelihood.waveform_generator = generator_of(
        likelihood, source.lal_binary_black_hole, waveform_approximant="IMRPhenomD", reference_frequency=50.0
    )
    compare(coarse, likelihood, {**likelihood.injection_parameters, "mass_1": 36.0})


def test_obstacles(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    logging.getLogger("bilby").setLevel(logging.ERROR)
    with pytest.raises(CoarseObstacle, match="not an approximant of LALSimulation"):
        made(likelihood, priors, coarse="IMRPhenomNone")
    user_model(likelihood, frequency_domain_source_model=lambda frequency_array, mass_1: None)
    with pytest.raises(CoarseObstacle, match="no wave at any"):
        made(likelihood, priors)
    user_model(likelihood, frequency_domain_source_model=lambda frequency_array, mass_1: {"breathing": frequency_array})
    with pytest.raises(CoarseObstacle, match="breathing"):
        made(likelihood, priors)
