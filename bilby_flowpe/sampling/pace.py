"""How a refinement goes on: draws of a round, what a rise of the temperature asks for, shares of what draws, and when it ends.

There are two paces. Where a draw costs a call of the user's likelihood, fits are made as good as its draws allow. Where a
coarse likelihood draws, a draw costs less than its part of a fit: temperatures rise on fewer draws, and rounds at the posterior
itself are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_ROUND, _ROUND_EACH = 2000, 500  # draws of the first round, in which modes are met or not, and more for each dimension
# Later rounds need as many as a fit does, and no more than twice what is asked for.
_LATER, _LATER_EACH, _LATER_WANTED = 500, 250, 2


@dataclass(frozen=True)
class Pace:
    """Figures of a pace.

    Attributes
    ----------
    enough, enough_each
        Effective draws that a fit is made of, at least and for each dimension: the inverse temperature rises as far.
    near_enough_hot
        Divergence from the tempered posterior, in nats, at which a mixture of normals needs no flow beside it on the way.
    settling
        Rounds at the posterior itself, at least, on a path from the prior.
    patience
        Rounds there without a rise of the efficiency, after which the latest will do.
    batches
        Batches that the pool keeps: every proposal's density is evaluated at every draw.
    edges, hotter, earlier, beside
        Shares of a mixture in quantiles, of a hotter flow, of the flow of the round before, and of a mixture of normals beside
        a flow.
    largest
        Rounds at the posterior grow up to so many times the first round.
    judges
        Whether rounds go on while weights like theirs would not pass the verdict.
    by_wanted
        Whether later rounds grow with the effective draws wanted.
    mixture_first
        Whether a flow is fitted only where a mixture of normals has been tried and is not efficient enough.
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
        """Effective draws that a fit is made of."""
        return max(self.enough, self.enough_each * dimensions)

    def later_draws(self, dimensions: int, n_effective: int) -> int:
        """Draws of a round on the way to the posterior."""
        of_fit = _LATER + _LATER_EACH * dimensions
        return min(first_draws(dimensions), max(of_fit, _LATER_WANTED * n_effective)) if self.by_wanted else of_fit

    def draws_at_posterior(self, dimensions: int, n_effective: int, before: int) -> int:
        """Draws of a round at the posterior itself, after some that were ``before`` it there."""
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
"""Where a draw costs a call of the user's likelihood."""

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
"""Where coarse waves draw. With a mixture and an earlier flow beside the latest there is less for the others to make good."""


def first_draws(dimensions: int) -> int:
    """Draws of the first round."""
    return _ROUND + _ROUND_EACH * dimensions
