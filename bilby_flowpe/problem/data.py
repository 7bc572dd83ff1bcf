"""Data for a network: a view of the observed data, and a bank that gives training data.

A bank draws parameters from the prior and gives, for each draw, the noise-free data in units of the noise: they are whitened,
so that the noise is standard normal in every real number. The network sees only such data, in training by
:meth:`Source.draw` and :meth:`Source.add_noise`, and in a run by :meth:`View.observe`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..priors import Parameters, PriorTransform
from ..processes.parallel import Row
from ..waves.extrinsic import Extrinsic
from ..waves.grid import Grid

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Signals:
    """A batch of noise-free simulations.

    Attributes
    ----------
    parameters
        Search parameters, (N,) each.
    data
        Whitened noise-free data: (N, D, F) complex64 for gravitational waves (D detectors, F frequencies, unit noise
        variance per real and imaginary part), (N, M) float32 for real data. If the noise depends on the parameters, the data
        contain it already, (N, M) float32 or float64.
    """

    parameters: Parameters
    data: torch.Tensor

    def __len__(self) -> int:
        return len(self.data)


class View(Protocol):
    """The data of one likelihood, in the form of simulations."""

    @property
    def grid(self) -> Grid | None:
        """Frequencies of the data; ``None`` for data that are not strain."""
        ...

    @property
    def arrival(self) -> Callable[[Parameters], np.ndarray] | None:
        """Function that gives the arrival times at every detector; ``None`` for data that are not strain."""
        ...

    def observe(self) -> np.ndarray:
        """Return the likelihood's own data in the form of one simulation, without the batch dimension."""
        ...


class StrainView(View, Protocol):
    """The strain of detectors, as a network sees it."""

    @property
    def grid(self) -> Grid:
        """Frequencies of the data."""
        ...

    @property
    def detectors(self) -> tuple[object, ...]:
        """The detectors, in the order of the data."""
        ...

    @property
    def duration(self) -> float:
        """Length of the data in seconds."""
        ...

    @property
    def log_curves(self) -> np.ndarray | None:
        """Logarithm of the PSDs, (D, F), if the network sees them with the strain."""
        ...

    def arrival(self, parameters: Parameters) -> np.ndarray:
        """Return the arrival times at every detector, (N, D), in seconds from the start of the grid's stretch."""
        ...

    def arrival_range(self) -> tuple[float, float]:
        """Return earliest and latest arrival that the prior allows, in the same seconds."""
        ...

    def light_travel_times(self) -> tuple[float, ...]:
        """Return the largest difference of arrival between the first detector and each, in seconds."""
        ...


class Source(Protocol):
    """Source of noise-free training data and of noise."""

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Return ``size`` draws from the training distribution, without noise.

        Draws that are held out share no waveform with the others.

        Those held out share no waveform with the others.
        """
        ...

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return ``data`` with the noise that the likelihood assumes, of the same shape."""
        ...


class Bank(Source, Protocol):
    """Source of training data for one problem.

    Attributes
    ----------
    prior
        Prior from which parameters are drawn.
    flatten_snr
        Tells whether there are fewer quiet signals, so that draws do not follow the prior.
    """

    prior: PriorTransform
    flatten_snr: bool

    @property
    def view(self) -> View:
        """The likelihood's own data in the form of the simulations."""
        ...

    @property
    def known_noise(self) -> NoiseSource | None:
        """The bank itself, if its data are predictions with a known kind of noise; ``None`` for other data."""
        ...

    @property
    def signals(self) -> SignalSource | None:
        """The bank itself, if its data are signals in detectors; ``None`` for other data."""
        ...

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return the data of one row, with noise of the seed if the data contain noise; ``None`` if there are no data."""
        ...


class SignalSource(Bank, Protocol):
    """Source of gravitational-wave data: signals that arrive at detectors.

    Attributes
    ----------
    extrinsic
        Changes of signals that are made by algebra.
    factorised
        Tells whether signals are made by algebra from stored polarisations.
    """

    extrinsic: Extrinsic
    factorised: bool

    @property
    def view(self) -> StrainView:
        """The likelihood's own strain in the form of the simulations."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stored waveforms: their number, detectors, polarisations if factorised, frequencies."""
        ...

    @property
    def n_training(self) -> int:
        """Number of stored waveforms that are not held out."""
        ...

    def under_own_curves(self) -> SignalSource:
        """Return the same signals under the likelihood's PSDs only."""
        ...

    def save(self, path: str | Path, contract: str) -> Path:
        """Write the stored waveforms to a file.

        Parameters
        ----------
        path
            File to write.
        contract
            :meth:`bilby_flowpe.contract.Contract.fingerprint` of the problem.
        """
        ...


class NoiseSource(Source, Protocol):
    """Source of data whose kind of noise is known, and included in every draw.

    Attributes
    ----------
    kind
        Name of the kind of noise.
    """

    kind: str

    def noise_free(self, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, Parameters]:
        """Return predictions, (size, M) float64, and parameters of the noise, (size,) each."""
        ...
