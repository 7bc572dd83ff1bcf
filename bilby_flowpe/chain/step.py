"""Protocol of a step of the weight, and how to add another step.

Parameters of a signal that have a known density given the others need no step of their own: a
:class:`bilby_flowpe.conditional.base.Conditional` draws them, within the step :mod:`bilby_flowpe.conditional.step`
(``docs/house.md`` tells how to add one). To add a step:

1. Write a class with the members of :class:`Step`. ``reference`` names the parameters that it draws, with their values until
   then; the proposal draws all other parameters of the prior. ``task`` is a picklable function of one row of parameters, which
   worker processes run; ``rows`` makes its rows; ``take`` converts its values to draws and to the change of the log weight. A
   step that evaluates nothing inherits from :class:`WithoutTask`. A step with a new likelihood has to subtract the former one,
   ``batch.log_likelihood``, from the log weight.
2. Place it in the chain (:func:`bilby_flowpe.sampling.chain.steps_of`). A step has access to all earlier draws.
3. Test it alone: the mean of ``exp(log_weight)`` over its draws has to be the integral that it represents.
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
    """A step in the computation of the weight.

    Attributes
    ----------
    evaluations
        Evaluations that a row counts for in ``max_likelihood_evaluations``: 1 if the step has a task, 0 if it has none
        or evaluates only some rows.
    """

    evaluations: int

    @property
    def coarse(self) -> bool:
        """True if the task evaluates a coarse likelihood; the meter counts these evaluations separately."""

    @property
    def reference(self) -> Mapping[str, float]:
        """The parameters that the step draws, with their values in a row until then."""

    @property
    def task(self) -> Task:
        """Function that is evaluated for each row; it must be picklable."""

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of the rows that the step is taken for, (M,)."""

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Return the M rows of parameters for :attr:`task`."""

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Draw the step's parameters and return the change of the weight.

        Parameters
        ----------
        batch
            State of the rows before the step; it must not be changed here.
        chosen
            Indices of the rows, (M,).
        values
            Values of the task, for the rows for which it gave one.
        good
            Mask of these rows, (M,) bool.
        rng
            Source of randomness.
        """


class WithoutTask:
    """Base class of a step that evaluates nothing."""

    evaluations, coarse = 0, False
    reference: Mapping[str, float] = MappingProxyType({})

    @property
    def task(self) -> Task:
        """Placeholder task, which is never called."""
        return _nothing

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose all rows of the batch."""
        return np.arange(len(batch.draws))

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Return no rows, because nothing is evaluated."""
        return []


def _nothing(row: Row) -> None:
    return None
