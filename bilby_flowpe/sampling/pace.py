"""Settings of the rounds of a refinement: draws of each, rise of the temperature, shares of the parts, and when it ends.

There are two sets. If a draw costs a call of the user's likelihood, fits are made as good as its draws allow. With a
coarse likelihood, a draw is cheaper than its part of a fit: temperatures rise with fewer draws, and rounds at the
posterior itself are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# draws of the first round, in which modes have to be found, and additional ones for each dimension
_ROUND, _ROUND_EACH = 2000, 500
# Draws of later rounds: those that a fit needs, at least and for each dimension, and at most twice the effective draws
# wanted.
_LATER, _LATER_EACH, _LATER_WANTED = 500, 250, 2


@dataclass(frozen=True)
class Pace:
    """Settings of the rounds of a refinement.

    Attributes
    ----------
    enough, enough_each
        Effective draws for a fit, at least and for each dimension; the inverse temperature rises as far as these
        remain.
    near_enough_hot
        Divergence from the tempered posterior, in nats, up to which a mixture of normals needs no flow, on the path.
    settling
        Least number of rounds at the posterior itself, on a path from the prior.
    patience
        Rounds there without a rise of the efficiency, after which the latest proposal is accepted.
    batches
        Batches that the pool keeps; every proposal's density is evaluated at every draw.
    edges, hotter, earlier, beside
        Shares of a mixture in quantiles, of a hotter flow, of the previous round's flow, and of a mixture of normals
        next to a flow.
    largest
        Rounds at the posterior grow up to this multiple of the first round.
    judges
        Whether rounds continue while weights like theirs would not pass the verdict.
    by_wanted
        Whether later rounds grow with the effective draws wanted.
    mixture_first
        Whether a flow is fitted only after a mixture of normals has been tried and was not efficient enough.
    """

    enough: float
    enough_each: float
    near_enough_hot: float
    settling: int
    patience: int
    batches: int
    edges: float
    hotter: float
    earlier: float = 0.0
    beside: float = 0.0
    largest: int = 0
    judges: bool = False
    by_wanted: bool = True
    mixture_first: bool = False

    def least_effective(self, dimensions: int) -> float:
        """Return the number of effective draws for a fit."""
        return max(self.enough, self.enough_each * dimensions)

    def later_draws(self, dimensions: int, n_effective: int) -> int:
        """Return the number of draws of a round on the way to the posterior."""
        of_fit = _LATER + _LATER_EACH * dimensions
        return min(first_draws(dimensions), max(of_fit, _LATER_WANTED * n_effective)) if self.by_wanted else of_fit

    def draws_at_posterior(self, dimensions: int, n_effective: int, before: int) -> int:
        """Return the number of draws of a round at the posterior itself, after ``before`` earlier ones."""
        if not self.largest:
            return self.later_draws(dimensions, n_effective)
        return first_draws(dimensions) * min(1 + before // 2, self.largest)


DEAR = Pace(
    enough=600.0,
    enough_each=200.0,
    near_enough_hot=math.inf,
    settling=2,
    patience=2,
    batches=16,
    edges=0.15,
    hotter=0.15,
    mixture_first=True,
)
"""Settings if a draw costs a call of the user's likelihood."""

CHEAP = Pace(
    enough=300.0,
    enough_each=50.0,
    near_enough_hot=math.inf,
    settling=2,
    patience=1,
    batches=8,
    edges=0.1,
    hotter=0.07,
    earlier=0.2,
    beside=0.15,
    largest=3,
    judges=True,
    by_wanted=False,
)
"""Settings for coarse waves; a mixture and an earlier flow next to the latest leave less to the other parts."""


def first_draws(dimensions: int) -> int:
    """Return the number of draws of the first round."""
    return _ROUND + _ROUND_EACH * dimensions
