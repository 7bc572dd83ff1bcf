"""Comparison of the closed form of conditionally drawn parameters with the likelihood, at some rows of every batch.

Phase, distance, time and sky position are drawn from densities in closed form, and the weights contain the likelihood of that
closed form. It holds as long as the waveform depends on these parameters as it did when its symmetries were tested. A waveform
that behaves differently in some part of the prior makes the weights wrong there, so many rows of every batch of a run are
compared, half of them spread evenly over the draws, half chosen by weight.

A part of the prior that holds a share ``p`` of the rows compared is missed with probability ``(1 - p)**n``; with n rows, parts
above ``3 / n`` are found in 95 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from ..chain.batch import Batch
from ..chain.comparison import Comparison, agrees, scaled_differences
from ..chain.increment import Increment, filled
from ..likelihoods import LogLikelihood
from ..problem import Problem
from ..processes.parallel import Row

PRIOR_CHECKS = 300
"""Rows from the prior that a run compares once: they find a fault in 1% of the prior in 95 of 100 runs."""
_EVERY = 20  # one draw in 20 is compared, which adds five per cent to the evaluations
_EVERY_OF_PRIOR = 6  # one in 6 of a run's first draws, from the prior: these are the only ones in most of the prior
_FEWEST, _MOST = 16, 256  # rows of one batch that are compared: 256 see a share of about 1%, and bound the cost
_WITHOUT_VALUE = 8  # rows without inner products at which the likelihood is evaluated: is it zero, or not a number?


def rows_to_compare(size: int, from_prior: bool = False) -> int:
    """Return how many rows of a batch of ``size`` draws are compared; more if the draws are from the prior."""
    rows = min(max(size // _EVERY, _FEWEST), _MOST)
    return max(rows, min(size // _EVERY_OF_PRIOR, PRIOR_CHECKS)) if from_prior else rows


def draws_within(evaluations: int, from_prior: bool = False) -> int:
    """Return the largest batch whose draws and comparisons together need at most ``evaluations`` evaluations."""
    every, most = (_EVERY_OF_PRIOR, PRIOR_CHECKS) if from_prior else (_EVERY, _MOST)
    return max(min(evaluations - _FEWEST, evaluations * every // (every + 1)), evaluations - most, 0)


class SpotCheck:
    """Step that compares the log likelihood of the step before with the user's likelihood, and changes no weight.

    A row without a value in the step before is one whose waveform failed, so that the likelihood is zero, or one whose
    likelihood is not a number. The likelihood is evaluated at a few such rows to estimate how many are not a number.

    Parameters
    ----------
    problem
        The problem whose likelihood the closed form stands for.
    """

    coarse = False
    evaluations = 0  # the evaluations are a fraction of the draws, counted by draws_within
    reference: Mapping[str, float] = MappingProxyType({})

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.task = LogLikelihood(problem.likelihood, use_ratio=True)

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose a few rows without a value, then the rows to compare."""
        asked, made = self._asked(batch), batch.with_value
        picked = _pick(batch.log_weights(made), min(batch.checks - len(asked), len(made))) if len(made) else made
        return np.concatenate([asked, made[picked] if len(made) else made])

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Return rows of all parameters as they were drawn."""
        return self._problem.rows(batch.parameters_of(chosen))

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Compare the log likelihoods of the chosen rows, and leave all weights unchanged."""
        own = filled(values[:, 0] if good.any() else np.empty(0), good, np.nan)
        n_asked = len(self._asked(batch))
        n_nan = round(int(batch.without_value.sum()) * int(np.sum(~good[:n_asked])) / n_asked) if n_asked else 0
        compared = chosen[n_asked:]
        differences = scaled_differences(batch.log_likelihood[compared], own[n_asked:])
        largest = float(np.max(differences, initial=0.0))
        # A closed form that is not a number would give a weight of zero: it fails wherever it stands.
        if np.isnan(batch.log_steps[batch.with_value]).any():
            largest = np.inf
        differing = compared[[not agrees(difference) for difference in differences]]
        failing = self._problem.rows(batch.parameters_of(differing))
        comparison = Comparison(len(compared), largest, tuple(failing))
        return Increment(np.zeros(len(chosen)), n_nan=n_nan, compared=comparison)

    @staticmethod
    def _asked(batch: Batch) -> np.ndarray:
        """Return the first few rows without a value, at most half of the rows to compare."""
        return np.flatnonzero(batch.without_value)[: min(_WITHOUT_VALUE, (batch.checks + 1) // 2)]


def _pick(log_weights: np.ndarray, size: int) -> np.ndarray:
    """Return row numbers: half evenly spaced over the draws, half at evenly spaced quantiles of the weights.

    The row of the largest weight is among them.

    No random numbers are used, so that the draws of a run do not depend on how many rows are compared.
    """
    even = np.linspace(0, len(log_weights) - 1, size).astype(int)
    finite = np.where(np.isnan(log_weights), -np.inf, log_weights)
    if size < 2 or size == len(log_weights) or not np.isfinite(finite.max()):
        return np.unique(even)
    even = np.linspace(0, len(log_weights) - 1, size - size // 2).astype(int)
    below = np.cumsum(np.exp(finite - finite.max()))
    quantiles = (np.arange(size // 2) + 0.5) / (size // 2) * below[-1]
    heavy = np.searchsorted(below, quantiles)
    heavy[0] = int(np.argmax(finite))
    picked = np.unique(np.concatenate([even, heavy]))
    # A few heavy draws leave places for others.
    others = np.setdiff1d(np.arange(len(log_weights)), picked)
    more = others[np.linspace(0, len(others) - 1, size - len(picked)).astype(int)]
    return np.union1d(picked, more)
