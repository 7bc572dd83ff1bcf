"""Step of the weight that draws parameters from their exact conditional, given those that the proposal drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..chain.batch import Batch
from ..chain.increment import Increment, filled
from ..problem import Problem
from ..processes.parallel import Row, Task
from .base import Conditional


class DrawnConditionally:
    """Step that draws the parameters of a :class:`.base.Conditional`.

    The weight is multiplied by their prior times the likelihood ratio, over the density that they were drawn from.

    Parameters
    ----------
    conditional
        Draws the parameters.
    problem
        Problem whose likelihood the inner products are taken from.
    """

    evaluations = 1

    def __init__(self, conditional: Conditional, problem: Problem) -> None:
        self._conditional, self._problem = conditional, problem

    @property
    def coarse(self) -> bool:
        """True if the likelihood drawn with is a coarse one."""
        return not self._conditional.exact

    @property
    def reference(self) -> Mapping[str, float]:
        """Values of the conditional parameters that rows have until these are drawn."""
        return self._conditional.reference

    @property
    def task(self) -> Task:
        """Task that computes the products that the conditional draws from."""
        return self._conditional.task(self._problem.likelihood)

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose the rows inside the prior; rows outside need no likelihood."""
        return batch.alive

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Return rows of all parameters at their reference values, with what each row's own draws need."""
        rows = self._problem.rows(batch.parameters_of(chosen))
        return self._conditional.task_rows(rows, rng)

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Draw the parameters for each row with products; a row without products gets weight zero."""
        if not good.any():
            nothing = np.full(len(chosen), -np.inf)
            return Increment(nothing, log_likelihood=nothing, without_value=~good)
        drawn = self._conditional.draw(values, rng)
        return Increment(
            # Replaces the likelihood so far, which is one where this is the first step.
            log_weight=filled(drawn.log_weight, good) - batch.log_likelihood[chosen],
            columns={key: filled(column, good, batch.columns[key][chosen]) for key, column in drawn.parameters.items()},
            log_likelihood=filled(drawn.log_likelihood_ratio, good),
            without_value=~good,
        )
