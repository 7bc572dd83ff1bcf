"""What the rest of the package asks of a simulator, whatever likelihood it stands for.

A simulator draws parameters from the prior and gives, for each, the noise-free data in units of the noise: whitened, so that
noise is standard normal in every real number of it. The network sees data only through a simulator, in training by
``draw`` and ``add_noise``, and at the end by ``observe``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from bilby.core.likelihood import Likelihood

from ..priors import Parameters, PriorTransform
from ..processes.parallel import Row
from ..waves.grid import Grid


@dataclass(frozen=True)
class Signals:
    """A batch of noise-free simulations.

    Attributes
    ----------
    parameters
        Search parameters, (N,) each.
    data
        Whitened noise-free data: (N, D, F) complex64 for gravitational waves (D detectors, F frequencies, unit noise
        variance per real and imaginary part), (N, M) float32 for real data. Where noise hangs on the parameters it is in
        the data already, (N, M) float32 or float64.
    """

    parameters: Parameters
    data: torch.Tensor

    def __len__(self) -> int:
        return len(self.data)


class Source(Protocol):
    """Source of training data."""

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """``size`` draws from the training distribution, without noise.

        Those held out share no waveform with the others.
        """
        ...

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """``data`` with the noise that the likelihood assumes, of the same shape."""
        ...


class Simulator(Source, Protocol):
    """Source of training data for one likelihood and prior."""

    transform: PriorTransform

    def observe(self) -> torch.Tensor:
        """The likelihood's own data in the form of one simulation, without the batch dimension."""
        ...

    def rows(self, parameters: Parameters) -> list[Row]:
        """One dictionary a draw, fixed parameters included: what Bilby's own functions take."""
        ...

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Data of one row; noise that comes with them is that of the seed. ``None`` where there are none."""
        ...


class PlainSimulator(Simulator, Protocol):
    """Source of data that a likelihood keeps as they are."""

    def inject(self, rng: np.random.Generator) -> tuple[Likelihood, Row]:
        """A copy of the likelihood with new data, and their parameters."""
        ...


class DetectorSimulator(Source, Protocol):
    """Source of gravitational-wave data: signals that arrive at detectors."""

    @property
    def grid(self) -> Grid:
        """Frequencies of the data."""
        ...

    @property
    def detectors(self) -> tuple[object, ...]:
        """The detectors, in the order of the data."""
        ...

    def arrival(self, parameters: Parameters) -> np.ndarray:
        """Arrival times at every detector, (N, D), in seconds from the start of the grid's stretch."""
        ...

    def arrival_range(self) -> tuple[float, float]:
        """Earliest and latest arrival that the prior allows, in the same seconds."""
        ...

    def light_travel_times(self) -> tuple[float, ...]:
        """Largest difference of arrival between the first detector and each, in seconds."""
        ...


class AmortisedSource(DetectorSimulator, Protocol):
    """Source of data that come with the noise curve of each: whitened series, then logarithms of the curves, (N, 2 D, F).

    Attributes
    ----------
    log_reference
        Logarithm of the likelihood's own curves, (D, F).
    """

    log_reference: np.ndarray

    def reference(self) -> DetectorSimulator:
        """The same source under the likelihood's own curves alone."""
        ...
