"""Tasks for worker processes: one waveform call each, whitened in every detector and put on the network's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from ..processes.parallel import Row
from .grid import Grid
from .waveforms import polarisations, responses
from .whitening import Whitener


@dataclass
class PolarisationTask:
    """Whitened polarisations of one row on the grid, (D, P, F), the merger at time zero; picklable.

    ``arrival`` is where in the stretch a typical signal merges, in seconds: where the stretch is cut around it.
    """

    generator: WaveformGenerator
    whiteners: list[Whitener]
    grid: Grid
    duration: float
    reference: Row
    modes: tuple[str, ...]
    arrival: float

    def __post_init__(self) -> None:
        # Made once, not for every row: the merger goes to where the data have it while the rest is cut away, and back.
        grid, scales = self.grid, np.stack([whitener.scale for whitener in self.whiteners])[:, None]
        self._band = grid.indices if grid.is_whole(self.duration) else None
        if self._band is not None:
            self._factors = scales[..., self._band]
        else:
            frequencies = np.arange(scales.shape[-1]) / self.duration
            self._factors = scales * np.exp(-2j * np.pi * frequencies * (grid.start + self.arrival))
            self._back = np.exp(2j * np.pi * grid.frequencies * self.arrival)

    def __call__(self, row: Row) -> np.ndarray | None:
        strain = polarisations(self.generator, {**row, **self.reference})
        if strain is None:
            return None
        series = np.array([strain[mode] for mode in self.modes])
        if self._band is not None:
            made = series[..., self._band] * self._factors
        else:
            made = self.grid.restrict(series * self._factors, self.duration) * self._back
        return made.astype(np.complex64)


@dataclass
class ResponseTask:
    """Whitened responses of every detector to one row on the grid, (D, F); picklable."""

    likelihood: GravitationalWaveTransient
    whiteners: list[Whitener]
    grid: Grid
    duration: float

    def __call__(self, row: Row) -> np.ndarray | None:
        strain = polarisations(self.likelihood.waveform_generator, row)
        if strain is None:
            return None
        seen = [
            self.grid.restrict(whitener(response), self.duration)
            for response, whitener in zip(responses(self.likelihood, strain, row), self.whiteners, strict=True)
        ]
        return np.stack(seen).astype(np.complex64)
