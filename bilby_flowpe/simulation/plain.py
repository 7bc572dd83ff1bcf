"""What data that are not strain have in common: they are shown as they are simulated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from bilby.core.likelihood import Likelihood

from ..problem import Problem, Signals
from ..problem.data import NoiseSource
from ..processes.parallel import Row

if TYPE_CHECKING:
    import torch


class PlainSimulator(ABC):
    """A view of a likelihood's data and a bank of training data in one.

    Parameters
    ----------
    problem
        A problem of data that are not strain.
    """

    grid = None
    arrival = None
    signals = None
    known_noise: NoiseSource | None = None
    flatten_snr = False

    def __init__(self, problem: Problem) -> None:
        self.problem, self.likelihood, self.prior = problem, problem.likelihood, problem.prior

    @property
    def view(self) -> Self:
        """Itself: there is nothing else to be shown."""
        return self

    @abstractmethod
    def observe(self) -> np.ndarray:
        """The likelihood's own data in the form of one simulation, (M,)."""

    @abstractmethod
    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """``size`` simulations, (size, M): new ones each time."""

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """``data`` as they are: their noise came with them."""
        return data

    @abstractmethod
    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Data of one row, (M,); noise that comes with them is that of the seed. ``None`` where there are none."""

    @abstractmethod
    def inject(self, rng: np.random.Generator) -> tuple[Likelihood, Row]:
        """A copy of the likelihood with new data, and their parameters."""
