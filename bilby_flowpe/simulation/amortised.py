"""Gravitational-wave data under many noise curves: each simulation comes with the curve of its noise.

The first D rows of the data are strain whitened by the curve, as for a fixed curve; the other D are the logarithm of the
curve. For an event, both are the likelihood's own. Signals are stored whitened by the likelihood's curve and rescaled to other
curves, which needs no waveform. For this the network is shown the whole segment, so that data and noise curve have the same
frequencies.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..errors import SimulationError
from ..problem import Problem, Signals
from ..problem.config import AMORTISED
from ..processes.parallel import Row
from ..waves.grid import Grid
from .detector_view import DetectorView
from .noise_family import NoiseFamily, read_curves
from .signal_bank import SignalBank


class AmortisedView(DetectorView):
    """Strain and noise curves of a likelihood: (2 D, F) complex64, where the second D rows are real.

    Parameters
    ----------
    problem, grid
        As for :class:`DetectorView`.
    psd
        :attr:`.SimulationConfig.psd`, named in an error message.

    Attributes
    ----------
    log_curves : numpy.ndarray
        Logarithm of the likelihood's curves on the grid, (D, F); zero where the detector has no band.

    Raises
    ------
    SimulationError
        If the grid is cut in time.
    """

    log_curves: np.ndarray

    def __init__(self, problem: Problem, grid: Grid | None, psd: str) -> None:
        super().__init__(problem, grid)
        if not np.isclose(self.grid.duration, self.duration):
            raise SimulationError(
                f"psd={psd!r} needs waveforms over the whole segment of {self.duration:g} s, but the stored ones are "
                "shorter: simulate them again"
            )
        curves = np.stack([ifo.power_spectral_density_array[self.grid.indices] for ifo in self.interferometers])
        inside = (self.mask > 0) & np.isfinite(curves) & (curves > 0)
        self.log_curves = np.log(np.where(inside, curves, 1.0))

    def observe(self) -> np.ndarray:
        """Return the likelihood's own data and noise curves: (2 D, F) complex64."""
        return np.concatenate([super().observe(), self.log_curves.astype(np.complex64)])


class AmortisedBank:
    """Signals of a bank under noise curves of a family.

    Parameters
    ----------
    bank
        The signals, over the whole segment.

    Attributes
    ----------
    family : NoiseFamily
        Source of noise curves.

    Raises
    ------
    SimulationError
        If the stored waveforms are cut in time.
    DataError
        If the noise curves of a folder cannot be used.
    """

    known_noise = None

    def __init__(self, bank: SignalBank) -> None:
        self.bank, self.prior, self.extrinsic = bank, bank.prior, bank.extrinsic
        self.flatten_snr, self.factorised = bank.flatten_snr, bank.factorised
        psd = bank.config.psd
        self.view = AmortisedView(bank.problem, bank.view.grid, psd)
        self._in_band = self.view.mask > 0
        names = [detector.name for detector in self.view.detectors]
        frequencies = self.view.grid.frequencies
        curves = None if psd == AMORTISED else read_curves(psd, names, frequencies)
        rng = np.random.default_rng((bank.seed or 0, 5))
        self.family = NoiseFamily(frequencies, self.view.log_curves, rng, curves)

    @property
    def signals(self) -> AmortisedBank:
        """The bank itself, as its data are signals in detectors."""
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stored waveforms, as :attr:`SignalBank.shape`."""
        return self.bank.shape

    @property
    def n_training(self) -> int:
        """Number of stored waveforms that are used for training and not held out."""
        return self.bank.n_training

    def under_own_curves(self) -> SignalBank:
        """Return the same signals under the likelihood's own curves alone."""
        return self.bank

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Draw signals as :meth:`SignalBank.draw` does, (size, 2 D, F), each with its own noise curve."""
        signals = self.bank.draw(size, rng, held_out)
        own = self.view.log_curves
        log_psd = np.where(self._in_band, self.family.draw(size, rng), own).astype(np.float32)
        scale = torch.as_tensor(np.exp(0.5 * (own - log_psd), dtype=np.float32))
        return Signals(signals.parameters, _stack(signals.data * scale, torch.as_tensor(log_psd)))

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Add white noise to the whitened rows, and leave the curves unchanged."""
        whitened, log_psd = data.split(len(self.view.detectors), dim=1)
        return torch.cat([self.bank.add_noise(whitened, generator), log_psd], dim=1)

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return the responses to one row, whitened by the likelihood's own curves; see :meth:`SignalBank.example`."""
        return self.bank.example(row, seed)

    def save(self, path: str | Path, contract: str) -> Path:
        """Write the stored waveforms; see :meth:`SignalBank.save`."""
        return self.bank.save(path, contract)


def _stack(whitened: torch.Tensor, log_psd: torch.Tensor) -> torch.Tensor:
    return torch.cat([whitened.to(torch.complex64), log_psd.to(torch.complex64)], dim=-2)
