"""Count what a run evaluates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..processes.parallel import Engine, Progress, Row, Task, evaluate

_KNOWN = 16  # evaluations that tell what one takes


@dataclass
class Meter:
    """Evaluations of a run.

    Attributes
    ----------
    n_likelihood
        Evaluations of the user's likelihood so far, and of what stands for it exactly.
    n_coarse
        Evaluations of a coarse likelihood so far.
    n_nan
        Likelihoods that were no number.
    seconds_each
        Seconds that a draw took in the latest batch, with its likelihood and what is drawn conditionally; 0 before any. Where a
        coarse likelihood draws, without the user's.
    seconds_asked
        Seconds that an evaluation of the user's likelihood takes, of all processes together; 0 where that is not known.
    seconds_spent
        Seconds that all of these took.
    """

    n_likelihood: int = 0
    n_coarse: int = 0
    n_nan: int = 0
    seconds_each: float = 0.0
    seconds_asked: float = 0.0
    seconds_spent: float = 0.0

    @property
    def n_all(self) -> int:
        """Evaluations of both kinds: what a budget bounds."""
        return self.n_likelihood + self.n_coarse

    @property
    def in_words(self) -> str:
        """Phrase that says how many evaluations were made, of each likelihood."""
        coarse = f" and {self.n_coarse} of the coarse likelihood" if self.n_coarse else ""
        return f"{self.n_likelihood} likelihood evaluations{coarse}"

    def evaluate(
        self, task: Task, rows: Sequence[Row], npool: int | Engine = 1, progress: Progress = None, coarse: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run a task for every row and count the rows; as :func:`bilby_flowpe.processes.parallel.evaluate`.

        Parameters
        ----------
        task, rows, npool, progress
            As there.
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
