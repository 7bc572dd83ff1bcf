"""Small problems that many tests share. They are built once a session: copy what you mean to change."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from bilby.core import sampler as bilby_sampler
from bilby.core.prior import Constraint, Cosine, PowerLaw, PriorDict, Sine, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe import model_choice
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.simulation import SignalBank, SimulationConfig
from bilby_flowpe.training.settings import Settings
from tests.trained import train_into

N_WAVEFORMS = 400
"""Waveforms of the shared simulators."""

SEGMENT_START = 1126259460.0

Problem = tuple[GravitationalWaveTransient, PriorDict]


if "PYTEST_XDIST_WORKER" in os.environ:
    # A process a core: threads beside them would only wait for each other.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def measured_briefly() -> Iterator[None]:
    """Models that a run trains on demand are measured on few simulated events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_choice, "Settings", partial(Settings, calibration_events=2, null_events=20))
        yield


@pytest.fixture(scope="session", autouse=True)
def packages_listed_once() -> Iterator[None]:
    """Bilby asks pip for the installed packages at every run, which takes a second each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bilby_sampler, "env_package_list", cache(bilby_sampler.env_package_list))
        yield


@pytest.fixture(scope="session", autouse=True)
def quiet_bilby() -> None:
    """Bilby's messages from warnings up only."""
    logging.getLogger("bilby").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def problem_5d() -> Problem:
    """Likelihood and priors of the five-parameter problem of Green et al. (2020)."""
    return green2020(5, seed=1)


@pytest.fixture(scope="session")
def problem_8d() -> Problem:
    """Likelihood and priors of the eight-parameter problem."""
    return green2020(8, seed=1)


@pytest.fixture(scope="session")
def transform_5d(problem_5d: Problem) -> PriorTransform:
    return PriorTransform(problem_5d[1])


@pytest.fixture(scope="session")
def transform_8d(problem_8d: Problem) -> PriorTransform:
    return PriorTransform(problem_8d[1])


def _simulator(problem: Problem, transform: PriorTransform) -> SignalBank:
    config = SimulationConfig(n_waveforms=N_WAVEFORMS)
    return SignalBank(problem_of(problem[0], transform), config, npool=1, seed=7, progress=False)


@pytest.fixture(scope="session")
def simulator_5d(problem_5d: Problem, transform_5d: PriorTransform) -> SignalBank:
    """Factorised simulator of the five-parameter problem with a few hundred waveforms, on the grid it chooses itself."""
    return _simulator(problem_5d, transform_5d)


@pytest.fixture(scope="session")
def simulator_8d(problem_8d: Problem, transform_8d: PriorTransform) -> SignalBank:
    """The same of the eight-parameter problem."""
    return _simulator(problem_8d, transform_8d)


@pytest.fixture(scope="session")
def problem_hl() -> Problem:
    """Eleven parameters, two detectors: aligned spins and an unknown sky position in four seconds of data at 1024 Hz."""
    return two_detectors()


@pytest.fixture(scope="session")
def make_problem_hl() -> Callable[[], Problem]:
    """Makes that problem anew, to change it."""
    return two_detectors


@pytest.fixture(scope="session")
def transform_hl(problem_hl: Problem) -> PriorTransform:
    return PriorTransform(problem_hl[1])


@pytest.fixture(scope="session")
def simulator_hl(problem_hl: Problem, transform_hl: PriorTransform) -> SignalBank:
    """Factorised simulator of the eleven-parameter problem, on the shortened grid it chooses itself."""
    return _simulator(problem_hl, transform_hl)


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


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of trained models; the user's own is out of reach of every test."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["BILBY_FLOWPE_CACHE"] = str(tmp_path_factory.mktemp("unused_cache"))
    return folder


@pytest.fixture(scope="session")
def trained_5d(problem_5d: Problem, model_cache: Path) -> tuple[Path, TrainedPosterior]:
    """Folder and model of the five-parameter problem, phase drawn from its conditional, in :func:`model_cache`."""
    return train_into(model_cache, problem_5d, "conditional")


@pytest.fixture(scope="session")
def trained_network_5d(problem_5d: Problem, model_cache: Path) -> tuple[Path, TrainedPosterior]:
    """The same with the phase in the network."""
    return train_into(model_cache, problem_5d, "network")
