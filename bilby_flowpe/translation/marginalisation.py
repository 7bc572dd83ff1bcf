"""Checks whether Bilby's marginalisation is equal to the integral of the likelihood over the parameter.

Bilby's integral over the phase is that of a pure (2, 2) mode; its sum over times uses a grid, with a jitter that has to
cover one step of the grid. If the result is not the integral of the likelihood without marginalisation, the one cannot
be weighted by the other, and the marginalised likelihood is sampled as an arbitrary function of its parameters.

The sum takes the antenna response at the start of the data. For a likelihood on the data's own frequencies, it takes
the prior of the time one step late. In a few seconds of data and for a uniform prior this makes no difference;
otherwise :class:`AtOneTime` returns the term of the sum at one time.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import DeltaFunction, Prior, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from ..kinds.recognise import has_relative_bins
from ..names import TIME, TIME_JITTER
from ..problem import Problem

_ROWS = 4  # Draws from the prior at which a waveform is checked: any would show another dependence on the phase.
# seconds of data up to which one antenna response is enough: the Earth rotates by less than 6e-4 radians
_LONGEST = 8.0
_ROUNDING = 1e-6  # Relative rounding of a time step: no jitter is refused for the last digits of its range.
_TURN_TOLERANCE = 1e-3
"""Relative difference of log likelihoods up to which a waveform rotates like a pure (2, 2) mode: above numerical noise,
and far below the effect of other modes."""


def check_marginalisation(
    given: GravitationalWaveTransient,
    problem: Problem,
    jitter: Prior | None,
) -> None:
    """Check that a marginalised likelihood is the integral of the likelihood without marginalisation.

    Parameters
    ----------
    given
        The marginalised likelihood.
    problem
        The likelihood without marginalisation, with whole waveforms, and the prior of all parameters.
    jitter
        The prior of the time jitter, if there is one.

    Raises
    ------
    SimulationError
        If it is not; the message names the difference.
    """
    obstacles = []
    if "geocent_time" in given.marginalized_parameters:
        obstacles += _of_the_time(given, jitter)
    if "phase" in given.marginalized_parameters:
        obstacles += _of_the_phase(problem)
    if obstacles:
        raise SimulationError(
            f"the likelihood is marginalised over {list(given.marginalized_parameters)}, and "
            + "; ".join(obstacles)
            + ": switch this marginalisation off, flowpe draws these parameters itself"
        )


@dataclass(frozen=True)
class Jitter:
    """The jitter of the times over which a time-marginalised likelihood sums.

    Attributes
    ----------
    prior
        Prior of the jitter.
    first, step
        First of the times, and the step between them, in seconds.
    """

    prior: Prior
    first: float
    step: float

    @classmethod
    def in_(cls, likelihood: GravitationalWaveTransient, prior: Prior) -> Jitter:
        """Make the jitter of a time-marginalised likelihood."""
        return cls(prior, float(likelihood._times[0]), float(likelihood._delta_tc))

    def of(self, time: np.ndarray) -> np.ndarray:
        """Return the distance of times (N,) to the nearest one over which the likelihood sums."""
        return (time - self.first + self.step / 2) % self.step - self.step / 2


class AtOneTime(Likelihood):
    """A time-marginalised likelihood before its sum over times: also a function of the geocentric time.

    Averaged over the prior of the time that :meth:`plain_prior` returns, it is exactly the marginalised likelihood
    averaged over the prior of the jitter.

    Parameters
    ----------
    given
        The likelihood, with a jitter that covers one step of its times.
    jitter
        Prior of the jitter.
    """

    def __init__(self, given: GravitationalWaveTransient, jitter: Prior) -> None:
        super().__init__()
        self._one, self._jitter = copy.copy(given), jitter
        self._prior = given.priors[TIME]
        self._times, self._step = np.asarray(given._times, dtype=np.float64), float(given._delta_tc)
        self._start = float(given.interferometers.start_time)
        # The first spectrum of the likelihood has no delay; if its first time is one step later, all its times are
        # late.
        late = bool(np.isclose(self._times[0] - self._start, self._step, rtol=1e-3))
        self._late = self._step if late else 0.0
        self._plain = Uniform(self._prior.minimum - self._late, self._prior.maximum - self._late, name=TIME)
        self.interferometers = given.interferometers

    def plain_prior(self) -> Prior:
        """Return the prior of the time for drawing, which covers all times of the sum."""
        return copy.deepcopy(self._plain)

    def log_likelihood_ratio(self, parameters: dict[str, float] | None = None) -> float:
        """Return the term of the sum at one time, over the prior of the time."""
        row: dict[str, Any] = dict(parameters or {})
        time = row[TIME] + self._late
        number = round((time - self._times[0]) / self._step)
        if not (0 <= number < len(self._times) and self._prior.minimum <= time <= self._prior.maximum):
            return -np.inf
        off = float(time - self._times[number])
        log_density = float(self._plain.ln_prob(row[TIME]))
        row |= {TIME: self._start, TIME_JITTER: off}
        self._one._prior = {**self._one._prior, TIME: _Window(self._prior, time, self._step / 2)}
        value = float(self._one.log_likelihood_ratio(row))
        return value + float(self._jitter.ln_prob(off)) - log_density

    def log_likelihood(self, parameters: dict[str, float] | None = None) -> float:
        """Return the log likelihood ratio plus the log likelihood of noise alone."""
        return self.log_likelihood_ratio(parameters) + self.noise_log_likelihood()

    def noise_log_likelihood(self) -> float:
        """Return the log likelihood of noise alone, the same as that of the marginalised likelihood."""
        return float(self._one.noise_log_likelihood())


@dataclass
class _Window:
    """The prior of the time within half a step of one time, with the interface that Bilby's sum uses."""

    prior: Prior
    middle: float
    half: float

    @property
    def minimum(self) -> float:
        return self.middle - self.half

    @property
    def maximum(self) -> float:
        return self.middle + self.half

    def prob(self, times: np.ndarray) -> np.ndarray:
        """Return the density of the whole prior."""
        return np.asarray(self.prior.prob(times))


def needs_one_time(given: GravitationalWaveTransient) -> bool:
    """Return whether the sum over times differs from an integral with the antenna response at each time."""
    if TIME not in given.marginalized_parameters:
        return False
    return float(given.interferometers.duration) > _LONGEST or not isinstance(given.priors[TIME], Uniform)


def _of_the_time(given: GravitationalWaveTransient, jitter: Prior | None) -> list[str]:
    found = []
    prior = given.priors[TIME]
    if not np.all(np.isfinite([prior.minimum, prior.maximum])):
        found.append(f"its prior of the time, {prior!r}, has no finite range")
    if has_relative_bins(given):
        found.append("its relative binning is around a signal at the start of the data")
    if jitter is None or isinstance(jitter, DeltaFunction):
        found.append("its sum over times has no time_jitter, and leaves out the times between its steps")
    elif given._delta_tc > (jitter.maximum - jitter.minimum) * (1 + _ROUNDING):
        found.append(
            f"its time_jitter covers {jitter.maximum - jitter.minimum:.3g} s of the {given._delta_tc:.3g} s between the times "
            "that it sums over"
        )
    return found


def covers_a_step(given: GravitationalWaveTransient, jitter: Prior | None) -> bool:
    """Return whether the jitter covers all times between those over which a likelihood sums."""
    return TIME in given.marginalized_parameters and not _of_the_time(given, jitter)


def _of_the_phase(problem: Problem) -> list[str]:
    prior = problem.prior.priors["phase"]
    halves = (prior.maximum - prior.minimum) / np.pi
    if not isinstance(prior, Uniform) or not np.isclose(halves, round(halves)) or round(halves) < 1:
        return [
            f"the prior of the phase, {prior!r}, is not uniform over a multiple of pi, as its integral over the phase assumes"
        ]
    for row in problem.rows(problem.prior.sample(_ROWS, np.random.default_rng(20200218))):
        values = [
            float(problem.likelihood.log_likelihood_ratio({**row, "phase": phase}))
            for phase in (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi)
        ]
        away = max(abs(values[4] - values[0]), abs(values[0] + values[2] - values[1] - values[3]))
        if not away <= _TURN_TOLERANCE * (1 + abs(values[0])):
            return [
                "its waveform does not depend on the phase like a pure (2, 2) mode, as its integral over the phase assumes"
            ]
    return []
