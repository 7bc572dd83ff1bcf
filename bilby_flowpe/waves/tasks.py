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
    """Task that returns whitened polarisations of one row on the grid, (D, P, F), with the merger at time zero.

    ``arrival`` is the time in the stretch at which a typical signal merges, in seconds. It is needed where a stretch is cut out
    of the data. The task can be pickled.
    """

    generator: WaveformGenerator
    whiteners: list[Whitener]
    grid: Grid
    duration: float
    reference: Row
    modes: tuple[str, ...]
    arrival: float

    def __post_init__(self) -> None:
        # Computed once, not for every row: the merger is shifted to its time in the data before the cut, and back after it.
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
    """Task that returns whitened responses of every detector to one row on the grid, (D, F)."""

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
