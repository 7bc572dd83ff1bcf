"""Training of a network of a family on simulated events that are on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..networks import NetworkConfig
from ..networks.families import build_network
from ..surprise import Null
from ..training.loop import Batch, train
from ..training.recipe import TrainingConfig
from .bounds import Family
from .coordinates import squashed
from .model import FamilyModel
from .shards import read_shards

_HELD_OUT = 1 / 20  # share of the events that is held out, the first ones
# Events for the null distribution of the surprise: one half gives the covariance of views, the other the distribution
# of distances.
_OF_NULL = 16_384
_LEAST_SCALE = 1e-6  # least standard deviation of a feature, for features that are equal in all events


class _Rows:
    """A source of batches of events, with one draw of each, in a new random order in every pass.

    Used by :func:`bilby_flowpe.training.loop.train`.
    """

    def __init__(self, features: torch.Tensor, coordinates: torch.Tensor, rng: np.random.Generator) -> None:
        self._features, self._coordinates, self._rng = features, coordinates, rng
        self._order, self._next = rng.permutation(len(features)), 0

    def __call__(self, size: int) -> Batch:
        draws = self._coordinates.shape[1]
        if self._next + size > len(self._order):
            self._order, self._next = self._rng.permutation(len(self._features)), 0
        rows = torch.as_tensor(self._order[self._next : self._next + size])
        self._next += size
        chosen = torch.as_tensor(self._rng.integers(draws, size=len(rows)))
        return Batch(self._coordinates[rows, chosen], self._features[rows], np.zeros(len(rows)))

    def state(self) -> dict[str, Any]:
        return {"numpy": self._rng.bit_generator.state, "order": torch.as_tensor(self._order), "next": self._next}

    def set_state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state["numpy"]
        self._order, self._next = state["order"].numpy(), state["next"]


def train_family(
    family: Family,
    shards: Path,
    network: NetworkConfig,
    training: TrainingConfig,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> FamilyModel:
    """Train a network of a family on shards of simulated events.

    Parameters
    ----------
    family
        Family that the network serves.
    shards
        Folder of simulated events (:func:`.shards.make_shard`).
    network, training
        Sizes, and recipe of the training.
    checkpoint
        File that is written from time to time, and from which a training resumes.
    progress
        Whether to show a progress bar.
    """
    features, coordinates = read_shards(shards, family=family)
    held = int(_HELD_OUT * len(features))
    coordinates = squashed(coordinates)
    standard = (features[held:].mean(axis=0), np.maximum(features[held:].std(axis=0), _LEAST_SCALE))
    location, scale = coordinates[held:].mean(axis=(0, 1)), coordinates[held:].std(axis=(0, 1))
    torch.manual_seed(training.seed)
    model = FamilyModel(family, build_network(len(family.keys), features.shape[1], network), *standard, location, scale)
    context = model.context(features)
    targets = torch.as_tensor((coordinates - location) / scale, dtype=torch.float32)
    validation = Batch(targets[:held, 0], context[:held], np.full(held, float(np.sum(np.log(scale)))))
    source = _Rows(context[held:], targets[held:], np.random.default_rng(training.seed))
    recipe = replace(training, validation_size=held)
    model.history = train(model.network, [source], validation, recipe, checkpoint, progress).to_dict()
    model.null = Null.fit(context[-_OF_NULL:].numpy())
    model.information = {"n_events": len(features) - held, "n_parameters": model.network.n_parameters}
    return model
