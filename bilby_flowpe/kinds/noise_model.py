"""Bilby's own likelihoods of plain data whose kind of noise is known: Gaussian, Poisson, exponential and others."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from bilby.core.likelihood import Analytical1DLikelihood
from bilby.core.utils import get_function_path

from ..contract import Contract
from ..contract.restore import describe_priors, plain
from ..errors import SimulationError
from ..problem import Problem, SimulationConfig
from ..problem.base import Wanted
from ..problem.config import FIXED
from ..processes.parallel import Engine, Row
from ..simulation.noise import FunctionNoise, Noise
from ..simulation.noise_kinds import GaussianNoise, known_sigma
from ..waves.grid import Grid
from .behaviour import behaviour
from .recognise import noise_of, why_not_simulated

if TYPE_CHECKING:
    from ..simulation.plain import PlainSimulator


class NoiseModel(Problem):
    """A problem with one of Bilby's likelihoods of plain data, or with a subclass that has the same values."""

    kind = "noise model"

    def describe(self) -> Contract:
        """Describe priors, the function of the parameters, its abscissae and the noise."""
        noise = self._noise
        if noise is GaussianNoise and (sigma := known_sigma(self)) is not None:
            facts, arrays = self._function()
            return Contract(
                {"kind": noise.kind, **describe_priors(self.prior, 0.0), **facts}, {**arrays, "sigma": np.ravel(sigma)}
            )
        return self._with_noise(noise(self))

    def view(self, grid: Grid | None = None, psd: str = FIXED) -> PlainSimulator:
        """Return the data in units of their noise, or on a scale of a size that fits the network."""
        # Imported here: a run without a network does not need torch.
        from ..simulation.analytical import AnalyticalSimulator
        from ..simulation.gaussian import GaussianSimulator

        if self._noise is GaussianNoise and known_sigma(self) is not None:
            return GaussianSimulator(self)
        return AnalyticalSimulator(self._noise(self))

    def bank(
        self,
        config: SimulationConfig | None = None,
        npool: int | Engine = 1,
        seed: int | None = None,
        grid: Grid | None = None,
        progress: bool = True,
    ) -> PlainSimulator:
        """Return a source of predictions of the likelihood's function, with the noise that the likelihood assumes."""
        return self.view()

    def inject(self, rng: np.random.Generator) -> tuple[Self, Row]:
        """Simulate data: the prediction for a draw from the prior, with noise."""
        likelihood, truth = self.view().inject(rng)
        return self.with_likelihood(likelihood), truth

    def obstacle(self, wanted: Wanted) -> str | None:
        return None if wanted == "simulation" else f"a {type(self.likelihood).__name__} has no waveform"

    @cached_property
    def _noise(self) -> type[Noise]:
        if (noise := noise_of(self.likelihood)) is None:
            raise SimulationError(why_not_simulated(self.likelihood))
        return noise

    def _with_noise(self, noise: Noise) -> Contract:
        """Describe data whose noise is not white, or has unknown parameters."""
        facts, arrays = self._function() if isinstance(noise, FunctionNoise) else ({}, {})
        return Contract(
            {
                "kind": noise.kind,
                **describe_priors(self.prior, 0.0),
                **facts,
                "shape": list(noise.shape),
                **noise.facts(),
            },
            {**arrays, **noise.arrays()},
        )

    def _function(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return facts and arrays that describe the function of the parameters and its abscissae."""
        likelihood: Analytical1DLikelihood = self.likelihood
        facts = {"model": get_function_path(likelihood.func), "model_arguments": plain(likelihood.kwargs)}
        x = _numbers(likelihood.x)

        def predicted(row: Row) -> Any:
            arguments = {key: row[key] for key in likelihood.function_keys if key in row}
            return likelihood.func(likelihood.x, **arguments, **likelihood.kwargs)

        tried = behaviour(predicted, self.prior)
        return ({**facts, "x": plain(likelihood.x)}, tried) if x is None else (facts, {"x": x, **tried})


def _numbers(x: Any) -> np.ndarray | None:
    """Return abscissae as finite numbers; ``None`` for anything else that a function may take, such as names or columns."""
    try:
        x = np.ravel(x)
        x = x.astype(float) if x.dtype.kind != "c" else x
    except (TypeError, ValueError):
        return None
    return x if x.dtype.kind == "f" and np.all(np.isfinite(x)) else None
