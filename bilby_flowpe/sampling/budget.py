"""What a run may spend, in likelihood evaluations and in seconds, and what a round of refinement has spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from ..thinning.plan import PRICE
from .weighing import Target

_RESERVED = (
    500  # evaluations of the user's likelihood for which steering leaves time: they tell how far a coarse one is off
)


@dataclass(frozen=True)
class Budget:
    """What a run may spend.

    Attributes
    ----------
    likelihood_evaluations
        Most likelihood evaluations, those of a coarse likelihood among them.
    seconds
        Most seconds from ``began`` on; ``None`` for any.
    began
        Of :func:`time.monotonic`.
    """

    likelihood_evaluations: int
    seconds: float | None = None
    began: float = field(default_factory=time.monotonic)

    def evaluations_left(self, target: Target, from_prior: bool = False) -> int:
        """Draws that may still be made by the number of evaluations and by the time that are left.

        A draw takes two evaluations where another likelihood draws than the one that weighs, one more where the likelihood
        integrates parameters out and is told beside each row; some rows are evaluated once more, to compare what is drawn
        conditionally with the likelihood.
        """
        return min(self._by_number(target, from_prior), self._by_time(target))

    def _by_number(self, target: Target, from_prior: bool = False) -> int:
        return target.draws_within(self.left(target), from_prior)

    def left(self, target: Target) -> int:
        """Evaluations that may still be made, of the user's likelihood and of a coarse one together.

        A coarse one is never the dearer: what is bounded is bounded in any case.
        """
        return max(self.likelihood_evaluations - target.meter.n_all, 0)

    def draws_in_time(self, target: Target) -> float:
        """Draws for which there is time, by what draws have cost so far; infinite where time does not matter.

        With a coarse likelihood, of draws that are not kept.
        """
        each = target.meter.seconds_each
        return np.inf if self.seconds is None or each <= 0 else self._seconds_left() / each

    def price(self, target: Target) -> float:
        """Coarse draws that take as long as an evaluation of the user's likelihood; the usual number where it is not known."""
        meter = target.meter
        known = self.seconds is not None and meter.seconds_asked > 0 and meter.seconds_each > 0
        return meter.seconds_asked / meter.seconds_each if known else PRICE

    def _by_time(self, target: Target) -> int:
        """By what draws have cost so far; as many as are allowed while nothing is known of that."""
        if self.seconds is None or target.meter.seconds_each <= 0:
            return self.likelihood_evaluations
        return int(max(self._seconds_left() - self._reserved(target), 0.0) / target.meter.seconds_each)

    def _reserved(self, target: Target) -> float:
        """Seconds that draws which steer leave to evaluations of the user's likelihood."""
        if not target.coarse or self.seconds is None:
            return 0.0
        return min(_RESERVED * target.evaluations_kept * target.meter.seconds_asked, 0.5 * self.seconds)

    def _seconds_left(self) -> float:
        return 0.0 if self.seconds is None else max(self.seconds - (time.monotonic() - self.began), 0.0)

    @property
    def go_on(self) -> Callable[[], bool] | None:
        """What a batch asks between its blocks; ``None`` where time does not matter."""
        return None if self.seconds is None else self.in_time

    def first_half(self) -> Callable[[], bool] | None:
        """Like :attr:`go_on`, for a stage that is to leave half of the time from now on to others."""
        if self.seconds is None:
            return None
        end = 0.5 * self._seconds_left()
        return lambda: self._seconds_left() > end

    def spent(self, target: Target, when: str = "before the proposal was good enough") -> str:
        """Message that says which budget ended, and when."""
        which = f"max_likelihood_evaluations={self.likelihood_evaluations} ({target.meter.n_all} made)"
        if self.seconds is not None and self._by_time(target) <= self._by_number(target):
            which = f"max_time={self.seconds:g} s"
        return f"the budget {which} ended {when}: raise it"

    def in_time(self) -> bool:
        """Whether there is time left."""
        return self.seconds is None or self._seconds_left() > 0


@dataclass(frozen=True)
class Round:
    """One round, for logs and statistics.

    Attributes
    ----------
    inverse_temperature
        Of the weights that the round's flow was fitted to.
    efficiency
        Of the round's own draws, as draws of the posterior.
    likelihood_evaluations
        All made so far, those of a coarse likelihood among them.
    seconds
        Of this round.
    """

    inverse_temperature: float
    efficiency: float
    likelihood_evaluations: int
    seconds: float

    def to_dict(self) -> dict[str, float]:
        """Plain values, for JSON."""
        return asdict(self)
