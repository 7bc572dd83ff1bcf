"""All choices that make a model, checked before any simulation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from .. import pytorch
from ..conditional.choose import DrawnBy, Mode
from ..contract import Contract
from ..errors import ConfigurationError
from ..networks import FAMILY_NAMES, NetworkConfig
from ..problem import SimulationConfig
from ..representation import KINDS, RepresentationConfig
from ..simulation.stored import spare_memory
from .recipe import TrainingConfig

_BYTES = 20  # bytes for each weight in training: itself, its gradient, two moments and its average, 4 bytes each


_CHOICES = tuple(choice.name for choice in fields(DrawnBy))


@dataclass(frozen=True)
class Settings:
    """All choices that make a model.

    Attributes
    ----------
    simulation, representation, network, training
        Choices of each stage.
    calibration_events
        Number of simulated events on which mixture shares and the noise-curve tolerance are measured. With 0, the
        default shares are used, and there is no tolerance and no surprise.
    null_events
        Number of simulated events with which the surprise about an event's data is compared; with 0 there is no
        surprise.
    phase
        ``"conditional"``: the phase is drawn from its exact conditional if the waveform allows it; ``"network"``: it is
        one of the network's parameters, as in the paper.
    distance
        This choice for the distance, and for the inclination if a single detector measures only a combination of
        the two; ``"conditional"`` requires that the phase is conditional, too.
    time
        This choice for the geocentric time, if its prior is independent of other parameters and fits into the data.
    sky
        This choice for sky position, polarisation angle and, for a pure (2, 2) mode, inclination, if there are
        several detectors or the place is not known; ``"conditional"`` requires that phase and time are conditional,
        too.
    fold_phase
        With ``phase="network"``: whether the network sees the phase folded to half a turn, if that is exact.
    """

    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    representation: RepresentationConfig = field(default_factory=RepresentationConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    calibration_events: int = 24
    null_events: int = 500
    phase: Mode = "conditional"
    distance: Mode = "conditional"
    time: Mode = "conditional"
    sky: Mode = "conditional"
    fold_phase: bool = True

    def __post_init__(self) -> None:
        for name in _CHOICES:
            if (value := getattr(self, name)) not in ("conditional", "network"):
                raise ConfigurationError(f"{name}={value!r}: choose 'conditional' or 'network'")
        # Names are checked here, before the waveforms are simulated.
        if self.network.family not in FAMILY_NAMES:
            raise ConfigurationError(f"network={self.network.family!r}: choose one of {sorted(FAMILY_NAMES)}")
        _check_width(self.network)
        if self.representation.kind not in KINDS:
            raise ConfigurationError(f"representation={self.representation.kind!r}: choose one of {sorted(KINDS)}")
        _check_device(self.training.device)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return json.loads(json.dumps(asdict(self)))

    def modes(self) -> DrawnBy:
        """Return which parameters are drawn by a conditional and which by the network."""
        return DrawnBy(**{name: getattr(self, name) for name in _CHOICES})

    def kind(self) -> dict[str, Any]:
        """Return the choices that make one model another, which a model from the cache has to share."""
        return kind_of(self.to_dict())


def kind_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return the result of :meth:`Settings.kind` for settings as plain values, of which older models may lack some."""
    kind = {
        "family": described["network"]["family"],
        "phase": described["phase"],
        # Older models had no such choice: the network has these parameters.
        "distance": described.get("distance", "network"),
        "time": described.get("time", "network"),
        # Packaged models of that age were trained for a known place, so that nothing is left to choose.
        "sky": described.get("sky", "conditional"),
        "representation": described["representation"]["kind"],
        "psd": described["simulation"].get("psd", "fixed"),
    }
    return {**kind, "fold_phase": described["fold_phase"]} if described["phase"] == "network" else kind


def adapted(settings: Settings, contract: Contract) -> Settings:
    """Adapt settings to a problem: data other than gravitational waves have only one representation.

    Models for many noise curves have their own representation, too.
    """
    amortised = settings.simulation.psd != "fixed"
    if amortised and settings.simulation.psd != "amortised" and not Path(settings.simulation.psd).is_dir():
        raise ConfigurationError(
            f"psd={settings.simulation.psd!r}: choose 'fixed' or 'amortised', or give a folder of noise curves"
        )
    if amortised and not contract.has_noise_curves:
        raise ConfigurationError(
            f"psd={settings.simulation.psd!r}: only a GravitationalWaveTransient has noise curves; leave it out"
        )
    if amortised != (settings.representation.kind == "amortised"):
        if amortised and settings.representation.kind != "aligned":
            raise ConfigurationError(
                f"psd={settings.simulation.psd!r} with representation={settings.representation.kind!r}: use 'aligned'"
            )
        representation = replace(settings.representation, kind="amortised" if amortised else "aligned")
        settings = replace(settings, representation=representation)
    if contract.has_noise_curves or settings.representation.kind == "linear":
        return settings
    return replace(settings, representation=replace(settings.representation, kind="linear"))


def _check_device(device: str) -> None:
    """Raise an error if torch cannot use a device on this machine."""
    if device == "cpu":
        return
    pytorch.load()
    # Imported here, because settings are made in every run, and few use another device.
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        # A build of torch without CUDA reports this by an assertion.
        raise ConfigurationError(
            f"device={device!r} cannot be used here ({str(error).splitlines()[0]}): use 'cpu', or 'cuda' where torch finds it"
        ) from error


def _check_width(network: NetworkConfig) -> None:
    """Raise an error if a network would not fit into memory, before any simulation."""
    available = spare_memory()
    for name in ("hidden_features", "gaussian_features"):
        widths = getattr(network, name)
        needed = _BYTES * network.transforms * sum(one * other for one, other in pairwise(widths))
        if needed > available:
            most = int((available / _BYTES / network.transforms / max(len(widths) - 1, 1)) ** 0.5)
            raise ConfigurationError(
                f"{name}={list(widths)} would take {needed / 2**30:.3g} GiB of the {available / 2**30:.1f} GiB that this "
                f"machine can spare: give widths of at most {most}"
            )
