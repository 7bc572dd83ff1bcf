"""Counter of likelihood evaluations and of their time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..processes.parallel import Engine, Progress, Row, Task, evaluate

_KNOWN = 16  # evaluations after which the mean time of one is taken as known


@dataclass
class Meter:
    """Numbers and times of the evaluations of a run.

    Attributes
    ----------
    n_likelihood
        Evaluations so far of the user's likelihood, and of closed forms that are equal to it.
    n_coarse
        Evaluations of a coarse likelihood so far.
    n_nan
        Likelihood values that were not a number.
    seconds_each
        Wall-clock seconds per draw in the latest batch, with its likelihood and conditional draws; 0 before the first
        batch. With a coarse likelihood, the time of the user's likelihood is not included.
    seconds_asked
        Wall-clock seconds per evaluation of the user's likelihood, with all processes at work; 0 while not known.
    seconds_spent
        Wall-clock seconds of all evaluations of the user's likelihood.
    """

    n_likelihood: int = 0
    n_coarse: int = 0
    n_nan: int = 0
    seconds_each: float = 0.0
    seconds_asked: float = 0.0
    seconds_spent: float = 0.0

    @property
    def n_all(self) -> int:
        """Evaluations of both likelihoods together, the number that a budget limits."""
        return self.n_likelihood + self.n_coarse

    @property
    def in_words(self) -> str:
        """Phrase with the number of evaluations of each likelihood."""
        coarse = f" and {self.n_coarse} of the coarse likelihood" if self.n_coarse else ""
        return f"{self.n_likelihood} likelihood evaluations{coarse}"

    def evaluate(
        self, task: Task, rows: Sequence[Row], npool: int | Engine = 1, progress: Progress = None, coarse: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate a task for every row, as :func:`bilby_flowpe.processes.parallel.evaluate` does, and count the rows.

        Parameters
        ----------
        task, rows, npool, progress
            As in that function.
        coarse
            Whether these are evaluations of a coarse likelihood.
        """
        if coarse:
            self.n_coarse += len(rows)
            return evaluate(task, rows, npool, progress)
        self.n_likelihood += len(rows)
        began = time.monotonic()
        done = evaluate(task, rows, npool, progress)
        self.seconds_spent += time.monotonic() - began
        if self.n_likelihood >= _KNOWN:
            self.seconds_asked = self.seconds_spent / self.n_likelihood
        return done
