"""Models trained before: shipped with the package, or kept in the user's cache."""

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
    contract: Contract, settings: Settings, cache: str | None = None, free: Collection[str] = ()
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
    free
        Choices, of those in :func:`~bilby_flowpe.training.settings.kind_of`, that the model need not share.

    Yields
    ------
    tuple
        Folder and model: those trained for this very problem, then those with ever more differences that importance weights
        make up for (:meth:`bilby_flowpe.contract.Contract.match` names them); of equals those of the settings' family first,
        and of these the one trained for longest. Those refused are left out. A network is read when its turn comes.
    """
    found = [
        (len(match.corrections), described.choices["family"] != settings.network.family, -described.seconds, folder)
        for folder, described, match in _matches(contract, settings, cache, free)
        if not match.refusals
    ]
    if not found:
        return
    pytorch.load()
    # Here: that no model fits is found out without torch.
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


def _matches(
    contract: Contract, settings: Settings, cache: str | None, free: Collection[str] = ()
) -> list[tuple[Path, _Described, Match]]:
    """Every model of the choices asked for and of enough training: folder, description, and how it matches the problem."""
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
                logger.info(
                    f"Passing over the model in {folder}: its training ended before it knew more than the prior"
                )
                continue
            own = _contract(folder, described.facts)
            # What is wrong with facts or arrays shows where they are compared.
            with reading(folder):
                match = own.match(contract, described.tolerance)
            matches.append((folder, described, match))
    return matches


def _but(choices: Mapping[str, Any], free: Collection[str]) -> dict[str, Any]:
    """Return the choices without those named."""
    return {key: value for key, value in choices.items() if key not in free}


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
    """Damaged and outdated models are no errors here, but told; an error of another kind is a mistake of this package's."""
    try:
        yield
    except (ContractError, ModelError, PriorError, OSError) as error:
        logger.warning(f"Passing over the model in {folder}: {error}")


@dataclass(frozen=True)
class _Described:
    """Description of a model, read from its folder without the network.

    Attributes
    ----------
    kind
        Kind of the data that it was trained for.
    choices
        Choices that make one model another.
    facts
        Facts of its contract.
    tolerance
        Difference of the noise curves that it tolerates.
    limits, made
        Steps and seconds that its training was given, and that it took.
    has_learnt
        Whether it knows more than the prior.
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
        """Return whether the model was trained for as long as is asked for, in steps or in seconds."""
        wanted = _limits(asked.max_steps, asked.max_time)
        made_one = any(np.isfinite(limit) and made >= limit for made, limit in zip(self.made, wanted, strict=True))
        # Given as much, it may have stopped early.
        return made_one or all(given >= limit for given, limit in zip(self.limits, wanted, strict=True))


def _described(folder: Path) -> _Described:
    """Read what a model's folder says of it.

    Raises
    ------
    ModelError
        If anything of it is missing or is not what it should be.
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
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118, it is no dictionary
        return Contract(facts, {name.removeprefix(prefix): file.get_tensor(name) for name in names})


def _limits(steps: float | None, seconds: float | None) -> tuple[float, float]:
    """Limits of a training in steps and seconds, infinite where there is none."""
    return np.inf if steps is None else float(steps), np.inf if seconds is None else float(seconds)
