"""Budget of a run, in likelihood evaluations and in seconds, and the cost of a round of refinement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from ..thinning.plan import PRICE
from .weighing import Target

_RESERVED = 500
"""Evaluations of the user's likelihood for which steering leaves time: enough to measure how far a coarse likelihood is
off."""


@dataclass(frozen=True)
class Budget:
    """Limits of a run, in likelihood evaluations and in seconds.

    Attributes
    ----------
    likelihood_evaluations
        Largest number of likelihood evaluations, those of a coarse likelihood included.
    seconds
        Largest number of seconds since ``began``; ``None`` for no limit.
    began
        Start of the run, by :func:`time.monotonic`.
    """

    likelihood_evaluations: int
    seconds: float | None = None
    began: float = field(default_factory=time.monotonic)

    def evaluations_left(self, target: Target, from_prior: bool = False) -> int:
        """Return the number of draws that may still be made within the remaining evaluations and time.

        A draw takes two evaluations if the user's likelihood differs from the one used to propose, and one more if the
        likelihood integrates parameters out and its value is reported for each row. Some rows are evaluated once more,
        to compare a closed form with the likelihood.
        """
        return min(self._by_number(target, from_prior), self._by_time(target))

    def _by_number(self, target: Target, from_prior: bool = False) -> int:
        return target.draws_within(self.left(target), from_prior)

    def left(self, target: Target) -> int:
        """Return how many evaluations remain, of the user's likelihood and of a coarse one together.

        A coarse evaluation is never more expensive than one of the user's likelihood, so that the cost is limited in
        any case.
        """
        return max(self.likelihood_evaluations - target.meter.n_all, 0)

    def draws_in_time(self, target: Target) -> float:
        """Return how many draws there is time for, by the time of draws so far; infinite without a time limit.

        With a coarse likelihood, these are draws that are not kept.
        """
        each = target.meter.seconds_each
        return np.inf if self.seconds is None or each <= 0 else self._seconds_left() / each

    def price(self, target: Target) -> float:
        """Return how many coarse draws take as long as one user's likelihood; a usual number if it was not measured."""
        meter = target.meter
        known = self.seconds is not None and meter.seconds_asked > 0 and meter.seconds_each > 0
        return meter.seconds_asked / meter.seconds_each if known else PRICE

    def _by_time(self, target: Target) -> int:
        """Return how many draws there is time for; as many as allowed while no time is known."""
        if self.seconds is None or target.meter.seconds_each <= 0:
            return self.likelihood_evaluations
        return int(max(self._seconds_left() - self._reserved(target), 0.0) / target.meter.seconds_each)

    def _reserved(self, target: Target) -> float:
        """Return the seconds that steering draws leave to evaluations of the user's likelihood."""
        if not target.coarse or self.seconds is None:
            return 0.0
        return min(_RESERVED * target.evaluations_kept * target.meter.seconds_asked, 0.5 * self.seconds)

    def _seconds_left(self) -> float:
        return 0.0 if self.seconds is None else max(self.seconds - (time.monotonic() - self.began), 0.0)

    @property
    def go_on(self) -> Callable[[], bool] | None:
        """Function that tells between blocks of a batch whether there is time left; ``None`` without a time limit."""
        return None if self.seconds is None else self.in_time

    def first_half(self) -> Callable[[], bool] | None:
        """Return a function like :attr:`go_on`, for a stage that has to leave half of the remaining time to others."""
        if self.seconds is None:
            return None
        end = 0.5 * self._seconds_left()
        return lambda: self._seconds_left() > end

    def spent(self, target: Target, when: str = "before the proposal was good enough") -> str:
        """Return a message saying which budget ran out, and when."""
        which = f"max_likelihood_evaluations={self.likelihood_evaluations} ({target.meter.n_all} made)"
        if self.seconds is not None and self._by_time(target) <= self._by_number(target):
            which = f"max_time={self.seconds:g} s"
        return f"the budget {which} ended {when}: raise it"

    def in_time(self) -> bool:
        """Return whether there is time left."""
        return self.seconds is None or self._seconds_left() > 0


@dataclass(frozen=True)
class Round:
    """Figures of a round of refinement, for logs and statistics.

    Attributes
    ----------
    inverse_temperature
        Inverse temperature of the weights to which the round's flow was fitted.
    efficiency
        Efficiency of the round's own draws, as draws of the posterior.
    likelihood_evaluations
        Evaluations made so far, those of a coarse likelihood included.
    seconds
        Duration of this round.
    """

    inverse_temperature: float
    efficiency: float
    likelihood_evaluations: int
    seconds: float

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)
