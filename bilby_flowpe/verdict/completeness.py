"""How modes were looked for where no network knows the posterior, and how likely it is that one went unnoticed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

SHARE = 0.01
"""Share of the posterior from which on a missed mode counts: means and intervals hardly feel less."""


@dataclass(frozen=True)
class Completeness:
    """What is known of modes that no draw has met.

    Attributes
    ----------
    chance
        Probability that a mode of more than :data:`SHARE` of the posterior, such as ``about`` names, would have gone unnoticed
        if there was one; 1 where nothing is known of it.
    looked
        How modes were looked for, in words: "3000 draws from the prior".
    about
        Which modes the chance is about, in words: "of the shape of those found". Empty where nothing is known.
    remedy
        What would exclude such a mode, in words, where that is known.
    mendable
        Whether a mode has been seen that the draws lack: further rounds bring it.
    """

    chance: float
    looked: str
    about: str = ""
    mendable: bool = False
    remedy: str = ""

    @property
    def words(self) -> str:
        """Clause of the verdict: which mode may have been missed, and with what probability."""
        mode = f"a mode of more than {SHARE:.0%} of the posterior"
        if not self.about:
            return f"{mode} may have been missed"
        return (
            f"{mode}, {self.about}, would have gone unnoticed, if there is one, with a probability of {self.chance:.2g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the result."""
        return {
            "missed": self.chance if math.isfinite(self.chance) else 1.0,
            "looked": self.looked,
            "about": self.about,
        }
