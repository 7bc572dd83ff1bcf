"""The simulator that stands for a likelihood."""

from __future__ import annotations

from bilby.core.likelihood import Likelihood
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..priors import PriorTransform
from ..processes.parallel import Engine
from ..waves.grid import Grid
from .amortised import AmortisedSimulator
from .analytical import AnalyticalSimulator
from .config import SimulationConfig
from .gaussian import GaussianSimulator
from .general import GeneralSimulator, has_simulate
from .gravitational_wave import GravitationalWaveSimulator
from .noise_kinds import GaussianNoise
from .recognise import known_sigma, nobody_simulates, noise_of
from .simulator import PlainSimulator, Simulator


def can_simulate(likelihood: Likelihood) -> bool:
    """Whether training data can be made for a likelihood of this kind."""
    if isinstance(likelihood, GravitationalWaveTransient) or has_simulate(likelihood):
        return True
    return noise_of(likelihood) is not None


def make_simulator(
    likelihood: Likelihood,
    transform: PriorTransform,
    config: SimulationConfig | None = None,
    npool: int | Engine = 1,
    seed: int | None = None,
    grid: Grid | None = None,
    progress: bool = True,
    simulate: bool = True,
    contract: str | None = None,
) -> Simulator:
    """The simulator for a likelihood: gravitational waves by their own, what has a ``simulate`` by that, else by its noise.

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
    config = config or SimulationConfig()
    if isinstance(likelihood, GravitationalWaveTransient):
        kind = GravitationalWaveSimulator if config.psd == "fixed" else AmortisedSimulator
        return kind(
            likelihood, transform, config=config, npool=npool, seed=seed, grid=grid, progress=progress, simulate=simulate,
            contract=contract,
        )  # fmt: skip
    return make_plain_simulator(likelihood, transform, trial=simulate)


def make_plain_simulator(likelihood: Likelihood, transform: PriorTransform, trial: bool = True) -> PlainSimulator:
    """The simulator for a likelihood of plain data; see :func:`make_simulator`.

    Parameters
    ----------
    likelihood
        The user's likelihood, of anything but gravitational waves.
    transform
        The prior.
    trial
        Whether to try a ``simulate`` of its own on a few draws first.

    Raises
    ------
    SimulationError
        If nobody can simulate from the likelihood.
    """
    if has_simulate(likelihood):
        return GeneralSimulator(likelihood, transform, trial=trial)
    if (kind := noise_of(likelihood)) is None:
        raise SimulationError(
            f"{nobody_simulates(likelihood)}: give it a method simulate(parameters, rng) and its observed_data, or use "
            "another sampler"
        )
    if kind is GaussianNoise and known_sigma(likelihood, transform) is not None:
        return GaussianSimulator(likelihood, transform)
    return AnalyticalSimulator(likelihood, transform, kind(likelihood, transform))
