"""The search for modes if no network knows the posterior, and the probability that it missed one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

SHARE = 0.01
"""Fraction of the posterior above which a missed mode counts: a smaller one hardly changes means and intervals."""


@dataclass(frozen=True)
class Completeness:
    """Knowledge about modes that no draw has met.

    Attributes
    ----------
    chance
        Probability that a mode with more than :data:`SHARE` of the posterior, of the kind that ``about`` names, would have
        gone unnoticed if there is one; 1 where this is not known.
    looked
        How modes were searched, in words: "3000 draws from the prior".
    about
        Which modes the probability is about, in words: "of the shape of those found". Empty where nothing is known.
    remedy
        How such a mode could be excluded, in words, where that is known.
    mendable
        Tells whether a mode has been seen that the draws lack: further rounds will find it.
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
        """Return plain values, for the result."""
        return {
            "missed": self.chance if math.isfinite(self.chance) else 1.0,
            "looked": self.looked,
            "about": self.about,
        }
