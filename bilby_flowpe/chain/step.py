"""One step of the weight: what a step has to say, and how another one is added.

To add a step (another way to draw parameters given the others, say):

1. Write a class with the members of :class:`Step`. ``reference`` names the parameters that it draws, with the values that they
   have until then. ``task`` is a picklable function of one row of parameters, which worker processes run; ``rows`` makes its
   rows; ``take`` turns its values into draws and into the change of the log weight. A step that evaluates nothing inherits
   from :class:`WithoutTask`.
2. Place it in the chain (:func:`bilby_flowpe.sampling.chain.steps_of`). A step sees what the steps before it have drawn.
3. Test it alone: the mean of ``exp(log_weight)`` over its draws is the integral that it stands for.
   ``tests/conditional/test_step.py`` has examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        Evaluations of a likelihood, or of a waveform for one, that a row costs.
    """

    evaluations: int

    @property
    def reference(self) -> Mapping[str, float]:
        """The parameters that the step draws, with their values in the rows until they are drawn."""

    @property
    def task(self) -> Task:
        """What is evaluated for each row; picklable."""

    def choose(self, batch: Batch) -> np.ndarray:
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

    evaluations = 0
    reference: Mapping[str, float] = {}

    @property
    def task(self) -> Task:
        """Return the task of no rows."""
        return _nothing

    def choose(self, batch: Batch) -> np.ndarray:
        """Choose every row."""
        return np.arange(len(batch.draws))

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Make no rows."""
        return []


def _nothing(row: Row) -> None:
    return None
