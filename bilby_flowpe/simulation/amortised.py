"""Gravitational-wave data under many noise curves: each simulation comes with the one that its noise was drawn from.

The first D rows of its data are whitened by the curve, as those of a fixed one are; the other D are the logarithm of the curve.
Both are the likelihood's own for an event. Signals are stored whitened by the likelihood's curve and go from there, which needs
no waveform: the network sees all of the segment, in which frequencies of the data and of the noise curve are the same ones.
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
    """Strain and noise curves of a likelihood: (2 D, F) complex64, of the second D rows the real part counts.

    Parameters
    ----------
    problem, grid
        As of :class:`DetectorView`.
    psd
        :attr:`.SimulationConfig.psd`, for the message.

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
                f"psd={psd!r} needs waveforms over the whole segment of {self.duration:g} s: have them simulated anew"
            )
        curves = np.stack([ifo.power_spectral_density_array[self.grid.indices] for ifo in self.interferometers])
        inside = (self.mask > 0) & np.isfinite(curves) & (curves > 0)
        self.log_curves = np.log(np.where(inside, curves, 1.0))

    def observe(self) -> np.ndarray:
        """The likelihood's own data and noise curves: (2 D, F) complex64."""
        return np.concatenate([super().observe(), self.log_curves.astype(np.complex64)])


class AmortisedBank:
    """The signals of a bank under noise curves of a family.

    Parameters
    ----------
    bank
        The signals, over the whole segment.

    Attributes
    ----------
    family : NoiseFamily
        Of noise curves.

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
        """Itself: the data are signals in detectors."""
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stored waveforms: :attr:`SignalBank.shape`."""
        return self.bank.shape

    @property
    def n_training(self) -> int:
        """How many of them are not held out."""
        return self.bank.n_training

    def under_own_curves(self) -> SignalBank:
        """The same signals under the likelihood's own curves alone."""
        return self.bank

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Signals as of :meth:`SignalBank.draw`, (size, 2 D, F); every row has a noise curve of its own."""
        signals = self.bank.draw(size, rng, held_out)
        own = self.view.log_curves
        log_psd = np.where(self._in_band, self.family.draw(size, rng), own).astype(np.float32)
        scale = torch.as_tensor(np.exp(0.5 * (own - log_psd), dtype=np.float32))
        return Signals(signals.parameters, _stack(signals.data * scale, torch.as_tensor(log_psd)))

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """White noise for the whitened rows; the curves stay."""
        whitened, log_psd = data.split(len(self.view.detectors), dim=1)
        return torch.cat([self.bank.add_noise(whitened, generator), log_psd], dim=1)

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Responses of all detectors to one row, whitened by the likelihood's own curves: :meth:`SignalBank.example`."""
        return self.bank.example(row, seed)

    def save(self, path: str | Path, contract: str) -> Path:
        """Write the stored waveforms: :meth:`SignalBank.save`."""
        return self.bank.save(path, contract)


def _stack(whitened: torch.Tensor, log_psd: torch.Tensor) -> torch.Tensor:
    return torch.cat([whitened.to(torch.complex64), log_psd.to(torch.complex64)], dim=-2)
