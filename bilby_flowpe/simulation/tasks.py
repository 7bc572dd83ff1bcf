"""What one waveform call becomes: whitened series of every detector on the network's grid, ready for worker processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import DataError
from ..grid import Grid
from ..parallel import Row
from .symmetries import polarisations


@dataclass(frozen=True)
class Whitener:
    """Whitens a one-sided series of one detector as its likelihood does; zero outside the likelihood's band."""

    scale: np.ndarray

    @classmethod
    def of(cls, interferometer: Interferometer) -> Whitener:
        """The whitener of an interferometer.

        Raises
        ------
        DataError
            If the noise curve is not positive and finite somewhere inside the band.
        """
        psd = interferometer.power_spectral_density_array
        mask = interferometer.frequency_mask
        inside = psd[mask]
        # An infinite density is Bilby's way to leave a frequency out.
        bad = np.isnan(inside) | (inside <= 0)
        if np.any(bad):
            first = interferometer.frequency_array[mask][bad][0]
            raise DataError(
                f"{interferometer.name}: the power spectral density is not positive and finite at {first} Hz, inside the "
                "band of the likelihood: give a noise curve that covers minimum_frequency to maximum_frequency"
            )
        scale = np.zeros(len(psd))
        scale[mask] = 1 / np.sqrt(inside * interferometer.duration / 4)
        return cls(scale)

    def __call__(self, series: np.ndarray) -> np.ndarray:
        return series * self.scale


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

    def __call__(self, row: Row) -> np.ndarray | None:
        strain = polarisations(self.generator, {**row, **self.reference})
        if strain is None:
            return None
        series = np.stack([strain[mode] for mode in self.modes])
        return _on_grid(series, self.whiteners, self.grid, self.duration, self.arrival).astype(np.complex64)


def _on_grid(series: np.ndarray, whiteners: list[Whitener], grid: Grid, duration: float, arrival: float) -> np.ndarray:
    """Polarisations (P, N) with their merger at time zero, whitened for every detector, on the grid: (D, P, F)."""
    whitened = np.stack([whitener(series) for whitener in whiteners])
    if np.isclose(grid.duration, duration):
        return grid.restrict(whitened, duration)
    # The merger goes to where the data have it while the rest is cut away, and back to time zero.
    frequencies = np.arange(series.shape[-1]) / duration
    placed = whitened * np.exp(-2j * np.pi * frequencies * (grid.start + arrival))
    return grid.restrict(placed, duration) * np.exp(2j * np.pi * grid.frequencies * arrival)


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
        row = {**row, **self.likelihood.get_sky_frame_parameters(dict(row))}
        responses = [
            self.grid.restrict(whitener(interferometer.get_detector_response(strain, row)), self.duration)
            for interferometer, whitener in zip(self.likelihood.interferometers, self.whiteners, strict=True)
        ]
        return np.stack(responses).astype(np.complex64)
