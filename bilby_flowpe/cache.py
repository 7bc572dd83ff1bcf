"""Models trained before: shipped with the package, or kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bilby.core.utils import logger

from .build import Settings, adapted
from .contract import Contract
from .errors import ModelError
from .model import SHIPPED, TrainedPosterior
from .training import TrainingConfig

CACHE_VARIABLE = "BILBY_FLOWPE_CACHE"


def cache_folder(cache: str | None = None) -> Path:
    """Folder of the models trained before: ``cache``, else the environment's ``BILBY_FLOWPE_CACHE``, else the user's cache."""
    chosen = cache or os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bilby_flowpe"


def cached_model(
    contract: Contract, settings: Settings, cache: str | None = None
) -> tuple[Path, TrainedPosterior] | None:
    """A model of the same contract and kind, shipped, or trained before for at least as long as is asked for now."""
    settings = adapted(settings, contract)
    for folder in _candidates(cache):
        try:
            described = json.loads((folder / "model.json").read_text())
            if (
                described["contract"]["kind"] != contract.facts["kind"]
                or _kind(described["settings"]) != settings.kind()
            ):
                continue
            if folder.parent != SHIPPED and not _trained_enough(described, settings.training):
                continue
            model = TrainedPosterior.load(folder)
        except (ModelError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning(f"Passing over the model in {folder}: {error}")
            continue
        if not model.contract.differences(contract):
            return folder, model
    return None


def new_folder(contract: Contract, settings: Settings, cache: str | None = None) -> Path:
    """Where in the cache a model of this contract and these settings belongs."""
    text = json.dumps([contract.fingerprint(), settings.to_dict()], sort_keys=True)
    return cache_folder(cache) / hashlib.sha256(text.encode()).hexdigest()[:16]


def _candidates(cache: str | None) -> Iterator[Path]:
    for root in (SHIPPED, cache_folder(cache)):
        if root.is_dir():
            yield from sorted(path.parent for path in root.glob("*/model.json"))


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
        "representation": described["representation"]["kind"],
    }
    return {**kind, "fold_phase": described["fold_phase"]} if described["phase"] == "network" else kind
