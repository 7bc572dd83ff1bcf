"""Simulations for any likelihood that can simulate its data.

The user's likelihood has a method and an attribute that Bilby does not require::

    class Counts(bilby.core.likelihood.Likelihood):
        def simulate(self, parameters: dict, rng: numpy.random.Generator) -> numpy.ndarray:
            \"\"\"Data with noise, (M,), drawn with rng alone.\"\"\"

        observed_data: numpy.ndarray  # (M,), the data that log_likelihood looks at

Noise is part of every simulation, and cannot be drawn separately: :meth:`GeneralSimulator.add_noise` adds nothing.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from bilby.core.likelihood import Likelihood
from bilby.core.utils import logger

from ..errors import DataError, SimulationError
from ..problem import Problem, Signals
from ..processes.parallel import Row
from .plain import PlainSimulator
from .rows import Rows

_TRIALS = 4  # draws from the prior at which simulate is tested, twice each: a few that find a simulate without noise
# Standard deviation of the noise below which a warning is given: the compression assumes noise of about one
_QUIET = 0.1
_REAL = "biuf"


class GeneralSimulator(PlainSimulator):
    """Training data from the likelihood's own ``simulate``.

    Parameters
    ----------
    problem
        A problem whose likelihood has ``simulate(parameters, rng)``, which returns data with noise (M,), and
        ``observed_data``, (M,). The noise of the data should have a size of about one: the compression neglects much smaller
        differences.
    trial
        True to test ``simulate`` on a few draws first.

    Raises
    ------
    SimulationError
        If the likelihood has no ``observed_data``, or ``simulate`` returns data without noise, values that are not finite, or
        another number of data than were observed.
    DataError
        If the observed data are not (M,) finite real numbers.
    """

    def __init__(self, problem: Problem, trial: bool = True) -> None:
        super().__init__(problem)
        if getattr(self.likelihood, "observed_data", None) is None:
            raise SimulationError(
                f"likelihood={type(self.likelihood).__name__} has simulate but no observed_data: set this attribute to the "
                "data that its log_likelihood looks at"
            )
        self._observed = _observed(self.likelihood)
        if trial:
            self._try()

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> Signals:
        """Draw new simulations with noise, (size, M) float32, and their parameters."""
        parameters = self.prior.sample(size, rng)
        data = np.stack([self._simulate(row, rng) for row in Rows(self.prior, parameters)])
        return Signals(parameters, torch.as_tensor(data))

    def observe(self) -> np.ndarray:
        """Return the likelihood's observed data, (M,) float32."""
        return self._observed

    def example(self, row: Row, seed: int) -> np.ndarray | None:
        """Return the data of one row, (M,), with the noise of a seed."""
        return self._simulate(row, np.random.default_rng(seed))

    def inject(self, rng: np.random.Generator) -> tuple[Likelihood, Row]:
        """Return a copy of the likelihood with new data, and their parameters."""
        signals = self.draw(1, rng)
        event = copy.copy(self.likelihood)
        event.observed_data = signals.data[0].double().numpy()
        return event, self.problem.rows(signals.parameters)[0]

    def _simulate(self, row: Row, rng: np.random.Generator) -> np.ndarray:
        """Return one simulation, (M,) float32."""
        data = np.asarray(self.likelihood.simulate(dict(row), rng))
        if data.shape != self._observed.shape or data.dtype.kind not in _REAL:
            raise SimulationError(
                f"simulate returned {data.dtype} data of shape {data.shape}, but observed_data has the shape "
                f"{self._observed.shape}: both must be one row of equally many real numbers"
            )
        with np.errstate(over="ignore"):
            data = data.astype(np.float32)
        if not np.all(np.isfinite(data)):
            raise SimulationError(
                f"simulate returned values that are not finite in single precision for {row}: narrow the priors, or correct "
                "simulate"
            )
        return data

    def _try(self) -> None:
        """Test ``simulate`` on a few draws, each simulated twice: the difference is the noise."""
        rng = np.random.default_rng(20200218)
        rows = Rows(self.prior, self.prior.sample(_TRIALS, rng))
        pairs = np.stack([[self._simulate(row, rng) for _ in range(2)] for row in rows]).astype(np.float64)
        scatter = np.sqrt(np.mean((pairs[:, 0] - pairs[:, 1]) ** 2 / 2, axis=0))
        if not np.any(scatter):
            raise SimulationError(
                "simulate returned the same data twice for the same parameters: let it add noise that is drawn with its rng"
            )
        if (level := float(np.median(scatter))) < _QUIET:
            logger.warning(
                f"The noise of the simulated data has a standard deviation of only {level:.2g}, and the compression neglects "
                f"differences much smaller than one: divide simulate's data and observed_data by {level:.2g}"
            )


def _observed(likelihood: Likelihood) -> np.ndarray:
    data = np.asarray(likelihood.observed_data)
    if data.ndim != 1 or not len(data) or data.dtype.kind not in _REAL:
        raise DataError(
            f"observed_data has the type {data.dtype} and the shape {data.shape}: give one row of real numbers (for complex "
            "numbers, real and imaginary parts one after the other)"
        )
    with np.errstate(over="ignore"):
        data = data.astype(np.float32)
    if not np.all(np.isfinite(data)):
        raise DataError("observed_data are not finite in single precision: repair or rescale them")
    return data
