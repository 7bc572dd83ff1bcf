"""Trained models: those shipped with the package, and those in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bilby.core.utils import logger
from safetensors import safe_open

from . import pytorch
from .contract import Contract, Match
from .errors import ConfigurationError, ContractError, ModelError, PriorError
from .storage.folder import DESCRIPTION, WEIGHTS, reading
from .storage.shipped import SHIPPED
from .training.recipe import TrainingConfig, has_learnt
from .training.settings import Settings, adapted, kind_of

if TYPE_CHECKING:
    from .model import TrainedPosterior

_CACHE_VARIABLE = "BILBY_FLOWPE_CACHE"
# Free bytes that a disk needs before a training: 64 MiB, many times a shipped model of at most 4 MiB, for larger
# networks and the temporary copy.
_LEAST_FREE = 64 * 2**20


def cache_folder(cache: str | None = None) -> Path:
    """Return the folder of the cache: ``cache``, else the environment's ``BILBY_FLOWPE_CACHE``, else the user's cache."""
    chosen = cache or os.environ.get(_CACHE_VARIABLE)
    try:
        if chosen:
            return Path(chosen).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bilby_flowpe"
    except RuntimeError as error:
        raise ConfigurationError(
            f"cache={chosen!r}: {error} Give cache, or set {_CACHE_VARIABLE}, as the full path of a folder"
        ) from error


def cached_models(
    contract: Contract, settings: Settings, cache: str | None = None, free: Collection[str] = ()
) -> Iterator[tuple[Path, TrainedPosterior]]:
    """Return the models for a problem, the best first: those shipped, and those in the cache that were trained for long enough.

    A contract does not describe everything: a model may still raise an error when it is applied to the likelihood, and the
    next one should then be tried.

    Parameters
    ----------
    contract
        Contract of the problem.
    settings
        Choices that the model has to share, and the least training that it must have had.
    cache
        Folder of the cache; see :func:`cache_folder`.
    free
        Choices in :func:`~bilby_flowpe.training.settings.kind_of` that the model need not share.

    Yields
    ------
    tuple
        Folder and model: first those trained for exactly this problem, then those with more and more differences that
        importance weights correct (:meth:`bilby_flowpe.contract.Contract.match` names them). Among equals, the family of the
        settings comes first, then the longest training. Models that do not fit are left out. A network is read only when it is
        reached.
    """
    found = [
        (len(match.corrections), described.choices["family"] != settings.network.family, -described.seconds, folder)
        for folder, described, match in _matches(contract, settings, cache, free)
        if not match.refusals
    ]
    if not found:
        return
    pytorch.load()
    # Imported here: torch is not needed to find that no model fits.
    from .model import TrainedPosterior

    for *_, folder in sorted(found, key=lambda candidate: candidate[:3]):
        model = None
        with _passing_over(folder):
            model = TrainedPosterior.load(folder)
        if model is not None:
            yield folder, model


def nearest_refused(
    contract: Contract, settings: Settings, cache: str | None = None
) -> tuple[str, tuple[str, ...]] | None:
    """Return the model that does not fit this problem for the fewest reasons: its name, and the reasons.

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


def _matches(
    contract: Contract, settings: Settings, cache: str | None, free: Collection[str] = ()
) -> list[tuple[Path, _Described, Match]]:
    """Return every model with the requested choices and enough training: folder, description, and its match."""
    settings = adapted(settings, contract)
    wanted = _but(settings.kind(), free)
    matches = []
    for folder in _candidates(cache):
        with _passing_over(folder):
            described = _described(folder)
            if (described.kind, _but(described.choices, free)) != (contract.facts["kind"], wanted):
                continue
            if folder.parent != SHIPPED and not described.trained_enough(settings.training):
                continue
            if not described.has_learnt:
                logger.info(f"Ignoring the model in {folder}: its training ended before it knew more than the prior")
                continue
            own = _contract(folder, described.facts)
            # Damaged facts or arrays show when they are compared.
            with reading(folder):
                match = own.match(contract, described.tolerance)
            matches.append((folder, described, match))
    return matches


def _but(choices: Mapping[str, Any], free: Collection[str]) -> dict[str, Any]:
    """Return the choices without those named in ``free``."""
    return {key: value for key, value in choices.items() if key not in free}


def new_folder(contract: Contract, settings: Settings, cache: str | None = None) -> Path:
    """Return the folder in the cache for a model of this contract and these settings."""
    # The fingerprint does not depend on the order of detectors, but a model does.
    order = list(contract.facts.get("detectors", []))
    text = json.dumps([contract.fingerprint(), order, settings.to_dict()], sort_keys=True)
    return cache_folder(cache) / hashlib.sha256(text.encode()).hexdigest()[:16]


def check_writable(folder: Path) -> None:
    """Check, before a long training, that its model can be written.

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
            f"cache={str(folder)!r} cannot be written to ({error.strerror}): give a writable folder"
        ) from error
    if free < _LEAST_FREE:
        raise ConfigurationError(
            f"cache={str(folder)!r} is on a disk with {free / 2**20:.3g} MiB free, but a model may need "
            f"{_LEAST_FREE / 2**20:.0f} MiB: give another folder, or free some space"
        )


def _candidates(cache: str | None) -> Iterator[Path]:
    for root in (SHIPPED, cache_folder(cache)):
        if root.is_dir():
            yield from sorted(path.parent for path in root.glob("*/model.json"))


@contextmanager
def _passing_over(folder: Path) -> Iterator[None]:
    """Log damaged and outdated models as warnings, without ending; errors of any other type are mistakes of this package."""
    try:
        yield
    except (ContractError, ModelError, PriorError, OSError) as error:
        logger.warning(f"Ignoring the model in {folder}: {error}")


@dataclass(frozen=True)
class _Described:
    """Description of a model, read from its folder without the network.

    Attributes
    ----------
    kind
        Kind of the data that it was trained for.
    choices
        Choices that distinguish one model from another.
    facts
        Facts of its contract.
    tolerance
        Largest difference of the PSDs that the model tolerates.
    limits, made
        Steps and seconds that its training was allowed, and those that it took.
    has_learnt
        Tells whether it knows more than the prior.
    """

    kind: str
    choices: dict[str, Any]
    facts: dict[str, Any]
    tolerance: float
    limits: tuple[float, float]
    made: tuple[float, float]
    has_learnt: bool

    @property
    def seconds(self) -> float:
        """Seconds that the training took."""
        return self.made[1]

    def trained_enough(self, asked: TrainingConfig) -> bool:
        """Return whether the model was trained for as long as requested, in steps or in seconds."""
        wanted = _limits(asked.max_steps, asked.max_time)
        made_one = any(np.isfinite(limit) and made >= limit for made, limit in zip(self.made, wanted, strict=True))
        # With the same limits, it may have stopped early.
        return made_one or all(given >= limit for given, limit in zip(self.limits, wanted, strict=True))


def _described(folder: Path) -> _Described:
    """Read the description of a model from its folder.

    Raises
    ------
    ModelError
        If any part of it is missing or wrong.
    """
    with reading(folder):
        described = json.loads((folder / DESCRIPTION).read_text())
        facts, information, history = described["contract"], described["information"], described["history"]
        training = described["settings"]["training"]
        return _Described(
            kind=facts["kind"],
            choices=kind_of(described["settings"]),
            facts=facts,
            tolerance=information.get("psd_tolerance", 0.0),
            limits=_limits(training["max_steps"], training["max_time"]),
            made=(float(history["step"][-1]), float(history["seconds"][-1])),
            has_learnt=has_learnt(history, information),
        )


def _contract(folder: Path, facts: dict[str, Any]) -> Contract:
    """Contract of a model, without reading the network."""
    prefix = "contract."
    with reading(folder), safe_open(folder / WEIGHTS, framework="np") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118, it is not a dictionary
        return Contract(facts, {name.removeprefix(prefix): file.get_tensor(name) for name in names})


def _limits(steps: float | None, seconds: float | None) -> tuple[float, float]:
    """Return the limits of a training in steps and seconds, infinite if there is none."""
    return np.inf if steps is None else float(steps), np.inf if seconds is None else float(seconds)
