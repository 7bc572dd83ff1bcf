"""Comparisons of the closed form with the user's likelihood, over a whole run.

One failure anywhere counts: the run is then repeated without the conditionals that fail at these rows.
:mod:`bilby_flowpe.conditional.spot_check` decides which rows are compared, and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..chain.comparison import Comparison, agrees
from ..errors import FlowPEError
from ..processes.parallel import Row

# Scatter, in nats, of the log of the user's likelihood over the one used to propose, where the posterior is.
# Approximations and calibration errors stay below one. With a larger scatter, the log weights of draws differ by more
# than three, and hardly any draw has weight.
SPREAD = 3.0
_KEPT = 8  # failing rows that are kept: the symmetries are tested again at each of them


class ClosedFormError(FlowPEError):
    """The closed form of conditionally drawn parameters differs from the user's likelihood."""


@dataclass
class ClosedFormRecord:
    """Results of all comparisons of a run.

    Attributes
    ----------
    n_rows
        Number of rows compared so far.
    n_prior_rows
        Number of these rows that were drawn from the prior.
    largest
        Largest difference of the log likelihoods, divided by ``1 + 0.01 |log likelihood|``.
    failing
        Some rows at which the difference is above the tolerance, with all parameters.
    spread
        Largest scatter, in a batch, of the log of the user's likelihood over the one used to propose: see
        :func:`bilby_flowpe.chain.comparison.spread_where_likely`.
    dropped
        Parameters that are no longer drawn conditionally, because their closed form failed in this run.
    """

    n_rows: int = 0
    n_prior_rows: int = 0
    largest: float = 0.0
    failing: list[Row] = field(default_factory=list)
    spread: float = 0.0
    dropped: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """True if any row of the run differed by more than the tolerance."""
        return not agrees(self.largest)

    def require(self, keys: Sequence[str]) -> None:
        """Raise an error if the closed form does not hold, or if it belongs to a likelihood too different from the user's.

        Parameters
        ----------
        keys
            Parameters that are drawn conditionally.

        Raises
        ------
        ClosedFormError
            If it does not; the message says by how much they differ.
        """
        if self.failed:
            where = f" at {self.failing[0]}" if self.failing else ""
            raise ClosedFormError(
                f"the closed form of {list(keys)} differs from the likelihood by {self.largest:.3g}{where}"
            )
        if self.spread > SPREAD:
            raise ClosedFormError(
                f"the log likelihood differs from that of the plain GravitationalWaveTransient by a scatter of "
                f"{self.spread:.3g} where the posterior is: the closed form of {list(keys)} is not valid for it"
            )

    def add(self, other: Comparison, from_prior: bool = False) -> None:
        """Add the comparisons of one batch."""
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
