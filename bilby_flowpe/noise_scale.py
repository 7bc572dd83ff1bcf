"""Ratio of the noise near an event to its PSD, for one detector."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class NoiseScale:
    """Ratio of the noise of one detector to its PSD, in the band of the signal.

    Attributes
    ----------
    factor
        Ratio of the amplitudes; one if the PSD is right.
    scatter
        Standard deviation of the factor by chance.
    p_value
        Probability of a factor as far from one, by chance.
    low, high
        Frequencies in Hz between which the central 90% of the signal's power lie.
    """

    factor: float
    scatter: float
    p_value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return asdict(self)
