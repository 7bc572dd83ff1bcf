"""Representations of gravitational-wave data: aligned and compressed, or the whitened time series as it is."""

from __future__ import annotations

import numpy as np
import torch

from ..problem.data import SignalSource
from ..waves.grid import Grid
from .align import Aligner
from .base import Representation
from .compress import Compressor
from .config import RepresentationConfig
from .pivot import Pivot

_CHUNK = 2048  # signals that are drawn at once, which bounds the memory; as many score the compression


class AlignedRepresentation(Representation):
    """Matched-filter alignment, followed by compression on the span of the aligned signals.

    Parameters
    ----------
    aligner, compressor
        Alignment and compression.
    with_angle
        True if the pivot's angle is a feature, which is needed unless a change of the phase only rotates the signal.
    """

    def __init__(self, aligner: Aligner, compressor: Compressor, with_angle: bool) -> None:
        super().__init__(compressor.features + aligner.features + (2 if with_angle else 0))
        self.aligner = aligner
        self.compressor = compressor
        self.with_angle = with_angle

    @classmethod
    def fit(
        cls,
        bank: SignalSource,
        config: RepresentationConfig,
        with_angle: bool,
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> AlignedRepresentation:
        """Choose templates, basis, location and scale from simulations."""
        first = bank.draw(max(_CHUNK, 512), rng)
        aligner = Aligner.fit(
            bank.view.grid,
            first.data,
            bank.view.arrival(first.parameters),
            bank.view.arrival_range(),
            bank.view.light_travel_times(),
            config.templates,
        )
        aligned = []
        pieces = max(config.n_fit // _CHUNK, 2)
        for piece in range(pieces):
            signals = bank.draw(_CHUNK, rng, held_out=piece == pieces - 1).data
            angle, time = aligner.locate(bank.add_noise(signals, generator))
            aligned.append(aligner.align(signals, angle, time))
        held_out = aligned.pop()
        compressor = Compressor.fit(torch.cat(aligned), held_out, config.tolerance, config.max_components)
        representation = cls(aligner, compressor, with_angle)
        representation.standardise(bank.add_noise(bank.draw(4 * _CHUNK, rng).data, generator))
        return representation

    @classmethod
    def empty(cls, grid: Grid, sizes: dict[str, int]) -> AlignedRepresentation:
        """Make a representation of the same shape, into which trained buffers are loaded."""
        detectors = sizes["detectors"]
        aligner = Aligner(grid, detectors, sizes["templates"], sizes["times"], sizes["kept"])
        compressor = Compressor(detectors, 2 * len(grid), sizes["components"])
        return cls(aligner, compressor, bool(sizes["with_angle"]))

    def sizes(self) -> dict[str, int]:
        """Return the sizes that :meth:`empty` needs."""
        return {
            "detectors": self.compressor.basis.shape[0],
            "templates": len(self.aligner.templates),
            "times": len(self.aligner.times),
            "kept": self.aligner.kept,
            "components": self.compressor.basis.shape[2],
            "with_angle": int(self.with_angle),
        }

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, Pivot]:
        """Return compressed aligned data with the results of the alignment, (N, C), and the pivot."""
        aligned, found, pivot = self.aligner(data)
        columns = [self.compressor(aligned), found]
        if self.with_angle:
            columns.append(torch.stack([pivot.angle.cos(), pivot.angle.sin()], dim=-1).float())
        return torch.cat(columns, dim=-1), pivot

    @torch.no_grad()
    def log_likelihood_found(self, data: torch.Tensor) -> np.ndarray:
        """Return half the squared signal-to-noise ratio of the best template, summed over detectors, (N,)."""
        _, found, _ = self.aligner(data)
        return 0.5 * torch.exp(2 * found[:, : self.compressor.basis.shape[0]]).sum(dim=-1).double().numpy()


class SeriesRepresentation(Representation):
    """The whitened time series itself, which the paper feeds to its networks (section III A).

    Parameters
    ----------
    grid
        Frequencies of the data.
    detectors
        Number of detectors.
    """

    def __init__(self, grid: Grid, detectors: int) -> None:
        samples = 2 * (grid.indices.stop - 1)
        super().__init__(detectors * samples)
        self.grid_indices = grid.indices
        self.samples = samples

    @classmethod
    def fit(cls, bank: SignalSource, rng: np.random.Generator, generator: torch.Generator) -> SeriesRepresentation:
        """Choose location and scale from simulations."""
        representation = cls(bank.view.grid, len(bank.view.detectors))
        representation.standardise(bank.add_noise(bank.draw(_CHUNK, rng).data, generator))
        return representation

    @classmethod
    def empty(cls, grid: Grid, sizes: dict[str, int]) -> SeriesRepresentation:
        """Make a representation of the same shape, into which trained buffers are loaded."""
        return cls(grid, sizes["detectors"])

    def sizes(self) -> dict[str, int]:
        """Return the sizes that :meth:`empty` needs."""
        return {"detectors": self.features // self.samples}

    def compute(self, data: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return time series (N, D samples) with noise of unit variance, and no pivot."""
        spectrum = torch.zeros(*data.shape[:-1], self.samples // 2 + 1, dtype=torch.complex64)
        spectrum[..., self.grid_indices] = data.to(torch.complex64)
        return torch.fft.irfft(spectrum, n=self.samples, norm="ortho").flatten(1) * 2**-0.5, None
