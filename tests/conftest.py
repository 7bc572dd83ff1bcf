"""Small problems that many tests share. They are built once a session: copy what you mean to change."""

from __future__ import annotations

import logging

import pytest
from bilby.core.prior import PriorDict
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.simulation import GravitationalWaveSimulator, SimulationConfig

N_WAVEFORMS = 400
"""Waveforms of the shared simulators."""

Problem = tuple[GravitationalWaveTransient, PriorDict]


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


def _simulator(problem: Problem, transform: PriorTransform) -> GravitationalWaveSimulator:
    config = SimulationConfig(n_waveforms=N_WAVEFORMS)
    return GravitationalWaveSimulator(problem[0], transform, config, npool=1, seed=7, progress=False)


@pytest.fixture(scope="session")
def simulator_5d(problem_5d: Problem, transform_5d: PriorTransform) -> GravitationalWaveSimulator:
    """Factorised simulator of the five-parameter problem with a few hundred waveforms, on the grid it chooses itself."""
    return _simulator(problem_5d, transform_5d)


@pytest.fixture(scope="session")
def simulator_8d(problem_8d: Problem, transform_8d: PriorTransform) -> GravitationalWaveSimulator:
    """The same of the eight-parameter problem."""
    return _simulator(problem_8d, transform_8d)
