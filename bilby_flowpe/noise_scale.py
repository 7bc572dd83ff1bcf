"""How far the noise near an event is from its curve: what is known of one detector."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class NoiseScale:
    """Noise of one detector over its curve, in the band of the signal.

    Attributes
    ----------
    factor
        Of the amplitude; one where the curve is right.
    scatter
        Its standard deviation by chance.
    p_value
        Probability of a factor as far from one, by chance.
    low, high
        Frequencies in Hz between which the middle 90% of the signal's power are.
    """

    factor: float
    scatter: float
    p_value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)
