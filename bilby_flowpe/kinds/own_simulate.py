"""Likelihoods with a method ``simulate`` of their own, which generates their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from ..contract import Contract
from ..contract.restore import describe_priors
from ..problem import Problem, SimulationConfig
from ..problem.base import Wanted
from ..problem.config import FIXED
from ..processes.parallel import Engine, Row
from ..waves.grid import Grid
from .behaviour import SEED, behaviour

if TYPE_CHECKING:
    from ..simulation.general import GeneralSimulator


class OwnSimulate(Problem):
    """A problem with any likelihood that has ``simulate(parameters, rng)`` and ``observed_data``."""

    kind = "own simulate"

    def describe(self) -> Contract:
        """Describe priors, the class that simulates, the shape of its data and a few data that it simulates."""
        likelihood = self.likelihood
        kind = type(likelihood)
        facts = {
            "kind": "simulator",
            **describe_priors(self.prior, 0.0),
            "simulate": f"{kind.__module__}.{kind.__qualname__}",
            "shape": list(np.shape(getattr(likelihood, "observed_data", ()))),
        }
        return Contract(facts, behaviour(lambda row: likelihood.simulate(row, np.random.default_rng(SEED)), self.prior))

    def view(self, grid: Grid | None = None, psd: str = FIXED) -> GeneralSimulator:
        """Return the likelihood's ``observed_data`` as a network sees them."""
        # Imported here, as in bank: a run without a network does not need torch.
        from ..simulation.general import GeneralSimulator

        return GeneralSimulator(self, trial=False)

    def bank(
        self,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> GeneralSimulator:
        """Return a source of data of the likelihood's ``simulate``, after a trial on a few draws."""
        from ..simulation.general import GeneralSimulator

        return GeneralSimulator(self)

    def inject(self, rng: np.random.Generator) -> tuple[Self, Row]:
        """Simulate data with the likelihood's ``simulate`` for a draw from the prior."""
        likelihood, truth = self.view().inject(rng)
        return self.with_likelihood(likelihood), truth

    def obstacle(self, wanted: Wanted) -> str | None:
        return None if wanted == "simulation" else f"a {type(self.likelihood).__name__} has no waveform"
