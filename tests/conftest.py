"""Fixtures that many tests share. They are built once a session: copy what you mean to change.

Nothing heavy is imported here, since this module is read for every test: torch, Bilby and the package are imported by the
fixtures that need them. What they build is in :mod:`tests.shared` and :mod:`tests.trained`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bilby.core.prior import PriorDict
    from bilby.gw.likelihood import GravitationalWaveTransient

    from bilby_flowpe.model import TrainedPosterior
    from bilby_flowpe.priors import PriorTransform
    from bilby_flowpe.simulation.signal_bank import SignalBank

    Problem = tuple[GravitationalWaveTransient, PriorDict]


if "PYTEST_XDIST_WORKER" in os.environ:
    # One process for each core: more threads would only wait for each other. NumPy and torch read this when they are imported.
    os.environ["OMP_NUM_THREADS"] = "1"

WHOLE_RUNS = {"integration", "upstream"}
"""Folders of tests that are whole runs."""

TRAINED = {"trained_5d", "trained_network_5d", "measured_briefly"}
"""Fixtures whose tests train a network, or use one that is trained for them."""


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by ``-m``
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as ``training`` what is a whole run by its folder, or asks for a trained model."""
    for item in items:
        if item.path.parent.name in WHOLE_RUNS or TRAINED & set(getattr(item, "fixturenames", ())):
            item.add_marker("training")


@pytest.fixture(scope="module")
def measured_briefly() -> Iterator[None]:
    """Measure models that a run trains on demand with few simulated events."""
    from bilby_flowpe import model_choice
    from bilby_flowpe.training import calibrate
    from bilby_flowpe.training.settings import Settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_choice, "Settings", partial(Settings, calibration_events=2, null_events=20))
        # Events with other noise curves: each takes four to six moves of the curve, with 300 draws.
        patch.setattr(calibrate, "_PSD_EVENTS", 2)
        yield


@pytest.fixture(scope="session", autouse=True)
def packages_listed_once() -> Iterator[None]:
    """Let Bilby ask pip for the installed packages once: it does so at every run, which takes a second each time."""
    bilby_sampler = sys.modules.get("bilby.core.sampler")
    with pytest.MonkeyPatch.context() as patch:
        if bilby_sampler is not None:
            patch.setattr(bilby_sampler, "env_package_list", cache(bilby_sampler.env_package_list))
        yield


@pytest.fixture(scope="session", autouse=True)
def quiet_bilby() -> None:
    """Show Bilby's messages from warnings up only."""
    logging.getLogger("bilby").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def problem_5d() -> Problem:
    """Likelihood and priors of the five-parameter problem of Green et al. (2020)."""
    from bilby_flowpe.problems import green2020

    return green2020(5, seed=1)


@pytest.fixture(scope="session")
def problem_8d() -> Problem:
    """Likelihood and priors of the eight-parameter problem."""
    from bilby_flowpe.problems import green2020

    return green2020(8, seed=1)


@pytest.fixture(scope="session")
def problem_hl() -> Problem:
    """Eleven parameters, two detectors: aligned spins and an unknown sky position in four seconds of data at 1024 Hz."""
    from tests.shared import two_detectors

    return two_detectors()


@pytest.fixture(scope="session")
def make_problem_hl() -> Callable[[], Problem]:
    """Makes that problem anew, to change it."""
    from tests.shared import two_detectors

    return two_detectors


@pytest.fixture(scope="session")
def transform_5d(problem_5d: Problem) -> PriorTransform:
    return _transform(problem_5d)


@pytest.fixture(scope="session")
def transform_8d(problem_8d: Problem) -> PriorTransform:
    return _transform(problem_8d)


@pytest.fixture(scope="session")
def transform_hl(problem_hl: Problem) -> PriorTransform:
    return _transform(problem_hl)


def _transform(problem: Problem) -> PriorTransform:
    from bilby_flowpe.priors import PriorTransform

    return PriorTransform(problem[1])


@pytest.fixture(scope="session")
def simulator_5d(problem_5d: Problem, transform_5d: PriorTransform) -> SignalBank:
    """Factorised simulator of the five-parameter problem with a few hundred waveforms, on the grid it chooses itself."""
    from tests.shared import small_simulator

    return small_simulator(problem_5d, transform_5d)


@pytest.fixture(scope="session")
def simulator_8d(problem_8d: Problem, transform_8d: PriorTransform) -> SignalBank:
    """The same of the eight-parameter problem."""
    from tests.shared import small_simulator

    return small_simulator(problem_8d, transform_8d)


@pytest.fixture(scope="session")
def simulator_hl(problem_hl: Problem, transform_hl: PriorTransform) -> SignalBank:
    """Factorised simulator of the eleven-parameter problem, on the shortened grid it chooses itself."""
    from tests.shared import small_simulator

    return small_simulator(problem_hl, transform_hl)


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of trained models; the user's own is out of reach of every test."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["BILBY_FLOWPE_CACHE"] = str(tmp_path_factory.mktemp("unused_cache"))
    return folder


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all workers of one session see; without workers, the session's own."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def trained_5d(
    problem_5d: Problem, model_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainedPosterior]:
    """Folder and model of the five-parameter problem, phase drawn from its conditional, in :func:`model_cache`."""
    from tests.trained import trained_once

    return trained_once(_shared_folder(tmp_path_factory), model_cache, problem_5d, "conditional")


@pytest.fixture(scope="session")
def trained_network_5d(
    problem_5d: Problem, model_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainedPosterior]:
    """The same with the phase in the network."""
    from tests.trained import trained_once

    return trained_once(_shared_folder(tmp_path_factory), model_cache, problem_5d, "network")
