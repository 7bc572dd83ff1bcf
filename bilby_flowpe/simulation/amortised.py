"""Gravitational-wave data under many noise curves: each simulation comes with the one that its noise was drawn from.

The first D rows of its data are whitened by the curve, as those of a fixed one are; the other D are the logarithm of the curve.
Both are the likelihood's own for an event. Signals are stored whitened by the likelihood's curve and go from there, which needs
no waveform: the network sees all of the segment, in which frequencies of the data and of the noise curve are the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..priors import Parameters, PriorTransform
from ..waves.grid import Grid
from .config import SimulationConfig
from .gravitational_wave import GravitationalWaveSimulator
from .noise_family import NoiseFamily, read_curves
from .simulator import Signals

_MADE_UP = "amortised"


class AmortisedSimulator(GravitationalWaveSimulator):
    """As :class:`GravitationalWaveSimulator`, for noise curves of a family.

    Data are (N, 2 D, F) complex64; of the second D rows the real part counts.

    Raises
    ------
    SimulationError
        If the stored waveforms of a file are cut in time.
    DataError
        If the noise curves of a folder cannot be used.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        transform: PriorTransform,
        *,
        config: SimulationConfig,
        **options: Any,
    ) -> None:
        super().__init__(likelihood, transform, replace(config, shorten=False), **options)
        if not np.isclose(self.grid.duration, self.duration):
            raise SimulationError(
                f"psd={config.psd!r} needs waveforms over the whole segment of {self.duration:g} s: have them simulated anew"
            )
        self.log_reference = self._log_curves()
        self._in_band = self.mask.numpy() > 0

    @cached_property
    def family(self) -> NoiseFamily:
        """Of noise curves."""
        names = [detector.name for detector in self.detectors]
        rng = np.random.default_rng((self._seed or 0, 5))
        curves = None if self.config.psd == _MADE_UP else read_curves(self.config.psd, names, self.grid.frequencies)
        return NoiseFamily(self.grid.frequencies, self.log_reference, rng, curves)

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """See :class:`GravitationalWaveSimulator`; every row has a noise curve of its own."""
        signals = super().draw(size, rng, held_out)
        log_psd = np.where(self._in_band, self.family.draw(size, rng), self.log_reference).astype(np.float32)
        scale = torch.as_tensor(np.exp(0.5 * (self.log_reference - log_psd), dtype=np.float32))
        return Signals(signals.parameters, _stack(signals.data * scale, torch.as_tensor(log_psd)))

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """White noise for the whitened rows; the curves stay."""
        whitened, log_psd = data.split(len(self.detectors), dim=1)
        return torch.cat([super().add_noise(whitened, generator), log_psd], dim=1)

    def observe(self) -> torch.Tensor:
        """The likelihood's own data and noise curves: (2 D, F) complex64."""
        return _stack(super().observe(), torch.as_tensor(self.log_reference.astype(np.float32)))

    def reference(self) -> Reference:
        """The same source of signals under the likelihood's curves alone."""
        return Reference(self)

    def _log_curves(self) -> np.ndarray:
        """Logarithm of the likelihood's curves on the grid, (D, F); zero where the detector has no band."""
        curves = np.stack([ifo.power_spectral_density_array[self.grid.indices] for ifo in self.interferometers])
        inside = (self.mask.numpy() > 0) & np.isfinite(curves) & (curves > 0)
        log_curves: np.ndarray = np.log(np.where(inside, curves, 1.0))
        return log_curves


@dataclass(frozen=True)
class Reference:
    """Signals and noise of a :class:`AmortisedSimulator` under the likelihood's own curves."""

    simulator: AmortisedSimulator

    @property
    def grid(self) -> Grid:
        return self.simulator.grid

    @property
    def detectors(self) -> tuple[object, ...]:
        return self.simulator.detectors

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        return GravitationalWaveSimulator.draw(self.simulator, size, rng, held_out)

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return GravitationalWaveSimulator.add_noise(self.simulator, data, generator)

    def arrival(self, parameters: Parameters) -> np.ndarray:
        return self.simulator.arrival(parameters)

    def arrival_range(self) -> tuple[float, float]:
        return self.simulator.arrival_range()

    def light_travel_times(self) -> tuple[float, ...]:
        return self.simulator.light_travel_times()


def _stack(whitened: torch.Tensor, log_psd: torch.Tensor) -> torch.Tensor:
    return torch.cat([whitened.to(torch.complex64), log_psd.to(torch.complex64)], dim=-2)
