"""What a result lacks whose rows are not all evaluated by the user's likelihood."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Partial:
    """Figures of rows that are not evaluated; how they are measured is in :mod:`bilby_flowpe.thinning.partial`.

    Attributes
    ----------
    n_evaluated, n_rows
        Draws whose likelihood was evaluated, and rows of the posterior.
    efficiency, efficiency_least
        Share of the effective draws that is left by the factor that weights lack, and the same less two standard errors.
    shift, shift_most
        The largest shift of a mean or of a standard deviation by it, in standard deviations of the parameter, and the same
        with two standard errors more.
    of
        What is shifted most, in words.
    """

    n_evaluated: int
    n_rows: int
    efficiency: float
    efficiency_least: float
    shift: float
    shift_most: float
    of: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
