"""One step of the weight: what a step has to say, and how another one is added.

Parameters of a signal that have a known density given the others are no step of their own: they are drawn by a
:class:`bilby_flowpe.conditional.base.Conditional`, of which one step, :mod:`bilby_flowpe.conditional.step`, makes use
(``docs/house.md`` says how one is added). To add a step:

1. Write a class with the members of :class:`Step`. ``reference`` names the parameters that it draws, with the values that they
   have until then; the proposal draws all others of the prior. ``task`` is a picklable function of one row of parameters, which
   worker processes run; ``rows`` makes its rows; ``take`` turns its values into draws and into the change of the log weight. A
   step that evaluates nothing inherits from :class:`WithoutTask`. A step with a likelihood takes the one so far,
   ``batch.log_likelihood``, out of the weight again.
2. Place it in the chain (:func:`bilby_flowpe.sampling.chain.steps_of`). A step sees what the steps before it have drawn.
3. Test it alone: the mean of ``exp(log_weight)`` over its draws is the integral that it stands for.
   ``tests/translation/test_steps.py`` has examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from ..processes.parallel import Row, Task
from .batch import Batch
from .increment import Increment


class Step(Protocol):
    """One step of the weight.

    Attributes
    ----------
    evaluations
        What a row counts for in ``max_likelihood_evaluations``: 1 with a task, 0 without or where only some rows are
        evaluated.
    """

    evaluations: int

    @property
    def coarse(self) -> bool:
        """Return whether the task evaluates a coarse likelihood; the meter counts these evaluations apart."""

    @property
    def reference(self) -> Mapping[str, float]:
        """The parameters that the step draws, with their values in the rows until they are drawn."""

    @property
    def task(self) -> Task:
        """What is evaluated for each row; picklable."""

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Numbers of the rows that the step is taken for, (M,)."""

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Rows for :attr:`task`, M of them."""

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Make the draws and the change of the weight.

        Parameters
        ----------
        batch
            What is known of the rows before the step; it is not changed here.
        chosen
            Numbers of the rows, (M,).
        values
            What the task gave, for the rows for which it gave something.
        good
            Which rows these are, (M,) bool.
        rng
            Source of randomness.
        """


class WithoutTask:
    """Base of a step that needs no evaluation."""

    evaluations, coarse = 0, False
    reference: Mapping[str, float] = MappingProxyType({})

    @property
    def task(self) -> Task:
        """Return the task of no rows."""
        return _nothing

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose every row."""
        return np.arange(len(batch.draws))

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Make no rows."""
        return []


def _nothing(row: Row) -> None:
    return None
