"""Likelihoods that are functions of their parameters and no more: nothing is known of how their data come about."""

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
    """Any other likelihood, and its prior. It is sampled without a network; what needs simulated data is refused."""

    kind = "black box"

    def describe(self) -> NoReturn:
        """Refuse: no model can be trained.

        Raises
        ------
        SimulationError
            Always.
        """
        raise SimulationError(f"{why_not_simulated(self.likelihood)}: use another sampler")

    def view(self, grid: Grid | None = None, psd: str = FIXED) -> NoReturn:
        """Refuse, as :meth:`describe`."""
        self._refuse()

    def bank(
        self,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> NoReturn:
        """Refuse, as :meth:`describe`."""
        self._refuse()

    def inject(self, rng: np.random.Generator) -> NoReturn:
        """Refuse, as :meth:`describe`."""
        self._refuse()

    def obstacle(self, wanted: Wanted) -> str | None:
        return why_not_simulated(self.likelihood)

    def _refuse(self) -> NoReturn:
        raise SimulationError(
            f"{why_not_simulated(self.likelihood)}: give it a method simulate(parameters, rng) and its observed_data, or use "
            "another sampler"
        )
