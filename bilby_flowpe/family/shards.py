"""Simulated events on disk, in shards that any number of processes make once and that trainings read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ..errors import DataError
from .bounds import Family
from .events import Events
from .precessing_events import PrecessingEvents

SIZE = 2000
"""Events of a shard, which take half a minute of one core for aligned spins."""


def make_shard(family: Family, folder: Path, number: int) -> Path:
    """Make a shard unless it exists; its number is its seed.

    Parameters
    ----------
    family
        Family of the events.
    folder
        Folder of all shards.
    number
        Number of this shard.
    """
    path = folder / f"{number:06d}.npz"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    events = (PrecessingEvents if family.precesses else Events)(family, np.random.default_rng((20261130, number)))
    features: list[np.ndarray] = []
    coordinates: list[np.ndarray] = []
    while len(features) < SIZE:
        for seen, target in events():
            features.append(seen.features)
            coordinates.append(target)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez(
            file,
            family=json.dumps(family.to_dict()),
            features=np.array(features, np.float32),
            coordinates=np.array(coordinates, np.float32),
        )
    temporary.replace(path)
    return path


def read_shards(
    folder: Path, numbers: range | None = None, family: Family | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Read features (N, C) and coordinates (N, K, n) of K draws for each event, from some or all shards.

    Parameters
    ----------
    folder
        Folder of all shards.
    numbers
        Numbers of the shards; all of them by default.
    family
        Family of which the events have to be, if given.

    Raises
    ------
    DataError
        If there are no shards, or their events are of another family.
    """
    paths = sorted(folder.glob("*.npz"))
    if numbers is not None:
        paths = [path for path in paths if int(path.stem) in numbers]
    if not paths:
        raise DataError(f"{folder} contains no shards of simulated events: make some with `flowpe family simulate`")
    pieces = [np.load(path) for path in paths]
    for path, piece in zip(paths, pieces, strict=True):
        made_for = json.loads(str(piece["family"])) if "family" in piece.files else None
        if family is not None and made_for not in (None, family.to_dict()):
            raise DataError(
                f"{path} has events of the family {made_for}, not of {family.to_dict()}: give a folder of shards of this one"
            )
    features, coordinates = (np.concatenate([piece[key] for piece in pieces]) for key in ("features", "coordinates"))
    return features, coordinates
