"""Whether Bilby integrates parameters out as the integral of its waveform would.

Its integral over the phase is that of a pure (2, 2) mode; its sum over times goes by a grid and a jitter that has to cover one
step of it. Where that is another problem than the likelihood without marginalisation poses, the one cannot be weighted by the
other, and a marginalised likelihood is sampled as it stands.

The sum takes the antenna response at the start of the data, and the prior of the time, for a likelihood on the data's own
frequencies, one step late. In a few seconds of data and for a uniform prior this says the same; where it does not,
:class:`AtOneTime` gives what the sum has at one time.
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

_ROWS = 4
_LONGEST = 8.0  # seconds: the Earth turns by less than 6e-4 radians
_ROUNDING = 1e-6
_TURN_TOLERANCE = 1e-3


def check_marginalisation(
    given: GravitationalWaveTransient,
    problem: Problem,
    jitter: Prior | None,
) -> None:
    """Tell a marginalised likelihood that is not the integral of one without.

    Parameters
    ----------
    given
        The marginalised likelihood.
    problem
        The likelihood without, of whole waveforms, and the prior of all parameters.
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
        obstacles += _of_the_phase(problem)
    if obstacles:
        raise SimulationError(
            f"the likelihood is marginalised over {list(given.marginalized_parameters)}, and "
            + "; ".join(obstacles)
            + ": without this marginalisation flowpe draws these parameters itself"
        )


@dataclass(frozen=True)
class Jitter:
    """The jitter of the times that a time-marginalised likelihood sums over.

    Attributes
    ----------
    prior
        Of the jitter.
    first, step
        First of the times, and their distance, in seconds.
    """

    prior: Prior
    first: float
    step: float

    @classmethod
    def in_(cls, likelihood: GravitationalWaveTransient, prior: Prior) -> Jitter:
        """The jitter of a time-marginalised likelihood."""
        return cls(prior, float(likelihood._times[0]), float(likelihood._delta_tc))

    def of(self, time: np.ndarray) -> np.ndarray:
        """Distance of times (N,) from the nearest of those that the likelihood sums over."""
        return (time - self.first + self.step / 2) % self.step - self.step / 2


class AtOneTime(Likelihood):
    """A time-marginalised likelihood before its sum over times: a function of the geocentric time, too.

    Averaged over the prior of the time that :meth:`plain_prior` gives, it is the marginalised likelihood averaged over the
    prior of the jitter, exactly.

    Parameters
    ----------
    given
        The likelihood, with a jitter that covers one step of its times.
    jitter
        The prior of the jitter.
    """

    def __init__(self, given: GravitationalWaveTransient, jitter: Prior) -> None:
        super().__init__()
        self._one, self._jitter = copy.copy(given), jitter
        self._prior = given.priors[TIME]
        self._times, self._step = np.asarray(given._times, dtype=np.float64), float(given._delta_tc)
        self._start = float(given.interferometers.start_time)
        # The first of the likelihood's spectra is of no delay; where the first of its times is one step, they are all late.
        late = bool(np.isclose(self._times[0] - self._start, self._step, rtol=1e-3))
        self._late = self._step if late else 0.0
        self._plain = Uniform(self._prior.minimum - self._late, self._prior.maximum - self._late, name=TIME)
        self.interferometers = given.interferometers

    def plain_prior(self) -> Prior:
        """The prior of the time that draws are made with: it covers all times that the sum has."""
        return copy.deepcopy(self._plain)

    def log_likelihood_ratio(self, parameters: dict[str, float] | None = None) -> float:
        """What one time has of the sum, over the prior of the time."""
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
        """With the likelihood of noise alone."""
        return self.log_likelihood_ratio(parameters) + self.noise_log_likelihood()

    def noise_log_likelihood(self) -> float:
        """The same as of the marginalised likelihood."""
        return float(self._one.noise_log_likelihood())


@dataclass
class _Window:
    """The prior of the time as Bilby's sum asks for it, within half a step of one time."""

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
        """The whole prior's density."""
        return np.asarray(self.prior.prob(times))


def needs_one_time(given: GravitationalWaveTransient) -> bool:
    """Whether the sum over times says something else than an integral with the antenna response of each time."""
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
        found.append("its sum over times has no time_jitter and skips what is between them")
    elif given._delta_tc > (jitter.maximum - jitter.minimum) * (1 + _ROUNDING):
        found.append(
            f"its time_jitter covers {jitter.maximum - jitter.minimum:.3g} s of the {given._delta_tc:.3g} s between the times "
            "that it sums over"
        )
    return found


def covers_a_step(given: GravitationalWaveTransient, jitter: Prior | None) -> bool:
    """Whether the jitter takes every time between those that a likelihood sums over."""
    return TIME in given.marginalized_parameters and not _of_the_time(given, jitter)


def _of_the_phase(problem: Problem) -> list[str]:
    prior = problem.prior.priors["phase"]
    halves = (prior.maximum - prior.minimum) / np.pi
    if not isinstance(prior, Uniform) or not np.isclose(halves, round(halves)) or round(halves) < 1:
        return [
            f"the prior of the phase, {prior!r}, is not uniform over whole periods of half a turn, as its integral is"
        ]
    for row in problem.rows(problem.prior.sample(_ROWS, np.random.default_rng(20200218))):
        values = [
            float(problem.likelihood.log_likelihood_ratio({**row, "phase": phase}))
            for phase in (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4, np.pi)
        ]
        away = max(abs(values[4] - values[0]), abs(values[0] + values[2] - values[1] - values[3]))
        if not away <= _TURN_TOLERANCE * (1 + abs(values[0])):
            return ["its waveform does not turn with the phase as a pure (2, 2) mode, as its integral does"]
    return []
