"""Likelihoods that are only functions of their parameters: it is not known how their data are generated."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from ..errors import SimulationError
from ..problem import Problem, SimulationConfig
from ..problem.base import Wanted
from ..problem.config import FIXED
from ..processes.parallel import Engine
from ..waves.grid import Grid
from .recognise import why_not_simulated


class BlackBox(Problem):
    """A problem with any other likelihood.

    It is sampled without a network. Methods that need simulated data raise an error.
    """

    kind = "black box"

    def describe(self) -> NoReturn:
        """Raise an error: no model can be trained for this likelihood.

        Raises
        ------
        SimulationError
            Always.
        """
        raise SimulationError(f"{why_not_simulated(self.likelihood)}: use another sampler")

    def view(self, grid: Grid | None = None, psd: str = FIXED) -> NoReturn:
        """Raise an error, as :meth:`describe` does."""
        self._refuse()

    def bank(
        self,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> NoReturn:
        """Raise an error, as :meth:`describe` does."""
        self._refuse()

    def inject(self, rng: np.random.Generator) -> NoReturn:
        """Raise an error, as :meth:`describe` does."""
        self._refuse()

    def obstacle(self, wanted: Wanted) -> str | None:
        return why_not_simulated(self.likelihood)

    def _refuse(self) -> NoReturn:
        raise SimulationError(
            f"{why_not_simulated(self.likelihood)}: give it a method simulate(parameters, rng) and its observed_data, or use "
            "another sampler"
        )
