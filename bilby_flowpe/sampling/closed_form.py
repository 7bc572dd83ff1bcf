"""What the comparisons of the closed form with the likelihood came to, over a whole run.

One failure anywhere counts: the run is then repeated without the conditionals that fail at these rows. Which rows are compared,
and how, is in :mod:`bilby_flowpe.conditional.spot_check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..chain.comparison import Comparison, agrees
from ..errors import FlowPEError
from ..processes.parallel import Row

# Of the log of the likelihood asked for over the one drawn with, where the posterior is. Approximations and calibration errors
# stay below one; a draw by another likelihood is three standard deviations of its log weight off, and hardly any has weight.
SPREAD = 3.0
_KEPT = 8  # failing rows that are kept: the symmetries are tried again at each


class ClosedFormError(FlowPEError):
    """The closed form of conditionally drawn parameters differs from the user's likelihood."""


@dataclass
class ClosedFormRecord:
    """All comparisons of a run.

    Attributes
    ----------
    n_rows
        Rows compared so far.
    n_prior_rows
        Of these, rows drawn from the prior.
    largest
        Largest difference of the log likelihoods, divided by ``1 + 0.01 |log likelihood|``.
    failing
        Some rows at which the difference is above the tolerance, with all parameters.
    spread
        Largest scatter of the likelihood asked for, over the one drawn with, in a batch: see
        :func:`bilby_flowpe.chain.comparison.spread_where_likely`.
    dropped
        Parameters that are no longer drawn conditionally, as their closed form failed in this run.
    """

    n_rows: int = 0
    n_prior_rows: int = 0
    largest: float = 0.0
    failing: list[Row] = field(default_factory=list)
    spread: float = 0.0
    dropped: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any row of the run differed."""
        return not agrees(self.largest)

    def require(self, keys: Sequence[str]) -> None:
        """Refuse to go on where the closed form does not hold, or belongs to another likelihood than the one asked for.

        Parameters
        ----------
        keys
            What is drawn conditionally.

        Raises
        ------
        ClosedFormError
            Saying by how much they differ.
        """
        if self.failed:
            where = f" at {self.failing[0]}" if self.failing else ""
            raise ClosedFormError(
                f"the closed form of {list(keys)} differs from the likelihood by {self.largest:.3g}{where}"
            )
        if self.spread > SPREAD:
            raise ClosedFormError(
                f"the log likelihood differs from that of the plain GravitationalWaveTransient by a scatter of "
                f"{self.spread:.3g} where the posterior is: the closed form of {list(keys)} belongs to the latter"
            )

    def add(self, other: Comparison, from_prior: bool = False) -> None:
        """Count the rows of one batch."""
        self.n_rows += other.n_rows
        self.n_prior_rows += other.n_rows if from_prior else 0
        self.largest = float(np.max([self.largest, other.largest]))
        self.spread = float(np.max([self.spread, other.spread]))
        self.failing = [*self.failing, *other.failing][:_KEPT]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "n_rows": self.n_rows,
            "n_prior_rows": self.n_prior_rows,
            "largest_difference": self.largest,
            "dropped": list(self.dropped),
        }
