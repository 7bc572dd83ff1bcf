"""A network of a family in a folder: ``weights.safetensors`` and ``model.json``, as for other models."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ModelError
from ..networks import NetworkConfig
from ..networks.base import ConditionalNetwork
from ..networks.families import build_network
from ..storage.folder import read_folder, reading, write_folder
from ..storage.versions import versions
from ..surprise import Null, Surprise, without_simulations
from .bounds import Family
from .shipped import KIND, shipped_families

_PACKAGES = ("bilby_flowpe", "bilby", "torch", "zuko", "numpy", "lalsuite")
_STANDARD = ("feature_mean", "feature_scale", "location", "scale")
# standard deviations from the mean at which features are cut off: far ones would take the network out of its training
_FAR = 8.0


@dataclass
class FamilyModel:
    """A trained network of a family of binaries.

    Attributes
    ----------
    family
        Family that it was trained for.
    network
        The trained network.
    feature_mean, feature_scale
        Standardisation of the features, (C,) each.
    location, scale
        Standardisation of the coordinates, (n,) each.
    history, information
        Records of the training, for users.
    null
        Null distribution of the surprise about an event's view; ``None`` if it was not measured.
    """

    family: Family
    network: ConditionalNetwork
    feature_mean: np.ndarray
    feature_scale: np.ndarray
    location: np.ndarray
    scale: np.ndarray
    history: dict[str, Any] = field(default_factory=dict)
    information: dict[str, Any] = field(default_factory=dict)
    null: Null | None = None

    def context(self, features: np.ndarray) -> torch.Tensor:
        """Return the input of the network for features (..., C): standardised, and without extreme values."""
        standard = (features - self.feature_mean) / self.feature_scale
        return torch.as_tensor(np.clip(standard, -_FAR, _FAR), dtype=torch.float32)

    def surprise(self, features: np.ndarray, residual: float | None) -> Surprise | None:
        """Return how unlike the simulations a view is, and how much power the best known signal leaves in the data.

        Parameters
        ----------
        features
            Features of the view, (C,).
        residual
            As in :func:`bilby_flowpe.surprise.without_simulations`.
        """
        of_power = without_simulations(residual)
        if self.null is None:
            return of_power
        of_view = self.null.of(self.context(features).double().numpy(), None, None)
        if of_power is None:
            return of_view
        p_values, scores = of_view.p_values | of_power.p_values, of_view.scores | of_power.scores
        p_values = {key: float(value) for key, value in p_values.items()}
        return Surprise(min(1.0, len(p_values) * min(p_values.values())), p_values, scores)

    def save(self, folder: str | Path) -> Path:
        """Write the model, with its network in half precision; the network in memory is rounded in the same way.

        Raises
        ------
        ModelError
            If the folder contains something other than a model, which is not deleted.
        """
        self.network.half().float()
        tensors = {f"network.{key}": value.half().numpy() for key, value in self.network.state_dict().items()}
        for name in _STANDARD:
            tensors[name] = np.asarray(getattr(self, name), dtype=np.float64)
        if self.null is not None:
            tensors |= {f"surprise.{key}": np.asarray(value) for key, value in self.null.to_arrays().items()}
        description = {
            "kind": KIND,
            "family": self.family.to_dict(),
            "network": self.network.config.to_dict(),
            "history": self.history,
            "information": {**self.information, "versions": versions(_PACKAGES)},
        }
        return write_folder(Path(folder), tensors, description)

    @classmethod
    def load(cls, folder: str | Path) -> FamilyModel:
        """Read a model from its folder.

        Raises
        ------
        ModelError
            If the folder is missing, damaged, or of another kind of model.
        """
        description, arrays = read_folder(Path(folder))
        if description.get("kind") != KIND:
            raise ModelError(f"{folder} is not a model of a family of binaries: choose one of {shipped_families()}")
        with reading(Path(folder)):
            family = Family.from_dict(description["family"])
            config = NetworkConfig.from_dict(description["network"])
            network = build_network(len(family.keys), len(arrays["feature_mean"]), config)
            network.load_state_dict(
                {
                    key.removeprefix("network."): torch.as_tensor(value).float()
                    for key, value in arrays.items()
                    if key.startswith("network.")
                }
            )
            standard: dict[str, Any] = {name: arrays[name] for name in _STANDARD}
            standard |= {name: description[name] for name in ("history", "information")}
            of_null = {
                key.removeprefix("surprise."): value for key, value in arrays.items() if key.startswith("surprise.")
            }
            null = Null.from_arrays(of_null) if of_null else None
            return cls(family, network.eval(), **standard, null=null)
