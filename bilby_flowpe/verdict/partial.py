"""Figures of a result whose rows were not all evaluated by the user's likelihood."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Partial:
    """Figures about rows that were not evaluated; :mod:`bilby_flowpe.thinning.partial` measures them.

    Attributes
    ----------
    n_evaluated, n_rows
        Draws whose likelihood was evaluated, and rows of the posterior.
    efficiency, efficiency_least
        Fraction of the effective draws that would be left if all rows were evaluated, and the same minus two standard errors.
    shift, shift_most
        Largest shift of a mean or of a standard deviation by the missing likelihoods, in standard deviations of the
        parameter, and the same plus two standard errors.
    of
        Quantity that is shifted most, in words.
    """

    n_evaluated: int
    n_rows: int
    efficiency: float
    efficiency_least: float
    shift: float
    shift_most: float
    of: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)
