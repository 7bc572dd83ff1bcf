"""Problems and simulators of waves that many tests share, as the fixtures of ``conftest.py`` build them."""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Constraint, Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.simulation.signal_bank import SignalBank

N_WAVEFORMS = 400
"""Waveforms of the shared simulators."""

SEGMENT_START = 1126259460.0

Problem = tuple[GravitationalWaveTransient, PriorDict]


def small_simulator(problem: Problem, transform: PriorTransform) -> SignalBank:
    config = SimulationConfig(n_waveforms=N_WAVEFORMS)
    return SignalBank(problem_of(problem[0], transform), config, npool=1, seed=7, progress=False)


def two_detectors() -> Problem:
    """Likelihood and priors of a signal like GW150914 in H1 and L1."""
    rng = np.random.default_rng(2015)
    priors = BBHPriorDict(
        dictionary={
            "mass_1": Uniform(25, 45),
            "mass_2": Uniform(25, 45),
            "mass_ratio": Constraint(0, 1),
            "chi_1": Uniform(-0.9, 0.9),
            "chi_2": Uniform(-0.9, 0.9),
            "luminosity_distance": PowerLaw(2, 300, 2500),
            "theta_jn": Sine(),
            "phase": Uniform(0, 2 * np.pi),
            "psi": Uniform(0, np.pi),
            "ra": Uniform(0, 2 * np.pi),
            "dec": Cosine(),
            "geocent_time": Uniform(SEGMENT_START + 1.9, SEGMENT_START + 2.1),
        }
    )
    generator = WaveformGenerator(
        duration=4.0,
        sampling_frequency=1024.0,
        start_time=SEGMENT_START,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomPv2",
            "reference_frequency": 20.0,
            "minimum_frequency": 20.0,
        },
    )
    interferometers = InterferometerList(["H1", "L1"])
    for interferometer in interferometers:
        interferometer.minimum_frequency = 20.0
        interferometer.maximum_frequency = 500.0
        asd = interferometer.power_spectral_density.get_power_spectral_density_array(np.arange(2049) / 4) ** 0.5
        strain = (rng.standard_normal(2049) + 1j * rng.standard_normal(2049)) * asd  # of variance T / 4 = 1
        strain[~np.isfinite(strain)] = 0
        interferometer.set_strain_data_from_frequency_domain_strain(
            strain, sampling_frequency=1024.0, duration=4.0, start_time=SEGMENT_START
        )
    injection = {
        "mass_1": 38.0, "mass_2": 31.0, "chi_1": 0.2, "chi_2": -0.1, "luminosity_distance": 900.0, "theta_jn": 2.7,
        "phase": 1.3, "psi": 2.1, "ra": 1.9, "dec": -1.2, "geocent_time": SEGMENT_START + 2.03,
    }  # fmt: skip
    interferometers.inject_signal(parameters=dict(injection), waveform_generator=generator)
    likelihood = GravitationalWaveTransient(interferometers, generator)
    likelihood.injection_parameters = injection
    return likelihood, priors
