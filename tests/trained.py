"""Hardly trained models of the five-parameter problem: good for a few per cent of efficiency, made in seconds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from bilby_flowpe.cache import new_folder
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.representation import RepresentationConfig
from bilby_flowpe.simulation import SimulationConfig
from bilby_flowpe.training.build import train_model
from bilby_flowpe.training.recipe import TrainingConfig
from bilby_flowpe.training.settings import Settings


def small_settings(phase: str = "conditional", steps: int = 300, n_waveforms: int = 2000, **changes: Any) -> Settings:
    """Everything as usual, but small."""
    return Settings(
        simulation=SimulationConfig(n_waveforms=n_waveforms),
        representation=RepresentationConfig(n_fit=4096),
        network=NetworkConfig(transforms=3, hidden_features=(64, 64), embedding_features=64, embedding_blocks=1),
        training=TrainingConfig(
            max_steps=steps,
            max_time=None,
            batch_size=256,
            validation_size=1024,
            validations=4,
            learning_rate=3e-3,
            bf16=False,  # left to be measured it would differ from one machine to the next
        ),
        phase=phase,
        calibration_events=0,
        **changes,
    )


def train_into(cache: Path, problem: tuple, phase: str) -> tuple[Path, TrainedPosterior]:
    """Train on a problem and put the model where the sampler looks for it."""
    likelihood, priors = problem
    settings = small_settings(phase)
    model = train_model(likelihood, priors, settings, progress=False)
    folder = new_folder(problem_of(likelihood, priors).describe(), settings, str(cache))
    return model.save(folder), model


def trained_once(shared: Path, cache: Path, problem: tuple, phase: str) -> tuple[Path, TrainedPosterior]:
    """Train once for all workers of pytest-xdist, and give each a copy of its own.

    The first worker that comes trains while the others wait at the lock; all read what was saved.

    Parameters
    ----------
    shared
        Folder that all workers of the session see.
    cache
        Cache of this worker, where the sampler looks for models.
    problem
        Likelihood and priors.
    phase
        Whether the phase is drawn from its ``"conditional"`` or by the ``"network"``.
    """
    trained = shared / f"trained_{phase}"
    with FileLock(f"{trained}.lock"):
        if not trained.exists():
            # Renamed when it is complete: a training that failed is tried again by the next worker.
            train_into(unfinished := shared / f"unfinished_{phase}", problem, phase)
            unfinished.rename(trained)
    (saved,) = trained.iterdir()
    folder = Path(shutil.copytree(saved, cache / saved.name))
    return folder, TrainedPosterior.load(folder)
