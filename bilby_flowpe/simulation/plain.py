"""Base class of simulators for data that are not strain, which a network is shown as they are simulated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from bilby.core.likelihood import Likelihood

from ..errors import PriorError
from ..problem import Problem, Signals
from ..problem.data import NoiseSource
from ..processes.parallel import Row

if TYPE_CHECKING:
    import torch


class PlainSimulator(ABC):
    """View of a likelihood's data and bank of training data in one object.

    Parameters
    ----------
    problem
        A problem whose data are not strain.

    Raises
    ------
    PriorError
        If the likelihood's function takes parameters that the priors do not have.
    """

    grid = None
    arrival = None
    signals = None
    known_noise: NoiseSource | None = None
    flatten_snr = False

    def __init__(self, problem: Problem) -> None:
        self.problem, self.likelihood, self.prior = problem, problem.likelihood, problem.prior
        (row,) = problem.rows(problem.prior.sample(1, np.random.default_rng(0)))
        if missing := [key for key in getattr(self.likelihood, "function_keys", ()) if key not in row]:
            raise PriorError(
                f"the function of the {type(self.likelihood).__name__} takes {missing}, which the priors of {list(row)} do "
                "not have: add their priors or values, or correct the names"
            )

    @property
    def view(self) -> Self:
        """The simulator itself, as there is no separate view."""
        return self

    @abstractmethod
    def observe(self) -> np.ndarray:
        """Return the likelihood's own data in the form of one simulation, (M,)."""

    @abstractmethod
    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Draw new simulations, (size, M)."""

    def add_noise(self, data: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return ``data`` unchanged, as they contain their noise."""
        return data

    @abstractmethod
    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return the data of one row, (M,), with the noise of the seed if they contain any, or ``None`` if there are none."""

    @abstractmethod
    def inject(self, rng: np.random.Generator) -> tuple[Likelihood, Row]:
        """Return a copy of the likelihood with new data, and their parameters."""
