"""The simulator that stands for a likelihood."""

from __future__ import annotations

from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..grid import Grid
from ..priors import PriorTransform
from ..simulator import Simulator
from .config import SimulationConfig
from .gaussian import GaussianSimulator
from .general import GeneralSimulator, has_simulate
from .gravitational_wave import GravitationalWaveSimulator


def can_simulate(likelihood: Likelihood) -> bool:
    """Whether training data can be made for a likelihood of this kind."""
    return isinstance(likelihood, GravitationalWaveTransient | GaussianLikelihood) or has_simulate(likelihood)


def make_simulator(
    likelihood: Likelihood,
    transform: PriorTransform,
    config: SimulationConfig | None = None,
    npool: int = 1,
    seed: int | None = None,
    grid: Grid | None = None,
    progress: bool = True,
    simulate: bool = True,
    contract: str | None = None,
) -> Simulator:
    """The simulator for a likelihood: gravitational waves by their own, what has a ``simulate`` by that, else Gaussian noise.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    transform
        The prior.
    config, npool, seed, grid, progress, contract
        Of :class:`GravitationalWaveSimulator`; the others have no use for them.
    simulate
        ``False`` prepares no more than it takes to ``observe``.

    Raises
    ------
    SimulationError
        If nobody can simulate from the likelihood.
    """
    if isinstance(likelihood, GravitationalWaveTransient):
        return GravitationalWaveSimulator(
            likelihood, transform, config, npool, seed, grid, progress, simulate, contract=contract
        )
    if has_simulate(likelihood):
        return GeneralSimulator(likelihood, transform, trial=simulate)
    if isinstance(likelihood, GaussianLikelihood):
        return GaussianSimulator(likelihood, transform)
    raise SimulationError(
        f"likelihood={type(likelihood).__name__}: training data can be simulated for a GravitationalWaveTransient, a "
        "GaussianLikelihood, or a likelihood with a method simulate(parameters, rng) and its observed_data: give it these, "
        "or use another sampler for this one"
    )
