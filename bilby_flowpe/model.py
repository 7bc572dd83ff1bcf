"""Trained models: one folder with ``weights.safetensors`` and ``model.json``, without any pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict
from bilby.core.utils import logger

from .bound import BoundPosterior, Trained
from .conditional.base import ConditionalConfig
from .contract import Contract
from .contract.restore import restore_priors
from .errors import ContractError
from .kinds import problem_of
from .names import DEC, DISTANCE, INCLINATION, PHASE, PSI, RA, TIME
from .networks import NetworkConfig
from .networks.families import build_network
from .priors import PriorTransform
from .problem import Problem
from .proposals.mixture import Shares
from .representation.base import Representation
from .representation.coordinates import CoordinateConfig
from .representation.kinds import REPRESENTATIONS
from .storage.folder import read_folder, reading, write_folder
from .storage.schema import check_sizes, check_types
from .storage.shipped import SHIPPED, no_such_model, shipped_models
from .storage.versions import versions
from .surprise import Null
from .waves.grid import Grid
from .waves.symmetries import find_symmetries

__all__ = ["TrainedPosterior", "find_model", "shipped_models"]

_PACKAGES = ("bilby_flowpe", "bilby", "torch", "zuko", "numpy", "lalsuite")
_COMPLEX = "complex:"
# Largest width in the description of a network's part that the family does not use, and that no tensor can confirm;
# larger ones count as damage.
_WIDEST = 4096


class TrainedPosterior(Trained):
    """A trained posterior that can be applied to data, written to a folder and read from one."""

    def bind(self, likelihood: Likelihood, priors: PriorDict | PriorTransform) -> BoundPosterior:
        """Apply the model to the data of ``likelihood``; see :meth:`bind_to`."""
        return self.bind_to(problem_of(likelihood, priors))

    def bind_to(self, problem: Problem) -> BoundPosterior:
        """Apply the model to the data of a problem.

        Raises
        ------
        ContractError
            If this problem does not lie within the one that the model was trained for; the message lists every reason.
        """
        # Errors of unusable data come first: the contract would call them another problem.
        view = self.view(problem)
        asked = problem.describe()
        with reading():
            match = self.contract.match(asked, self.information.get("psd_tolerance", 0.0))
        if match.refusals:
            raise ContractError(
                "the model was trained for another problem: "
                + "; ".join(match.refusals)
                + ". Use a model trained for this one, or leave model out"
            )
        for correction in match.corrections:
            logger.info(f"Corrected by the weights: {correction}")
        if TIME in self.conditional.keys and (obstacle := problem.obstacle("own frequencies")):
            raise ContractError(
                f"this model draws the time from its exact conditional, but {obstacle}: use a model with time='network', or a "
                "GravitationalWaveTransient"
            )
        training = None
        if match.other_priors:
            start = float(problem.likelihood.interferometers.start_time) if self.grid else 0.0
            with reading():
                training = PriorTransform(restore_priors(self.contract.facts, start, problem.prior.fixed))
        if self.conditional.keys and any(correction.startswith("waveform") for correction in match.corrections):
            self._check_symmetries(problem)
        return BoundPosterior(self, problem, training, match, view)

    def _check_symmetries(self, problem: Problem) -> None:
        """Check that another waveform allows the parameters that are drawn conditionally."""
        found = find_symmetries(problem.likelihood.waveform_generator, problem.prior)
        coherent, ratio = self.conditional.coherent, complex(*self.conditional.cross_ratio)
        of_phase = (found.phase_order, found.phase_orders)
        holds = {
            PHASE: of_phase == (self.conditional.phase_order, self.conditional.phase_orders),
            DISTANCE: found.distance,
            INCLINATION: found.inclination and (coherent or found.cross_ratio == ratio),
            **{key: key in found.inert for key in (TIME, PSI, RA, DEC)},
        }
        # For any other key, the symmetry that it needs is not known.
        missing = [key for key in self.conditional.keys if not holds.get(key, False)]
        if missing:
            raise ContractError(
                f"this model draws {list(self.conditional.keys)} from their exact conditional, which this waveform does not "
                f"allow for {missing}: use a model that was trained for this waveform, or one with phase='network'"
            )

    def save(self, folder: str | Path, half: bool = True) -> Path:
        """Write the model to ``folder``, whole or not at all.

        Parameters
        ----------
        folder
            Folder of the model; an older model there is replaced, but its configuration file stays.
        half
            Write the network's weights in half precision. The model in memory is rounded in the same way, so that it equals
            the one that was written.

        Raises
        ------
        ModelError
            If ``folder`` has other files than those of a model; they are not deleted.
        """
        tensors = {
            f"network.{key}": value.half() if half and value.is_floating_point() else value
            for key, value in self.network.state_dict().items()
        }
        for key, value in self.representation.state_dict().items():
            if value.is_complex():
                tensors[f"representation.{_COMPLEX}{key}"] = torch.view_as_real(value)
            else:
                tensors[f"representation.{key}"] = value
        arrays = {key: value.detach().cpu().numpy() for key, value in tensors.items()}
        arrays |= {f"contract.{key}": np.asarray(value) for key, value in self.contract.arrays.items()}
        if self.null:
            arrays |= {f"surprise.{key}": np.asarray(value) for key, value in self.null.to_arrays().items()}
        written = write_folder(Path(folder), arrays, self._description())
        if half:
            self.network.half().float()
        return written

    @classmethod
    def load(cls, folder: str | Path) -> TrainedPosterior:
        """Read a model from its folder.

        Raises
        ------
        ModelError
            If the folder is missing, incomplete, damaged or of a newer version.
        """
        description, arrays = read_folder(Path(folder))
        with reading(Path(folder)):
            return cls._assemble(description, {key: torch.as_tensor(value) for key, value in arrays.items()})

    def _description(self) -> dict[str, Any]:
        return {
            "information": {**self.information, "versions": versions(_PACKAGES)},
            "contract": self.contract.facts,
            "grid": self.grid.to_dict() if self.grid else None,
            "kind": self.kind,
            "representation": self.representation.sizes(),
            "network": self.network.config.to_dict(),
            "context": self.network.context,
            "coordinates": {
                **self.coordinates.to_dict(),
                "location": self.location.tolist(),
                "scale": self.scale.tolist(),
                "time_scale": self.time_scale,
            },
            "conditional": self.conditional.to_dict(),
            "flatten_snr": self.flatten_snr,
            "shares": self.shares.to_dict(),
            "settings": self.settings,
            "history": self.history,
        }

    @classmethod
    def _assemble(cls, description: dict[str, Any], tensors: dict[str, torch.Tensor]) -> TrainedPosterior:
        groups: dict[str, dict[str, torch.Tensor]] = {
            "network": {},
            "representation": {},
            "contract": {},
            "surprise": {},
        }
        for key, value in tensors.items():
            group, name = key.split(".", 1)
            if name.startswith(_COMPLEX):
                name, value = name.removeprefix(_COMPLEX), torch.view_as_complex(value)
            if not torch.isfinite(value).all():
                raise ValueError(f"{key} has entries that are not numbers")
            groups[group][name] = value
        coordinates = dict(description["coordinates"])
        location, scale = (np.asarray(coordinates.pop(key), dtype=np.float64) for key in ("location", "scale"))
        time_scale = float(coordinates.pop("time_scale"))
        config = CoordinateConfig.from_dict(coordinates)
        if config.phase_order and "phase" not in config.keys:
            raise ValueError(f"phase_order={config.phase_order} of coordinates {config.keys} without a phase")
        if not (location.shape == scale.shape == (len(config.keys),)):
            raise ValueError(
                f"coordinates have {location.size} locations and {scale.size} scales for {len(config.keys)} keys"
            )
        if not (
            np.isfinite(location).all() and np.isfinite([*scale, time_scale]).all() and min(*scale, time_scale) > 0
        ):
            raise ValueError(
                "locations, scales or time_scale of the coordinates are not finite, or no scale is positive"
            )
        grid = Grid(**description["grid"]) if description["grid"] else None
        conditional = ConditionalConfig.from_dict(description["conditional"])
        shares, of_network = Shares(**description.get("shares", {})), NetworkConfig.from_dict(description["network"])
        for read in (config, conditional, shares, of_network, *([grid] if grid else [])):
            check_types(read)
        # Every size is a dimension of some tensor, or a number of parts that have tensors.
        in_representation = {key: value for key, value in description["representation"].items() if key != "noise"}
        in_network = {key: value for key, value in of_network.to_dict().items() if key != "family"}
        check_sizes(in_representation, _largest(groups["representation"]))
        check_sizes(
            {"context": description["context"], "grid": len(grid) if grid else 0, **in_network},
            max(_largest(tensors), _WIDEST),
        )
        check_sizes({key: in_network[key] for key in ("transforms", "embedding_blocks")}, len(groups["network"]))
        # The ``empty`` of each kind takes the grid of its training, or ``None``.
        kind: Any = REPRESENTATIONS[description["kind"]]
        representation: Representation = kind.empty(grid, description["representation"])
        representation.load_state_dict(groups["representation"])
        null = (
            Null.from_arrays({key: value.numpy() for key, value in groups["surprise"].items()})
            if groups["surprise"]
            else None
        )
        if null is not None and len(null.location) != representation.features:
            raise ValueError("the null distribution of the surprise belongs to another representation")
        network = build_network(len(config.keys), description["context"], of_network)
        network.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in groups["network"].items()}
        )
        return cls(
            contract=Contract(
                description["contract"], {key: value.numpy() for key, value in groups["contract"].items()}
            ),
            grid=grid,
            kind=description["kind"],
            representation=representation,
            network=network.eval(),
            coordinates=config,
            location=location,
            scale=scale,
            time_scale=time_scale,
            conditional=conditional,
            flatten_snr=bool(description["flatten_snr"]),
            shares=shares,
            settings=description["settings"],
            history=description["history"],
            information=description["information"],
            null=null,
        )


def _largest(tensors: dict[str, torch.Tensor]) -> int:
    """Return the largest dimension of all tensors."""
    return max((size for value in tensors.values() for size in value.shape), default=0)


def find_model(model: str) -> TrainedPosterior:
    """Read a shipped model by its name, or any model by its folder.

    Raises
    ------
    ModelError
        If there is no such model or folder.
    """
    if model in shipped_models():
        return TrainedPosterior.load(SHIPPED / model)
    if not Path(model).expanduser().is_dir():
        raise no_such_model(model)
    return TrainedPosterior.load(model)
