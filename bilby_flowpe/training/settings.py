"""All choices that make a model, checked before anything is simulated for it."""

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

_BYTES = 20  # of a weight in training: itself, its gradient, two moments, its average


_CHOICES = tuple(choice.name for choice in fields(DrawnBy))


@dataclass(frozen=True)
class Settings:
    """All choices that make a model.

    Attributes
    ----------
    simulation, representation, network, training
        Those of each stage.
    calibration_events
        Simulated events on which shares of the defensive mixture and the tolerance in the noise curve are measured; with 0
        the usual shares, no tolerance and no surprise.
    null_events
        Simulated events that the surprise about an event's data is held against; with 0 there is none.
    phase
        ``"conditional"``: the phase is drawn from its exact conditional wherever the waveform allows it; ``"network"``: it is
        one of the network's parameters, as in the paper.
    distance
        The same of the distance, and of the inclination where one detector makes one number of both; ``"conditional"`` goes
        together with that of the phase.
    time
        The same of the geocentric time, where its prior is one of its own and fits into the data.
    sky
        The same of sky position, polarisation angle and, of a pure (2, 2) mode, inclination, where more than one detector or
        more than a known place asks for it; ``"conditional"`` goes together with that of phase and time.
    fold_phase
        With ``phase="network"``: whether the network sees the phase folded to a half turn, where that is exact.
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
        # Names are looked up here, and not only once the waveforms have been simulated.
        if self.network.family not in FAMILY_NAMES:
            raise ConfigurationError(f"network={self.network.family!r}: choose one of {sorted(FAMILY_NAMES)}")
        _check_width(self.network)
        if self.representation.kind not in KINDS:
            raise ConfigurationError(f"representation={self.representation.kind!r}: choose one of {sorted(KINDS)}")
        _check_device(self.training.device)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return json.loads(json.dumps(asdict(self)))

    def modes(self) -> DrawnBy:
        """What is to draw which parameters."""
        return DrawnBy(**{name: getattr(self, name) for name in _CHOICES})

    def kind(self) -> dict[str, Any]:
        """The choices that make one model another: those that a model from the cache has to share."""
        return kind_of(self.to_dict())


def kind_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return what :meth:`Settings.kind` gives, of the plain values of settings; those of older models may lack some."""
    kind = {
        "family": described["network"]["family"],
        "phase": described["phase"],
        # Before there was a choice, the network had it.
        "distance": described.get("distance", "network"),
        "time": described.get("time", "network"),
        # Packaged models of that age know the place: nothing is left to choose.
        "sky": described.get("sky", "conditional"),
        "representation": described["representation"]["kind"],
        "psd": described["simulation"].get("psd", "fixed"),
    }
    return {**kind, "fold_phase": described["fold_phase"]} if described["phase"] == "network" else kind


def adapted(settings: Settings, contract: Contract) -> Settings:
    """Settings as the problem needs them: data that are no gravitational waves have but one representation.

    Many noise curves have one of their own, too.
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
    """Refuse a device that torch cannot use here."""
    if device == "cpu":
        return
    pytorch.load()
    # Here: settings are made in every run, and few ask for another device.
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        # A build of torch without CUDA tells so by an assertion.
        raise ConfigurationError(
            f"device={device!r} cannot be used here ({str(error).splitlines()[0]}): use 'cpu', or 'cuda' where torch finds it"
        ) from error


def _check_width(network: NetworkConfig) -> None:
    """Refuse a network that would not fit into the memory, before anything is simulated for it."""
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
