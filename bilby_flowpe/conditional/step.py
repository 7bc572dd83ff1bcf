"""Step of the weight: parameters drawn from their exact conditional, given those that the proposal drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..chain.batch import Batch
from ..chain.increment import Increment, filled
from ..problem import Problem
from ..processes.parallel import Row, Task
from .base import Conditional


class DrawnConditionally:
    """Step: draw what a :class:`.base.Conditional` draws; the weight changes by prior times likelihood ratio over density.

    Parameters
    ----------
    conditional
        What draws.
    problem
        The problem whose likelihood it takes inner products of.
    """

    evaluations = 1

    def __init__(self, conditional: Conditional, problem: Problem) -> None:
        self._conditional, self._problem = conditional, problem

    @property
    def coarse(self) -> bool:
        """Whether the likelihood drawn with is a coarse one."""
        return not self._conditional.exact

    @property
    def reference(self) -> Mapping[str, float]:
        """Values of the conditional parameters that a row is to have."""
        return self._conditional.reference

    @property
    def task(self) -> Task:
        """What makes the products that the conditional's draws are made of."""
        return self._conditional.task(self._problem.likelihood)

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose the rows inside the prior: what it forbids needs no likelihood."""
        return batch.alive

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Rows of all parameters at the reference, with what a row's own draws need."""
        rows = self._problem.rows(batch.parameters_of(chosen))
        return self._conditional.task_rows(rows, rng)

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """One draw for each row with products; a row without them has no weight."""
        if not good.any():
            nothing = np.full(len(chosen), -np.inf)
            return Increment(nothing, log_likelihood=nothing, without_value=~good)
        drawn = self._conditional.draw(values, rng)
        return Increment(
            # In the place of the likelihood so far, which is one where this is the first step.
            log_weight=filled(drawn.log_weight, good) - batch.log_likelihood[chosen],
            columns={key: filled(column, good, batch.columns[key][chosen]) for key, column in drawn.parameters.items()},
            log_likelihood=filled(drawn.log_likelihood_ratio, good),
            without_value=~good,
        )
