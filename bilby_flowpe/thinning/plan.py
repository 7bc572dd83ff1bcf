"""How many draws to make by a coarse likelihood, and which of them to keep, decided from draws made before."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..bisection import last_that_holds
from ..importance import effective_sample_size
from .partial import LEAST_EVALUATED
from .rows import FLOOR, Thinning

_FACTORS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # draws, over the least number that would do, that are tried
PRICE = 8.0
"""Coarse evaluations that one of the likelihood is worth: XPHM of 4 s 9 to 14 ms against 1.4, XAS 3 against 0.3."""
_SAFETY = 1.2  # on the effective draws wanted, which scatter
_MARGIN = 3.0  # standard deviations of the number kept, for which a budget has room
_HALVINGS = 60  # of a threshold that ranges over hundreds of nats
_ROOM = 0.95  # share of the time that is planned for, where it does not last for all rows
_ABOVE = 1.3  # evaluations planned over the least: time may end a little early
_MATTERS = 0.98  # share of the effective draws that rows are to have: draws without weight need none
_BELOW = 0.98  # evaluations over rows, at most: with more every row can be evaluated


def expected_effective(log_coarse: np.ndarray, n_draws: float, thinning: Thinning) -> float:
    r"""Effective draws to be expected of a thinned batch: :math:`(\sum v)^2 / \sum (v^2 / r)`.

    Parameters
    ----------
    log_coarse
        Coarse log weights of draws of the same proposal, (M,).
    n_draws
        Size of the batch.
    thinning
        Who is to be kept.
    """
    alive = log_coarse[np.isfinite(log_coarse)]
    if not len(alive):
        return 0.0
    v = np.exp(alive - alive.max())
    return n_draws / len(log_coarse) * float(v.sum() ** 2 / np.sum(v**2 / np.exp(thinning.log_keep(alive))))


def expected_kept(log_coarse: np.ndarray, n_draws: float, thinning: Thinning) -> float:
    """Draws that will be kept of a batch of ``n_draws``, on average; parameters as in :func:`expected_effective`."""
    alive = log_coarse[np.isfinite(log_coarse)]
    return n_draws / len(log_coarse) * float(np.exp(thinning.log_keep(alive)).sum())


def choose_thinning(log_coarse: np.ndarray, n_draws: float, n_effective: float, floor: float = FLOOR) -> Thinning:
    """The thinning that keeps the fewest draws of which ``n_effective`` effective ones are to be expected.

    Where not even all draws are as many, all are kept.

    Parameters
    ----------
    log_coarse, n_draws
        As in :func:`expected_effective`.
    n_effective
        Effective draws wanted.
    floor
        Least probability of being kept.
    """
    everyone = Thinning(floor=floor)
    alive = log_coarse[np.isfinite(log_coarse)]
    if not len(alive) or expected_effective(log_coarse, n_draws, everyone) <= n_effective:
        return everyone
    # Between the threshold that keeps all and the one above which all are kept by the floor alone.
    low, high = float(alive.min()), float(alive.max()) - math.log(floor)
    if expected_effective(log_coarse, n_draws, Thinning(high, floor)) >= n_effective:
        return Thinning(high, floor)

    def enough(tau: float) -> bool:
        return expected_effective(log_coarse, n_draws, Thinning(tau, floor)) >= n_effective

    return Thinning(last_that_holds(enough, low, high, _HALVINGS), floor)


@dataclass(frozen=True)
class Plan:
    """Size of a thinned batch.

    Attributes
    ----------
    n_draws
        Draws by the coarse likelihood.
    thinning
        Who is kept.
    n_kept
        Draws that will be kept, on average.
    short
        Whether a budget allows fewer than were wanted.
    n_wanted
        Draws that would be kept, on average, were it not for a budget.
    """

    n_draws: int
    thinning: Thinning
    n_kept: float
    short: bool = False
    n_wanted: float = 0.0

    @property
    def partial(self) -> bool:
        """Whether not every row of the posterior is evaluated."""
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
    """The cheapest batch that should hold ``n_effective`` effective draws, as far as a budget allows it.

    The more draws are made, the fewer have to be kept. An evaluation of the likelihood is taken for eight coarse ones,
    whatever the times measured: a run has the same draws on every machine.

    Parameters
    ----------
    log_coarse
        Coarse log weights of draws of the same proposal, (M,).
    n_effective
        Effective draws wanted.
    most
        Most evaluations, of both kinds together.
    in_time
        Draws by the coarse likelihood alone for which there is time.
    each
        Evaluations that a draw takes that is kept.
    floor
        Least probability of being kept.
    price
        Coarse draws that take as long as an evaluation of the likelihood, by which ``in_time`` is held.
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
    """The batch that should hold ``n_effective`` effective draws, of which as many are evaluated as a budget allows.

    Draws are the fewest that have so many effective ones by the coarse likelihood. All that matter have a row of the posterior.

    Parameters
    ----------
    log_coarse, n_effective, most, in_time, price
        As in :func:`plan_batch`.

    Returns
    -------
    Plan or None
        ``None`` where a budget has no room for half of the draws and for enough evaluations to tell what the others lack.
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
    """The thinning that keeps so many draws on average, a tenth of them by the floor at most."""
    floor = min(FLOOR, 0.1 * wanted / n_draws)
    alive = log_coarse[np.isfinite(log_coarse)]
    low, high = float(alive.min()), float(alive.max()) - math.log(floor)

    def enough(tau: float) -> bool:
        return expected_kept(log_coarse, n_draws, Thinning(tau, floor)) >= wanted

    return Thinning(last_that_holds(enough, low, high, _HALVINGS), floor)


def _less_margin(most: float) -> float:
    """The mean of a number whose scatter is its root that stays within ``most``."""
    return (math.sqrt(_MARGIN**2 + 4.0 * max(most, 0.0)) - _MARGIN) ** 2 / 4.0


def _affordable(mean: float, spread: float, most: float) -> float:
    """The part of a batch whose cost, a mean and a spread that grows as the root of the part, is within ``most``."""
    root = (math.sqrt(spread**2 + 4.0 * mean * most) - spread) / (2.0 * mean)
    return root**2
