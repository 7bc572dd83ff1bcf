"""A trained posterior: one folder of ``weights.safetensors`` and ``model.json``, never a pickle."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bilby.core.likelihood import Likelihood
from bilby.core.utils import logger

from .bands import has_own_frequencies
from .conditional import ConditionalConfig, ExactConditional
from .contract import Contract, Match, describe
from .errors import ContractError, ModelError
from .folder import DESCRIPTION, damaged, read_folder, write_folder
from .grid import Grid
from .networks import ConditionalNetwork, NetworkConfig, build_network
from .parts import Normal
from .priors import Parameters, PriorTransform
from .proposals import Mixture, Shares, defensive
from .representation import REPRESENTATIONS, CoordinateConfig, Coordinates, Pivot, Representation
from .restore import restore_priors
from .simulation import Simulator, make_simulator
from .simulation.symmetries import find_symmetries
from .surprise import Null, Surprise

SHIPPED = Path(__file__).parent / "models"
_PACKAGES = ("bilby_flowpe", "bilby", "torch", "zuko", "numpy", "lalsuite")
_COMPLEX = "complex:"


@dataclass
class TrainedPosterior:
    """Everything that turns data into draws.

    Attributes
    ----------
    contract
        What it was trained for.
    grid
        The network's grid; ``None`` for data that are no gravitational waves.
    kind
        Kind of representation.
    representation, network
        The trained modules.
    coordinates
        Choice of coordinates.
    location, scale, time_scale
        Standardisation of the coordinates.
    conditional
        What is drawn from its exact conditional.
    flatten_snr
        Whether quiet signals were thinned out in training: raw draws then follow another prior than the user's.
    shares
        Of the defensive mixture.
    settings
        The configuration it was trained with.
    history
        Of the training.
    information
        Name, versions, times: for people.
    null
        Of the surprise about an event's data; ``None`` where it was not measured.
    """

    contract: Contract
    grid: Grid | None
    kind: str
    representation: Representation
    network: ConditionalNetwork
    coordinates: CoordinateConfig
    location: np.ndarray
    scale: np.ndarray
    time_scale: float
    conditional: ConditionalConfig
    flatten_snr: bool
    shares: Shares
    settings: dict[str, Any]
    history: dict[str, Any]
    information: dict[str, Any] = field(default_factory=dict)
    null: Null | None = None

    def bind(self, likelihood: Likelihood, transform: PriorTransform) -> BoundPosterior:
        """Ready the model for the data of ``likelihood``.

        Raises
        ------
        ContractError
            If the model was trained for a problem that this one does not lie within; the message lists every reason.
        """
        # Unusable data are told first: the contract would call them another problem.
        simulator = make_simulator(likelihood, transform, grid=self.grid, simulate=False)
        match = self.contract.match(describe(likelihood, transform), self.information.get("psd_tolerance", 0.0))
        if match.refusals:
            raise ContractError(
                "the model was trained for another problem: "
                + "; ".join(match.refusals)
                + ". Use a model trained for this one, or leave model out to have one trained"
            )
        for correction in match.corrections:
            logger.info(f"Corrected by the weights: {correction}")
        if "geocent_time" in self.conditional.keys and not has_own_frequencies(likelihood):
            raise ContractError(
                f"this model draws the time from its exact conditional, for which a {type(likelihood).__name__} does not have "
                "the waveform at the data's own frequencies: use a model with time='network', or a GravitationalWaveTransient"
            )
        training = None
        if match.other_priors:
            start = float(likelihood.interferometers.start_time) if self.grid else 0.0
            training = PriorTransform(restore_priors(self.contract.facts, start, transform.fixed))
        if self.conditional.keys and any(correction.startswith("waveform") for correction in match.corrections):
            self._check_symmetries(likelihood, transform)
        return BoundPosterior(self, likelihood, transform, training, match, simulator)

    def _check_symmetries(self, likelihood: Likelihood, transform: PriorTransform) -> None:
        """Another waveform has to allow what is drawn conditionally."""
        found = find_symmetries(likelihood.waveform_generator, transform)
        missing = [
            key
            for key, holds in (
                ("phase", found.phase_order == self.conditional.phase_order),
                ("luminosity_distance", found.distance),
                ("theta_jn", found.inclination and found.cross_ratio == complex(*self.conditional.cross_ratio)),
                ("geocent_time", "geocent_time" in found.inert),
            )
            if key in self.conditional.keys and not holds
        ]
        if missing:
            raise ContractError(
                f"this model draws {list(self.conditional.keys)} from their exact conditional, which this waveform does not "
                f"allow for {missing}: have a model trained for it, or use one with phase='network'"
            )

    def save(self, folder: str | Path, half: bool = True) -> Path:
        """Write the model to ``folder``, whole or not at all.

        Parameters
        ----------
        folder
            Where to; an older model there is replaced, the configuration that it was trained with stays.
        half
            Whether the network's weights go to half precision. The model in memory is rounded alike, so that it stays the
            one that was written.

        Raises
        ------
        ModelError
            If there is something else than a model in ``folder``: it is not deleted.
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
        tensors |= {f"contract.{key}": torch.as_tensor(value) for key, value in self.contract.arrays.items()}
        if self.null:
            tensors |= {f"surprise.{key}": torch.as_tensor(value) for key, value in self.null.to_arrays().items()}
        written = write_folder(Path(folder), tensors, self._description())
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
        description, tensors = read_folder(Path(folder))
        try:
            return cls._assemble(description, tensors)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise damaged(Path(folder), error) from error

    def _description(self) -> dict[str, Any]:
        return {
            "information": {**self.information, "versions": _versions()},
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
            groups[group][name] = value
        coordinates = dict(description["coordinates"])
        location, scale = (np.asarray(coordinates.pop(key), dtype=np.float64) for key in ("location", "scale"))
        time_scale = float(coordinates.pop("time_scale"))
        config = CoordinateConfig.from_dict(coordinates)
        grid = Grid(**description["grid"]) if description["grid"] else None
        representation = REPRESENTATIONS[description["kind"]].empty(grid, description["representation"])
        representation.load_state_dict(groups["representation"])
        null = (
            Null.from_arrays({key: value.numpy() for key, value in groups["surprise"].items()})
            if groups["surprise"]
            else None
        )
        if null is not None and len(null.location) != representation.features:
            raise ValueError("the null of the surprise is that of another representation")
        network = build_network(
            len(config.keys), description["context"], NetworkConfig.from_dict(description["network"])
        )
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
            conditional=ConditionalConfig.from_dict(description["conditional"]),
            flatten_snr=bool(description["flatten_snr"]),
            shares=Shares(**description.get("shares", {})),
            settings=description["settings"],
            history=description["history"],
            information=description["information"],
            null=null,
        )


class BoundPosterior:
    """A trained posterior and the data of one event.

    Parameters
    ----------
    model
        The trained posterior.
    likelihood
        The user's likelihood.
    transform
        The user's prior.
    training
        The prior trained with, where it is not the user's.
    match
        What the contract found.
    simulator
        A simulator of this likelihood, if one is at hand.
    """

    def __init__(
        self,
        model: TrainedPosterior,
        likelihood: Likelihood,
        transform: PriorTransform,
        training: PriorTransform | None = None,
        match: Match | None = None,
        simulator: Simulator | None = None,
    ) -> None:
        self.model, self.transform = model, transform
        self.corrections = match.corrections if match else ()
        self._turned_by = match.sidereal_shift if match else 0.0
        simulator = simulator or make_simulator(likelihood, transform, grid=model.grid, simulate=False)
        self._arrival = getattr(simulator, "arrival", None)
        arrival = self._arrival_of_training if self._arrival else None
        self.coordinates = Coordinates(training or transform, model.coordinates, arrival)
        self.coordinates.location, self.coordinates.scale = model.location, model.scale
        self.coordinates.time_scale = model.time_scale
        self.conditional = ExactConditional(model.conditional, transform)
        observed = simulator.observe()[None]
        self.context, self.pivot = model.representation(observed)
        found = model.representation.log_likelihood_found(observed)
        self.log_likelihood_found = None if found is None else float(found[0])

    @property
    def keys(self) -> tuple[str, ...]:
        """The network's parameters."""
        return self.model.coordinates.keys

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the network's latent variables."""
        return tuple(f"latent[{index}]" for index in range(self.model.network.latent))

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Base coordinates of the network and their log Jacobian: :class:`~bilby_flowpe.charts.Chart`."""
        s, log_jacobian = self._extended(parameters)
        base, of_network = self.model.network.to_base(s, self.context)
        return base.double().numpy(), of_network.double().numpy() + log_jacobian - self.coordinates.log_copies

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Parameters at base coordinates, and which are inside the prior; ``rng`` throws the coins of the folded ones."""
        s = self.model.network.from_base(torch.as_tensor(base, dtype=torch.float32), self.context)
        x, z = s.split([len(self.keys), len(self.latent)], dim=-1)
        parameters, inside, log_jacobian = self.coordinates.from_network(x, self._pivots(len(base)), rng)
        drawn = self._turned(parameters, self._turned_by) | self._columns(z)
        return drawn, inside & np.isfinite(log_jacobian)

    def encode(self, parameters: Parameters, generator: torch.Generator) -> Parameters:
        """Latent variables drawn by the encoder: :class:`~bilby_flowpe.charts.LatentChart`."""
        x, log_jacobian = self._to_network(parameters)
        z = self.model.network.encode(torch.nan_to_num(x), self.context, generator)
        # Where the network does not reach, any density of z will do, and the prior's part needs one.
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
        return self._columns(torch.where(torch.as_tensor(np.isfinite(log_jacobian))[:, None], z, noise))

    def log_encoder(self, parameters: Parameters) -> np.ndarray:
        """Log density of the latent variables given the parameters, (N,)."""
        s, log_jacobian = self._extended(parameters)
        log_prob = self.model.network.log_encoder(torch.nan_to_num(s), self.context).double().numpy()
        elsewhere = Normal(len(self.latent)).log_prob(np.stack([parameters[key] for key in self.latent], axis=1))
        return np.where(np.isfinite(log_jacobian), log_prob, elsewhere)

    def _to_network(self, parameters: Parameters) -> tuple[torch.Tensor, np.ndarray]:
        size = len(parameters[self.keys[0]])
        return self.coordinates.to_network(self._turned(parameters, -self._turned_by), self._pivots(size))

    def _extended(self, parameters: Parameters) -> tuple[torch.Tensor, np.ndarray]:
        """The network's coordinates (x, z), (N, n + d), and the log Jacobian of x, (N,)."""
        x, log_jacobian = self._to_network(parameters)
        columns = [torch.as_tensor(parameters[key], dtype=x.dtype)[:, None] for key in self.latent]
        return torch.cat([x, *columns], dim=-1), log_jacobian

    def _columns(self, z: torch.Tensor) -> Parameters:
        return {key: z[:, index].double().numpy() for index, key in enumerate(self.latent)}

    def _pivots(self, size: int) -> Pivot | None:
        return self.pivot.expand(size) if self.pivot is not None else None

    def _arrival_of_training(self, parameters: Parameters) -> np.ndarray:
        return self._arrival(self._turned(parameters, self._turned_by))

    @staticmethod
    def _turned(parameters: Parameters, angle: float) -> Parameters:
        """Right ascensions at another sidereal time: the detectors see the sky alike."""
        if not angle or "ra" not in parameters:
            return parameters
        return {**parameters, "ra": (parameters["ra"] + angle) % (2 * np.pi)}

    @property
    def turn(self) -> tuple[str, float, float] | None:
        """Both modes of an unfolded phase are drawn alike, whether the network found both or not."""
        config = self.model.coordinates
        unfolded = "phase" in config.keys and config.phase_order != 0 and not config.fold_phase
        return ("phase", np.pi, 2 * np.pi) if unfolded and config.phase_order % 2 == 0 else None

    def surprise(self, residual: float | None = None) -> Surprise | None:
        """How unlike the simulations the data are; ``None`` where the model does not know.

        Parameters
        ----------
        residual
            Of the data and the best draw (:func:`bilby_flowpe.surprise.residual_of`).
        """
        if self.model.null is None:
            return None
        return self.model.null.of(self.context[0].double().numpy(), self.log_likelihood_found, residual)

    def mixture(self) -> Mixture:
        """The defensive mixture that this model was found to need."""
        return defensive(self, self.transform, self.model.shares)


def shipped_models() -> list[str]:
    """Names of the models inside the package."""
    return sorted(path.name for path in SHIPPED.glob("*") if (path / DESCRIPTION).is_file())


def find_model(model: str) -> TrainedPosterior:
    """A shipped model by its name, or any model by its folder.

    Raises
    ------
    ModelError
        If there is neither.
    """
    if model in shipped_models():
        return TrainedPosterior.load(SHIPPED / model)
    if not Path(model).expanduser().is_dir():
        raise ModelError(f"model={model!r} is neither a folder nor one of the shipped models {shipped_models()}")
    return TrainedPosterior.load(model)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
