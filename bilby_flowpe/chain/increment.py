"""Result of one step of the weight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..priors import Parameters
from ..thinning.rows import ThinnedRows
from .comparison import Comparison


@dataclass(frozen=True)
class Increment:
    """Result of one step, for the M rows that it was taken for.

    Attributes
    ----------
    log_weight
        Change of the log weight, (M,); -inf for a row that has no weight.
    columns
        Parameters drawn, (M,) each.
    log_likelihood
        The log likelihood of the rows from this step on, (M,); ``None`` if the step does not change it.
    log_prior
        Change of the log prior that is reported with each row, (M,).
    without_value
        Rows for which the task gave no value, (M,) bool; ``None`` if the step does not change this.
    n_nan
        Rows inside the prior for which the likelihood is not a number.
    compared
        Comparison of a closed form with the likelihood, if the step makes one.
    thinned
        Which rows of the whole batch were kept, if the step thins them; the others lose their weight.
    """

    log_weight: np.ndarray
    columns: Parameters = field(default_factory=dict)
    log_likelihood: np.ndarray | None = None
    log_prior: np.ndarray | float = 0.0
    without_value: np.ndarray | None = None
    n_nan: int = 0
    compared: Comparison = field(default_factory=Comparison)
    thinned: ThinnedRows | None = None


def filled(values: np.ndarray, good: np.ndarray, fill: np.ndarray | float = -np.inf) -> np.ndarray:
    """Fill an array with ``fill``, and its good rows with the given values, (M,)."""
    whole = np.array(np.broadcast_to(fill, good.shape), dtype=np.float64)
    whole[good] = values
    return whole
