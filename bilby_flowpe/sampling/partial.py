"""Effect of rows that are not evaluated, on effective draws and on means and widths of the parameters."""

from __future__ import annotations

import numpy as np

from ..importance import normalised_weights
from ..priors import Parameters
from ..thinning.partial import Missing
from ..verdict.partial import Partial
from .weighted import WeightedDraws

_SURE = 2.0  # Standard errors that are added to measured figures for a bound that holds in 98 of 100 cases.


def partial_of(weighted: WeightedDraws) -> Partial | None:
    """Measure the effect for a batch; ``None`` if every row is evaluated, or none has a weight."""
    thinned, alive = weighted.thinned, np.isfinite(weighted.log_weights)
    if thinned is None or thinned.unevaluated is None or not alive.any():
        return None
    missing = Missing.of(weighted.log_weights, thinned)
    variance, error = missing.scatter
    of, shift, most = _farthest(missing, weighted.parameters, normalised_weights(weighted.log_weights))
    return Partial(
        n_evaluated=thinned.n_kept,
        n_rows=int(np.count_nonzero(alive)),
        efficiency=1.0 / (1.0 + variance),
        efficiency_least=1.0 / (1.0 + variance + _SURE * error),
        shift=shift,
        shift_most=most,
        of=of,
    )


def _farthest(missing: Missing, parameters: Parameters, weights: np.ndarray) -> tuple[str, float, float]:
    """Return the name of the marginal with the largest possible shift, its shift, and a bound of it."""
    found = []
    for key, values in parameters.items():
        for words, spread in ((f"the mean of {key}", False), (f"the width of {key}", True)):
            shift, error = missing.shift(values, weights, spread)
            found.append((words, abs(shift), abs(shift) + _SURE * error))
    return max(found, key=lambda one: one[2])
