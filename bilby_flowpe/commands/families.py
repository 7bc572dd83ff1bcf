"""The command ``flowpe family``: simulate events of a family of binaries, train a network on them, list shipped networks."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ..errors import ConfigurationError
from ..family.bounds import FAMILIES, Family
from ..family.recipes import recipe
from ..family.shards import SIZE, make_shard
from ..family.shipped import shipped_families
from ..family.train import train_family
from ..family.words import family_of, family_words, network_words
from ..processes.events import each
from .models import check_free


def simulate(name: str, folder: Path, shards: range, npool: int) -> None:
    """Simulate those of the given shards that are not in the folder yet."""
    family, began = _family(name), time.monotonic()
    for path in each(partial(make_shard, family, folder), shards, min(npool, len(shards))):
        print(f"shard: {path}, after {time.monotonic() - began:.0f} s", flush=True)
    print(f"{len(shards)} shards of {SIZE} events: {folder}")


def train(
    name: str,
    shards: Path,
    folder: Path,
    network: str,
    minutes: float,
    device: str,
    checkpoint: Path | None,
    overwrite: bool,
) -> None:
    """Train a network on all shards of a folder, and write its model."""
    family, made = _family(name), recipe(name, network, minutes, device)
    check_free(folder, overwrite)
    if checkpoint is None:
        # The name depends on what is trained, so that a training of something else is not continued by mistake.
        said = [family.to_dict(), made.network.to_dict(), sorted(path.name for path in shards.glob("*.npz"))]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:8]
        checkpoint = folder.with_name(f"{folder.name}.{digest}.ckpt")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    model = train_family(family, shards, made.network, made.training, checkpoint, sys.stderr.isatty())
    model.save(folder)
    checkpoint.unlink(missing_ok=True)
    history = model.history
    print(f"network: {model.information['n_parameters']} parameters, {history['step'][-1]} steps")
    print(f"events: {model.information['n_events']}")
    print(f"validation loss: {history['validation_loss'][history['best']]:.3f} nat in the network's coordinates")
    print(f"model: {folder}")


def listing() -> None:
    """List families, and the networks that ship."""
    for family in FAMILIES.values():
        print(family_words(family))
        for name in (one for one in shipped_families() if family_of(one) == family.name):
            print(f"  {network_words(name)}")
    if not shipped_families():
        print("no networks yet: flowpe family simulate, then flowpe family train")


ACTIONS: Mapping[str, Callable[..., None]] = {"simulate": simulate, "train": train, "list": listing}
"""Functions by the word after ``flowpe family``."""


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise ConfigurationError(f"family={name!r}: choose one of {sorted(FAMILIES)}")
    return FAMILIES[name]
