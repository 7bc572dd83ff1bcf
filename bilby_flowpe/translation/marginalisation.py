"""Whether Bilby integrates parameters out as the integral of its waveform would.

Its integral over the phase is that of a pure (2, 2) mode; its sum over times goes by a grid, a jitter that has to cover one
step of it, and the antenna response at the start of the data. Where that is another problem than the likelihood without
marginalisation poses, the one cannot be weighted by the other.
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import DeltaFunction, Prior, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient, RelativeBinningGravitationalWaveTransient

from ..errors import SimulationError
from ..priors import PriorTransform
from ..processes.parallel import make_rows

_ROWS = 4
_LONGEST = 8.0  # seconds: the Earth turns by less than 6e-4 radians
_ROUNDING = 1e-6
_TURN_TOLERANCE = 1e-3


def check_marginalisation(
    given: GravitationalWaveTransient,
    plain: GravitationalWaveTransient,
    transform: PriorTransform,
    jitter: Prior | None,
) -> None:
    """Refuse a marginalised likelihood that is not the integral of the one without.

    Parameters
    ----------
    given
        The marginalised likelihood.
    plain
        The one without, of whole waveforms.
    transform
        The priors of all parameters.
    jitter
        The prior of the time's jitter, if there is one.

    Raises
    ------
    SimulationError
        Naming what differs.
    """
    obstacles = []
    if "geocent_time" in given.marginalized_parameters:
        obstacles += _of_the_time(given, jitter)
    if "phase" in given.marginalized_parameters:
        obstacles += _of_the_phase(plain, transform)
    if obstacles:
        raise SimulationError(
            f"the likelihood is marginalised over {list(given.marginalized_parameters)}, and "
            + "; ".join(obstacles)
            + ": give it without this marginalisation, flowpe draws these parameters itself"
        )


def _of_the_time(given: GravitationalWaveTransient, jitter: Prior | None) -> list[str]:
    found = []
    if isinstance(given, RelativeBinningGravitationalWaveTransient):
        found.append("its relative binning is around a signal at the start of the data")
    if jitter is None or isinstance(jitter, DeltaFunction):
        found.append("its sum over times has no time_jitter and skips what is between them")
    elif given._delta_tc > (jitter.maximum - jitter.minimum) * (1 + _ROUNDING):
        found.append(
            f"its time_jitter covers {jitter.maximum - jitter.minimum:.3g} s of the {given._delta_tc:.3g} s between the times "
            "that it sums over"
        )
    if (duration := float(given.interferometers.duration)) > _LONGEST:
        found.append(
            f"it takes the antenna response at the start of {duration:g} s of data (up to {_LONGEST:g} s that is the same)"
        )
    return found


def _of_the_phase(plain: GravitationalWaveTransient, transform: PriorTransform) -> list[str]:
    prior = transform.priors["phase"]
    halves = (prior.maximum - prior.minimum) / np.pi
    if not isinstance(prior, Uniform) or not np.isclose(halves, round(halves)) or round(halves) < 1:
        return [
            f"the prior of the phase, {prior!r}, is not uniform over whole periods of half a turn, as its integral is"
        ]
    for row in make_rows(transform.fixed, transform.sample(_ROWS, np.random.default_rng(20200218))):
        values = [
            float(plain.log_likelihood_ratio({**row, "phase": phase}))
            for phase in (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi)
        ]
        away = max(abs(values[4] - values[0]), abs(values[0] + values[2] - values[1] - values[3]))
        if not away <= _TURN_TOLERANCE * (1 + abs(values[0])):
            return ["its waveform does not turn with the phase as a pure (2, 2) mode, as its integral does"]
    return []
