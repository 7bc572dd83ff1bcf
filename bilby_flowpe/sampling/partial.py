"""Measure what rows of the posterior lack that are not evaluated: effective draws, means and widths of its parameters."""

from __future__ import annotations

import numpy as np

from ..importance import normalised_weights
from ..priors import Parameters
from ..thinning.partial import Missing
from ..verdict.partial import Partial
from .weighted import WeightedDraws

_SURE = 2.0  # standard errors by which figures are held to be worse than measured


def partial_of(weighted: WeightedDraws) -> Partial | None:
    """Figures of a batch; ``None`` where every row is evaluated, or none has a weight."""
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
    """The marginal that is farthest off, in words, by how much, and by how much at most."""
    found = []
    for key, values in parameters.items():
        for words, spread in ((f"the mean of {key}", False), (f"the width of {key}", True)):
            shift, error = missing.shift(values, weights, spread)
            found.append((words, abs(shift), abs(shift) + _SURE * error))
    return max(found, key=lambda one: one[2])
