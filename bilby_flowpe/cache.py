"""Models trained before: shipped with the package, or kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.utils import logger
from safetensors import SafetensorError, safe_open

from .contract import Contract, Match
from .errors import ConfigurationError, ModelError
from .model import SHIPPED, TrainedPosterior
from .storage.folder import WEIGHTS
from .training.recipe import TrainingConfig, has_learnt
from .training.settings import Settings, adapted

_CACHE_VARIABLE = "BILBY_FLOWPE_CACHE"
_LEAST_FREE = 64 * 2**20


def cache_folder(cache: str | None = None) -> Path:
    """Folder of the models trained before: ``cache``, else the environment's ``BILBY_FLOWPE_CACHE``, else the user's cache."""
    chosen = cache or os.environ.get(_CACHE_VARIABLE)
    try:
        if chosen:
            return Path(chosen).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bilby_flowpe"
    except RuntimeError as error:
        raise ConfigurationError(
            f"cache={chosen!r}: {error} Give cache, or set {_CACHE_VARIABLE}, a folder named in full"
        ) from error


def cached_models(
    contract: Contract, settings: Settings, cache: str | None = None
) -> Iterator[tuple[Path, TrainedPosterior]]:
    """Models for a problem, the best first: those shipped, and those trained before for at least as long as asked for now.

    A contract does not tell everything: a model may still refuse the likelihood when it is bound to it, and the next one is
    then to be tried.

    Parameters
    ----------
    contract
        Of the problem.
    settings
        Choices that the model has to share, and the training it must have had.
    cache
        Folder of the models trained before; see :func:`cache_folder`.

    Yields
    ------
    tuple
        Folder and model: those trained for this very problem, then those with ever more differences that importance weights
        make up for (:meth:`bilby_flowpe.contract.Contract.match` names them); of equals the one trained for longest
        first. Those refused are left out. A network is read when its turn comes.
    """
    found = [
        (len(match.corrections), -seconds, folder)
        for folder, seconds, match in _matches(contract, settings, cache)
        if not match.refusals
    ]
    for *_, folder in sorted(found, key=lambda candidate: candidate[:2]):
        model = None
        with _passing_over(folder):
            model = TrainedPosterior.load(folder)
        if model is not None:
            yield folder, model


def nearest_refused(
    contract: Contract, settings: Settings, cache: str | None = None
) -> tuple[str, tuple[str, ...]] | None:
    """Return the name and the refusals of the model that refuses this problem for the fewest reasons.

    Parameters
    ----------
    contract, settings, cache
        As in :func:`cached_models`.
    """
    refused = [(folder, match) for folder, _, match in _matches(contract, settings, cache) if match.refusals]
    if not refused:
        return None
    folder, match = min(refused, key=lambda one: len(one[1].refusals))
    return folder.name, match.refusals


def _matches(contract: Contract, settings: Settings, cache: str | None) -> Iterator[tuple[Path, float, Match]]:
    """Every model of the choices asked for and of enough training: folder, seconds trained, and how it matches the problem."""
    settings = adapted(settings, contract)
    for folder in _candidates(cache):
        found = None
        with _passing_over(folder):
            described = json.loads((folder / "model.json").read_text())
            if (
                described["contract"]["kind"] != contract.facts["kind"]
                or _kind(described["settings"]) != settings.kind()
            ):
                continue
            if folder.parent != SHIPPED and not _trained_enough(described, settings.training):
                continue
            if not has_learnt(described["history"], described["information"]):
                logger.info(
                    f"Passing over the model in {folder}: its training ended before it knew more than the prior"
                )
                continue
            tolerance = described["information"].get("psd_tolerance", 0.0)
            seconds = float(described["history"]["seconds"][-1])
            found = folder, seconds, _contract(folder, described).match(contract, tolerance)
        if found is not None:
            yield found


def new_folder(contract: Contract, settings: Settings, cache: str | None = None) -> Path:
    """Where in the cache a model of this contract and these settings belongs."""
    # The fingerprint has no order, the detectors have.
    order = list(contract.facts.get("detectors", []))
    text = json.dumps([contract.fingerprint(), order, settings.to_dict()], sort_keys=True)
    return cache_folder(cache) / hashlib.sha256(text.encode()).hexdigest()[:16]


def check_writable(folder: Path) -> None:
    """Before a long training, see that its model can be kept.

    Raises
    ------
    ConfigurationError
        If no file can be written to ``folder``, or there is no room for a model.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigurationError(
            f"cache={str(folder)!r} cannot be written to ({error.strerror}): give a folder that can"
        ) from error
    if free < _LEAST_FREE:
        raise ConfigurationError(
            f"cache={str(folder)!r} is on a disk with {free / 2**20:.3g} MiB free, and a model may take "
            f"{_LEAST_FREE / 2**20:.0f}: give another folder, or make room"
        )


def _candidates(cache: str | None) -> Iterator[Path]:
    for root in (SHIPPED, cache_folder(cache)):
        if root.is_dir():
            yield from sorted(path.parent for path in root.glob("*/model.json"))


@contextmanager
def _passing_over(folder: Path) -> Iterator[None]:
    """Damaged and outdated models are no errors here, but said."""
    try:
        yield
    except (ModelError, SafetensorError, OSError, ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError,
            TypeError, ValueError) as error:  # fmt: skip
        logger.warning(f"Passing over the model in {folder}: {error}")


def _contract(folder: Path, described: dict[str, Any]) -> Contract:
    """Contract of a model, without reading the network."""
    prefix = "contract."
    with safe_open(folder / WEIGHTS, framework="np") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118, it is no dictionary
        return Contract(described["contract"], {name.removeprefix(prefix): file.get_tensor(name) for name in names})


def _trained_enough(described: dict[str, Any], asked: TrainingConfig) -> bool:
    """Whether a model had the training that is asked for: one made in a hurry does not stand in for a proper one."""
    had, history = described["settings"]["training"], described["history"]
    if asked.max_steps is not None and history["step"][-1] >= asked.max_steps:
        return True
    if asked.max_time is not None and history["seconds"][-1] >= asked.max_time:
        return True

    def limits(steps: float | None, seconds: float | None) -> tuple[float, float]:
        return (np.inf if steps is None else steps, np.inf if seconds is None else seconds)

    # Given as much, it may have stopped early.
    allowed, wanted = limits(had["max_steps"], had["max_time"]), limits(asked.max_steps, asked.max_time)
    return all(one >= other for one, other in zip(allowed, wanted, strict=True))


def _kind(described: dict[str, Any]) -> dict[str, Any]:
    """What :meth:`Settings.kind` gives, of settings read from a model."""
    kind = {
        "family": described["network"]["family"],
        "phase": described["phase"],
        # Before there was a choice, the network had it.
        "distance": described.get("distance", "network"),
        "time": described.get("time", "network"),
        # The packaged ones know the place: nothing is left to choose.
        "sky": described.get("sky", "conditional"),
        "representation": described["representation"]["kind"],
        "psd": described["simulation"].get("psd", "fixed"),
    }
    return {**kind, "fold_phase": described["fold_phase"]} if described["phase"] == "network" else kind
