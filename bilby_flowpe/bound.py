"""The parts of a trained posterior, and their application to the data of one event: a chart for proposals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from .conditional.base import ConditionalConfig
from .conditional.choose import conditional_of
from .contract import Contract, Match
from .networks.base import ConditionalNetwork
from .priors import Parameters, PriorTransform, within_quantiles
from .problem import Problem, View
from .problem.config import FIXED
from .proposals.charts import PriorChart
from .proposals.mixture import Mixture, Shares, defensive
from .proposals.parts import Normal
from .representation.base import Representation
from .representation.coordinates import CoordinateConfig, Coordinates
from .representation.pivot import Pivot
from .surprise import Null, Surprise
from .waves.grid import Grid


@dataclass
class Trained:
    """Parts of a trained posterior: everything that turns data into draws.

    Attributes
    ----------
    contract
        Description of the problem that it was trained for.
    grid
        Frequency grid of the network; ``None`` for data that are not gravitational waves.
    kind
        Kind of representation.
    representation, network
        The trained modules.
    coordinates
        Choice of coordinates.
    location, scale, time_scale
        Standardisation of the coordinates.
    conditional
        Parameters that are drawn from their exact conditional.
    flatten_snr
        Tells whether there were fewer quiet signals in training: raw draws then follow another prior than the user's.
    shares
        Fractions of the defensive mixture.
    settings
        Settings of the training.
    history
        History of the training.
    information
        Name, versions and times, for people to read.
    null
        Null distribution of the surprise about an event's data; ``None`` if it was not measured.
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

    @property
    def psd(self) -> str:
        """PSDs that it was trained for: :attr:`.simulation.SimulationConfig.psd`."""
        return str(self.settings.get("simulation", {}).get("psd", FIXED))

    def view(self, problem: Problem) -> View:
        """Return the data of a problem as the network sees them."""
        return problem.view(self.grid, self.psd)


class BoundPosterior:
    """A trained posterior, applied to the data of one event.

    Parameters
    ----------
    model
        The trained posterior.
    problem
        Problem with the data of the event.
    training
        Prior of the training, if it is not the user's.
    match
        Result of the comparison of the contracts.
    view
        The data as the network sees them, if they were made already.
    """

    def __init__(
        self,
        model: Trained,
        problem: Problem,
        training: PriorTransform | None = None,
        match: Match | None = None,
        view: View | None = None,
    ) -> None:
        transform = problem.prior
        self.model, self.transform = model, transform
        self.corrections = match.corrections if match else ()
        self._turned_by = match.sidereal_shift if match else 0.0
        view = view or model.view(problem)
        of_training = None if view.arrival is None else partial(self._arrival_of_training, view.arrival)
        self.coordinates = Coordinates(training or transform, model.coordinates, of_training)
        self.coordinates.location, self.coordinates.scale = model.location, model.scale
        self.coordinates.time_scale = model.time_scale
        self.conditional = conditional_of(model.conditional, transform)
        # Parameters that do not change simulated data, and that no network has learnt.
        idle = [key for key in transform.keys if key not in (*model.coordinates.keys, *model.conditional.keys)]
        self._idle = PriorChart(transform, tuple(idle))
        observed = torch.as_tensor(view.observe())[None]
        self.context, self.pivot = model.representation(observed)
        found = model.representation.log_likelihood_found(observed)
        self.log_likelihood_found = None if found is None else float(found[0])

    @property
    def keys(self) -> tuple[str, ...]:
        """Parameters of the network, and those that are drawn from their priors."""
        return (*self.model.coordinates.keys, *self._idle.keys)

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the network's latent variables."""
        return tuple(f"latent[{index}]" for index in range(self.model.network.latent))

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Return base coordinates of the network and their log Jacobian: :class:`~bilby_flowpe.proposals.charts.Chart`."""
        s, log_jacobian = self._extended(parameters)
        base, of_network = self.model.network.to_base(s, self.context)
        log_jacobian = of_network.double().numpy() + log_jacobian - self.coordinates.log_copies
        if not self._idle.keys:
            return base.double().numpy(), log_jacobian
        idle, of_idle = self._idle.forward({key: parameters[key] for key in self._idle.keys})
        return np.concatenate([base.double().numpy(), idle], axis=1), log_jacobian + of_idle

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Return the parameters at base coordinates, and which of them are inside the prior.

        For folded parameters ``rng`` chooses one of the copies.
        """
        learnt = len(self.model.coordinates.keys)
        base, idle = np.split(base, [learnt + len(self.latent)], axis=1)
        s = self.model.network.from_base(torch.as_tensor(base, dtype=torch.float32), self.context)
        x, z = s.split([learnt, len(self.latent)], dim=-1)
        parameters, inside, log_jacobian = self.coordinates.from_network(x, self._pivots(len(base)), rng)
        drawn = self._turned(parameters, self._turned_by) | self._columns(z)
        if self._idle.keys:
            drawn |= self._idle.inverse(idle, rng)[0]
            inside &= np.all(within_quantiles(idle), axis=1)
        return drawn, inside & np.isfinite(log_jacobian)

    def encode(self, parameters: Parameters, rng: np.random.Generator) -> Parameters:
        """Draw latent variables by the encoder: :class:`~bilby_flowpe.proposals.charts.LatentChart`."""
        x, log_jacobian = self._to_network(parameters)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        z = self.model.network.encode(torch.nan_to_num(x), self.context, generator)
        # Where the network does not reach, the prior part of the mixture still needs a density of z; any density will do.
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
        return self._columns(torch.where(torch.as_tensor(np.isfinite(log_jacobian))[:, None], z, noise))

    def log_encoder(self, parameters: Parameters) -> np.ndarray:
        """Return the log density of the latent variables given the parameters, (N,)."""
        s, log_jacobian = self._extended(parameters)
        log_prob = self.model.network.log_encoder(torch.nan_to_num(s), self.context).double().numpy()
        elsewhere = Normal(len(self.latent)).log_prob(np.stack([parameters[key] for key in self.latent], axis=1))
        return np.where(np.isfinite(log_jacobian), log_prob, elsewhere)

    def _to_network(self, parameters: Parameters) -> tuple[torch.Tensor, np.ndarray]:
        size = len(parameters[self.model.coordinates.keys[0]])
        return self.coordinates.to_network(self._turned(parameters, -self._turned_by), self._pivots(size))

    def _extended(self, parameters: Parameters) -> tuple[torch.Tensor, np.ndarray]:
        """Return the network's coordinates (x, z), (N, n + d), and the log Jacobian of x, (N,)."""
        x, log_jacobian = self._to_network(parameters)
        columns = [torch.as_tensor(parameters[key], dtype=x.dtype)[:, None] for key in self.latent]
        return torch.cat([x, *columns], dim=-1), log_jacobian

    def _columns(self, z: torch.Tensor) -> Parameters:
        return {key: z[:, index].double().numpy() for index, key in enumerate(self.latent)}

    def _pivots(self, size: int) -> Pivot | None:
        return self.pivot.expand(size) if self.pivot is not None else None

    def _arrival_of_training(self, arrival: Callable[[Parameters], np.ndarray], parameters: Parameters) -> np.ndarray:
        return arrival(self._turned(parameters, self._turned_by))

    @staticmethod
    def _turned(parameters: Parameters, angle: float) -> Parameters:
        """Shift right ascensions to another sidereal time, at which the detectors see the same sky."""
        if not angle or "ra" not in parameters:
            return parameters
        return {**parameters, "ra": (parameters["ra"] + angle) % (2 * np.pi)}

    @property
    def turn(self) -> tuple[str, float, float] | None:
        """Symmetry of an unfolded phase: both of its modes are drawn with equal probability, whatever the network found."""
        config = self.model.coordinates
        unfolded = "phase" in config.keys and config.phase_order != 0 and not config.fold_phase
        return ("phase", np.pi, 2 * np.pi) if unfolded and config.phase_order % 2 == 0 else None

    def surprise(self, residual: float | None = None) -> Surprise | None:
        """Return how much the data differ from simulated ones; ``None`` if the model has no null distribution.

        Parameters
        ----------
        residual
            Residual of the data and the best draw (:func:`bilby_flowpe.waves.residual.residual_of`).
        """
        if self.model.null is None:
            return None
        return self.model.null.of(self.context[0].double().numpy(), self.log_likelihood_found, residual)

    def mixture(self) -> Mixture:
        """Return the defensive mixture that this model was found to need."""
        return defensive(self, self.transform, self.model.shares)
