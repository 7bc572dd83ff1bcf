"""Discrete parameters beside continuous ones: evidence and shares of modes are sums over the discrete values."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Categorical, DiscreteValues, PriorDict, Uniform, WeightedDiscreteValues
from numpy.typing import NDArray

from .moded import Columns, ModedProblem, everything
from .toys import Values

# Half width of the box of x: every mode is 6 of its widths or more from the ends.
_END = 5.0
# Prior probabilities of the values 0 to 3 of the parameter that chooses the mode: unequal, so that an error in them
# shows.
_PRIOR = (0.4, 0.3, 0.2, 0.1)
# Positions of the four modes in x: more than 6 widths apart, so that no mode overlaps another.
_MIDDLES = np.array([-3.0, -1.0, 1.5, 3.0])
# Widths (standard deviations) of the four modes in x: a factor of 6 between the widest and the narrowest.
_WIDTHS = np.array([0.3, 0.1, 0.2, 0.05])
# Factors of the likelihood in the four modes: the mode with the smallest prior probability is the highest.
_HEIGHTS = np.array([1.0, 1.0, 2.0, 6.0])
# Values of the second discrete parameter: unequal steps, so that an index taken for a value shows.
_LEVELS = (1.0, 2.0, 5.0)
# Logarithm, in nats, of the normalisation of a normal density, sqrt(2 pi).
_LOG_NORM = 0.5 * math.log(2 * math.pi)


class ChosenMode(Likelihood):
    """A normal density in x whose middle, width and height depend on ``choice``, and an unnormalised one in ``level``."""

    def __init__(self) -> None:
        super().__init__()
        self._log_peak = np.log(_HEIGHTS / _WIDTHS) - _LOG_NORM

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        choice = np.asarray(parameters["choice"], dtype=np.intp)
        white = (parameters["x"] - _MIDDLES[choice]) / _WIDTHS[choice]
        value: Values = self._log_peak[choice] - 0.5 * white**2 - 0.5 * (parameters["level"] - 2.0) ** 2
        return value


class CountedCycles(Likelihood):
    """A normal density in y whose middle is a tenth of ``cycle``; every third cycle is twice as likely."""

    def log_likelihood(self, parameters: Mapping[str, Values]) -> Values:
        """Return the log likelihood at ``parameters``."""
        cycle = parameters["cycle"]
        value: Values = -0.5 * ((parameters["y"] - 0.1 * cycle) / 0.2) ** 2 - 0.05 * (cycle - 9.0) ** 2
        return value + math.log(2.0) * (np.mod(cycle, 3) == 0)


def chosen_mode() -> ModedProblem:
    """Make four modes in one parameter, one for each value of a discrete one, and a second discrete parameter."""
    priors = PriorDict(
        {
            "x": Uniform(-_END, _END, name="x"),
            "choice": WeightedDiscreteValues(values=[0, 1, 2, 3], weights=list(_PRIOR), name="choice"),
            "level": DiscreteValues(values=list(_LEVELS), name="level"),
        }
    )
    # Every mode is 6 widths or more from the ends of x.
    masses = np.array(_PRIOR) * _HEIGHTS / (2 * _END)
    of_level = float(np.mean(np.exp(-0.5 * (np.array(_LEVELS) - 2.0) ** 2)))

    def mode_of(columns: Columns) -> NDArray[np.intp]:
        return np.rint(columns["choice"]).astype(np.intp)

    return ModedProblem(ChosenMode(), priors, math.log(masses.sum() * of_level), mode_of, tuple(masses / masses.sum()))


def counted_cycles() -> ModedProblem:
    """Make a whole number from 0 to 19, and a continuous parameter whose middle moves with it: one mode in many slices."""
    cycles = np.arange(20.0)
    priors = PriorDict({"cycle": Categorical(20, name="cycle"), "y": Uniform(-3.0, 5.0, name="y")})
    weights = np.exp(-0.05 * (cycles - 9.0) ** 2) * np.where(cycles % 3 == 0, 2.0, 1.0)
    log_evidence = math.log(weights.mean() * 0.2 * math.sqrt(2 * math.pi) / 8.0)
    return ModedProblem(CountedCycles(), priors, log_evidence, everything, (1.0,))
