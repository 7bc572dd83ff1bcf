"""How far the inverse temperature of a refinement may rise: as far as the draws made so far keep enough effective ones."""

from __future__ import annotations

import numpy as np

from ..bisection import last_that_holds
from ..importance import effective_sample_size
from ..proposals.charts import Chart
from .pool import Pool, tempered

_STEP = 2.5  # most by which the inverse temperature rises from one round to the next
_LEAST, _TRIED = 1e-4, 24  # inverse temperatures that are tried in turn, down to one at which nothing is known


def next_temperature(pool: Pool, chart: Chart, beta: float, enough: float, from_above: bool) -> float:
    """The largest inverse temperature at which the pool still has enough effective draws.

    Parameters
    ----------
    pool
        All draws.
    chart
        Where the path starts from.
    beta
        Inverse temperature of the round before; zero before any.
    enough
        Effective draws, of which half of all draws are enough in any case.
    from_above
        Whether temperatures are tried in turn first: with draws of a search among them the effective number need not fall as
        the inverse temperature rises.
    """
    log_start, log_target = pool.start_density(chart), pool.log_target
    enough = min(enough, 0.5 * len(log_target))

    def effective(inverse: float) -> float:
        return effective_sample_size(pool.log_weights(tempered(log_start, log_target, inverse)))

    # Small steps, whatever the draws made so far say: they know nothing of what they have not met.
    high = min(1.0, _STEP * beta) if beta else 1.0
    if effective(high) >= enough:
        return high
    low = beta
    tried = np.geomspace(high, max(low, _LEAST), _TRIED)[1:] if from_above else np.empty(0)
    for inverse in tried.tolist():
        if effective(inverse) >= enough:
            low = inverse
            break
        high = inverse
    # A pool that is poor even at the present temperature needs more draws, and not another temperature.
    return last_that_holds(lambda inverse: effective(inverse) >= enough, low, high)
