"""Number of draws to make by a coarse likelihood, and choice of those to keep, planned from earlier draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..bisection import last_that_holds
from ..importance import effective_sample_size
from .partial import LEAST_EVALUATED
from .rows import FLOOR, Thinning

# numbers of draws that are tried, over the least number that would be enough
_FACTORS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
PRICE = 8.0
"""Coarse evaluations that take as long as one of the likelihood, within the measured range.

For signals of 4 s, IMRPhenomXPHM takes 9 to 14 ms, and 1.4 ms coarse; IMRPhenomXAS 3 ms, and 0.3 ms coarse.
"""
_SAFETY = 1.2  # factor on the number of effective draws that is planned, because the number that results scatters
# standard deviations of the number of kept draws for which a budget leaves room: about one batch in 700 needs more
_MARGIN = 3.0
# halvings of an interval of hundreds of nats in the search of a threshold: enough for full double precision
_HALVINGS = 60
_ROOM = 0.95  # share of the remaining time that is planned for, if it does not last for all rows
_ABOVE = 1.3  # evaluations planned, over the least number that is needed: time may end a little early
_MATTERS = 0.98  # share of the effective draws that rows are to represent: draws of nearly no weight need no row
_BELOW = 0.98  # most evaluations over the number of rows: with more, every row can be evaluated


def expected_effective(log_coarse: np.ndarray, n_draws: float, thinning: Thinning) -> float:
    r"""Return the number of effective draws to be expected of a thinned batch: :math:`(\sum v)^2 / \sum (v^2 / r)`.

    Parameters
    ----------
    log_coarse
        Coarse log weights of draws of the same proposal, (M,).
    n_draws
        Number of draws in the batch.
    thinning
        Probabilities with which draws are kept.
    """
    alive = log_coarse[np.isfinite(log_coarse)]
    if not len(alive):
        return 0.0
    v = np.exp(alive - alive.max())
    return n_draws / len(log_coarse) * float(v.sum() ** 2 / np.sum(v**2 / np.exp(thinning.log_keep(alive))))


def expected_kept(log_coarse: np.ndarray, n_draws: float, thinning: Thinning) -> float:
    """Return how many of ``n_draws`` will be kept on average; parameters as in :func:`expected_effective`."""
    alive = log_coarse[np.isfinite(log_coarse)]
    return n_draws / len(log_coarse) * float(np.exp(thinning.log_keep(alive)).sum())


def choose_thinning(log_coarse: np.ndarray, n_draws: float, n_effective: float, floor: float = FLOOR) -> Thinning:
    """Choose the thinning that keeps the fewest draws of which ``n_effective`` effective ones are expected.

    If even all draws have fewer effective ones, all are kept.

    Parameters
    ----------
    log_coarse, n_draws
        As in :func:`expected_effective`.
    n_effective
        Effective draws wanted.
    floor
        Least probability with which a draw is kept.
    """
    everyone = Thinning(floor=floor)
    alive = log_coarse[np.isfinite(log_coarse)]
    if not len(alive) or expected_effective(log_coarse, n_draws, everyone) <= n_effective:
        return everyone
    # The threshold lies between the one that keeps all and the one above which all draws are kept with the least
    # probability.
    low, high = float(alive.min()), float(alive.max()) - math.log(floor)
    if expected_effective(log_coarse, n_draws, Thinning(high, floor)) >= n_effective:
        return Thinning(high, floor)

    def enough(tau: float) -> bool:
        return expected_effective(log_coarse, n_draws, Thinning(tau, floor)) >= n_effective

    return Thinning(last_that_holds(enough, low, high, _HALVINGS), floor)


@dataclass(frozen=True)
class Plan:
    """Size and thinning of a batch.

    Attributes
    ----------
    n_draws
        Number of draws by the coarse likelihood.
    thinning
        Probabilities with which draws are kept.
    n_kept
        Number of draws that will be kept, on average.
    short
        Whether a budget allows fewer draws than wanted.
    n_wanted
        Number of draws that would be kept, on average, without a budget.
    """

    n_draws: int
    thinning: Thinning
    n_kept: float
    short: bool = False
    n_wanted: float = 0.0

    @property
    def partial(self) -> bool:
        """True if only some rows of the posterior are evaluated."""
        return self.thinning.rows is not None


def plan_batch(
    log_coarse: np.ndarray,
    n_effective: int,
    most: int,
    in_time: float = math.inf,
    each: int = 1,
    floor: float = FLOOR,
    price: float = PRICE,
) -> Plan:
    """Plan the cheapest batch that should hold ``n_effective`` effective draws, within a budget.

    The more draws are made, the fewer have to be kept. One evaluation of the likelihood is counted as eight coarse
    ones, whatever the measured times, so that a run has the same draws on every machine.

    Parameters
    ----------
    log_coarse
        Coarse log weights of draws of the same proposal, (M,).
    n_effective
        Effective draws wanted.
    most
        Largest number of evaluations, of both likelihoods together.
    in_time
        Number of draws by the coarse likelihood alone for which there is time.
    each
        Number of evaluations of the user's likelihood for a draw that is kept.
    floor
        Least probability with which a draw is kept.
    price
        Coarse draws that take as long as an evaluation of the likelihood; used to compare with ``in_time``.
    """
    share = effective_sample_size(log_coarse) / len(log_coarse) if len(log_coarse) else 0.0
    if share <= 0:
        affordable = int(max(min(most // (1 + each), in_time / (1 + price)), 1))
        return Plan(affordable, Thinning(floor=floor), affordable, short=True)
    wanted = _SAFETY * n_effective
    plans = []
    for factor in _FACTORS:
        size = factor * wanted / share
        thinning = choose_thinning(log_coarse, size, wanted, floor)
        plans.append((size, thinning, expected_kept(log_coarse, size, thinning)))
    size, thinning, kept = min(plans, key=lambda plan: plan[0] + PRICE * plan[2])
    scale = min(1.0, _affordable(size + each * kept, each * _MARGIN * math.sqrt(kept), most))
    scale = min(scale, in_time / (size + price * each * kept))
    n_draws = math.ceil(size) if scale == 1.0 else max(int(size * scale), 1)
    return Plan(n_draws, thinning, kept * scale, scale < 1.0, kept)


def plan_partly(
    log_coarse: np.ndarray, n_effective: int, most: int, in_time: float = math.inf, price: float = PRICE
) -> Plan | None:
    """Plan a batch that should hold ``n_effective`` effective draws, of which as many are evaluated as a budget allows.

    The number of draws is the least that has so many effective ones by the coarse likelihood. All draws that matter get
    a row of the posterior.

    Parameters
    ----------
    log_coarse, n_effective, most, in_time, price
        As in :func:`plan_batch`.

    Returns
    -------
    Plan or None
        ``None`` if the budget has no room for half of the draws, together with enough evaluations to measure what the
        other rows lack.
    """
    share = effective_sample_size(log_coarse) / len(log_coarse) if len(log_coarse) else 0.0
    if share <= 0:
        return None
    wanted = _SAFETY * n_effective
    full, least = math.ceil(wanted / share), _ABOVE * LEAST_EVALUATED
    in_time = _ROOM * in_time
    n_draws = int(min(full, in_time - price * least, most - least - _MARGIN * math.sqrt(least)))
    if n_draws < 0.5 * full:
        return None
    rows = choose_thinning(log_coarse, n_draws, _MATTERS * share * n_draws)
    kept = min(
        (in_time - n_draws) / price, _less_margin(most - n_draws), _BELOW * expected_kept(log_coarse, n_draws, rows)
    )
    thinning = replace(_keeping(log_coarse, n_draws, kept), rows=rows)
    return Plan(n_draws, thinning, kept, n_draws < full, expected_kept(log_coarse, n_draws, rows))


def _keeping(log_coarse: np.ndarray, n_draws: float, wanted: float) -> Thinning:
    """Choose the thinning that keeps ``wanted`` draws on average, at most a tenth of them by the least probability."""
    floor = min(FLOOR, 0.1 * wanted / n_draws)
    alive = log_coarse[np.isfinite(log_coarse)]
    low, high = float(alive.min()), float(alive.max()) - math.log(floor)

    def enough(tau: float) -> bool:
        return expected_kept(log_coarse, n_draws, Thinning(tau, floor)) >= wanted

    return Thinning(last_that_holds(enough, low, high, _HALVINGS), floor)


def _less_margin(most: float) -> float:
    """Return the mean of a number that stays within ``most`` if its standard deviation is the root of the mean."""
    return (math.sqrt(_MARGIN**2 + 4.0 * max(most, 0.0)) - _MARGIN) ** 2 / 4.0


def _affordable(mean: float, spread: float, most: float) -> float:
    """Return the part of a batch whose cost stays within ``most``.

    The cost has a mean in proportion to the part and a spread in proportion to its root.
    """
    root = (math.sqrt(spread**2 + 4.0 * mean * most) - spread) / (2.0 * mean)
    return root**2
