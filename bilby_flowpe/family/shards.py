"""Simulated events on disk: shards that are made once, by any number of processes, and read by trainings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import DataError
from .bounds import Family
from .events import Events
from .precessing_events import PrecessingEvents

SIZE = 2000
"""Events of a shard: half a minute of one core for aligned spins."""


def make_shard(family: Family, folder: Path, number: int) -> Path:
    """Make a shard unless it is there: its number is its seed.

    Parameters
    ----------
    family
        Whose events.
    folder
        Of all shards.
    number
        Of this one.
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
        np.savez(file, features=np.array(features, np.float32), coordinates=np.array(coordinates, np.float32))
    temporary.replace(path)
    return path


def read_shards(folder: Path, numbers: range | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, C) and coordinates (N, K, n) of K draws each of some shards, all that are there when left out.

    Raises
    ------
    DataError
        If there is none.
    """
    paths = sorted(folder.glob("*.npz"))
    if numbers is not None:
        paths = [path for path in paths if int(path.stem) in numbers]
    if not paths:
        raise DataError(f"{folder} holds no shards of simulated events: make some with `flowpe family simulate`")
    pieces = [np.load(path) for path in paths]
    features, coordinates = (np.concatenate([piece[key] for piece in pieces]) for key in ("features", "coordinates"))
    return features, coordinates
