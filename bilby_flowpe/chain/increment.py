"""What one step brings to the weight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..priors import Parameters
from ..thinning.rows import ThinnedRows
from .comparison import Comparison


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
    without_value
        Rows for which the task gave no value, (M,) bool; ``None`` where the step leaves that as it is.
    n_nan
        Rows inside the prior for which the likelihood is not a number.
    compared
        Comparison of a closed form with the likelihood, where the step makes one.
    thinned
        Which rows of the whole batch were kept, where the step thins: the others lose their weight.
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
    """Spread values of the good rows over all rows, (M,), the others as ``fill`` has them."""
    whole = np.array(np.broadcast_to(fill, good.shape), dtype=np.float64)
    whole[good] = values
    return whole
