"""Count what a run evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..processes.parallel import Engine, Progress, Row, Task, evaluate


@dataclass
class Meter:
    """Evaluations of a run.

    Attributes
    ----------
    n_likelihood
        Likelihood evaluations so far.
    n_nan
        Of these, how many gave no number.
    seconds_each
        Seconds that a draw took in the latest batch, with its likelihood and what is drawn conditionally; 0 before any.
    """

    n_likelihood: int = 0
    n_nan: int = 0
    seconds_each: float = 0.0

    def evaluate(
        self, task: Task, rows: Sequence[Row], npool: int | Engine = 1, progress: Progress = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run a task for every row and count the rows; as :func:`bilby_flowpe.processes.parallel.evaluate`."""
        self.n_likelihood += len(rows)
        return evaluate(task, rows, npool, progress)
