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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..priors import Parameters
from ..processes.parallel import Row, Task
from .comparison import Comparison

if TYPE_CHECKING:
    from .batch import Batch


@dataclass(frozen=True)
class Increment:
    """What a step brings, for the M rows that it was taken for.

    Attributes
    ----------
    log_weight
        Change of the log weight, (M,); -inf for a row that has no weight.
    columns
        Parameters drawn, (M,) each.
    log_likelihood
        The log likelihood of the rows from this step on, (M,); ``None`` where the step leaves it as it is.
    log_prior
        Change of the log prior that is reported with each row, (M,).
    n_nan
        Rows inside the prior for which the likelihood is not a number.
    compared
        Comparison of a closed form with the likelihood, where the step makes one.
    """

    log_weight: np.ndarray
    columns: Parameters = field(default_factory=dict)
    log_likelihood: np.ndarray | None = None
    log_prior: np.ndarray | float = 0.0
    n_nan: int = 0
    compared: Comparison = field(default_factory=Comparison)


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


def filled(values: np.ndarray, good: np.ndarray, fill: np.ndarray | float = -np.inf) -> np.ndarray:
    """Spread values of the good rows over all rows, (M,), the others as ``fill`` has them."""
    whole = np.array(np.broadcast_to(fill, good.shape), dtype=np.float64)
    whole[good] = values
    return whole


def _nothing(row: Row) -> None:
    return None
