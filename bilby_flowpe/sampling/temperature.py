"""Choice of the next inverse temperature of a refinement: the largest with which enough draws are effective."""

from __future__ import annotations

import numpy as np

from ..bisection import last_that_holds
from ..importance import effective_sample_size
from ..proposals.charts import Chart
from .pool import Pool, tempered

_STEP = 2.5  # largest factor by which the inverse temperature rises from one round to the next
# least inverse temperature that is tried, at which the data hardly matter, and number of values that are tried in turn
_LEAST, _TRIED = 1e-4, 24


def next_temperature(pool: Pool, chart: Chart, beta: float, enough: float, from_above: bool) -> float:
    """Return the largest inverse temperature at which the pool still has enough effective draws.

    Parameters
    ----------
    pool
        All draws.
    chart
        Chart in which the path starts.
    beta
        Inverse temperature of the round before; zero in the first round.
    enough
        Effective draws that are enough; half of all draws are enough in any case.
    from_above
        Whether values are tried one after the other, from above: with draws of a search among them, the effective
        number need not decrease as the inverse temperature rises.
    """
    log_start, log_target = pool.start_density(chart), pool.log_target
    enough = min(enough, 0.5 * len(log_target))

    def effective(inverse: float) -> float:
        return effective_sample_size(pool.log_weights(tempered(log_start, log_target, inverse)))

    # Steps are small, whatever the draws so far say, because these know nothing of regions that they have not reached.
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
    # A pool that is poor even at the present temperature needs more draws, and no other temperature.
    return last_that_holds(lambda inverse: effective(inverse) >= enough, low, high)
