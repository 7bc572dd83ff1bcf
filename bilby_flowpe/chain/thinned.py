"""Step of the weight that evaluates the user's likelihood for some of the draws of a coarse likelihood.

Every draw with a weight by the coarse likelihood may be kept, and its weight is then exact on average
(:mod:`bilby_flowpe.thinning`), however wrong the coarse likelihood is. A draw for which the coarse likelihood fails, or
is zero, has no weight that could be corrected. The user's likelihood is evaluated at a few of these draws, to
distinguish three cases: it is not a number, it is practically zero, too, or the coarse likelihood has lost a part of
the posterior. The last case is reported, as far as these rows show it: parameters that the coarse likelihood would have
drawn have their reference values in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..importance import ZERO_WEIGHT
from ..processes.parallel import Row, Task
from ..thinning.rows import ThinnedRows, Thinning
from .batch import Batch
from .comparison import Comparison
from .increment import Increment
from .step import Step

# Share of the rows without a coarse weight at which the user's likelihood is evaluated, and bounds of their number.
_ASKED, _FEWEST, _MOST = 0.01, 8, 64
# Nats below the best log likelihood of the rows that are kept from which on a row is not part of the posterior: in
# fifteen dimensions, one draw of the posterior in a million is so far below.
_FAR = 30.0


class Thinned:
    """Step around another one, which it takes for a random selection of the rows.

    The step inside replaces the coarse likelihood by the user's.

    Parameters
    ----------
    step
        The step inside; it has to choose among the rows that have a weight.
    thinning
        Probabilities with which rows are kept.
    """

    # counted when a batch is planned (bilby_flowpe.thinning.plan), because only a share of the rows is evaluated
    evaluations = 0
    coarse = False

    def __init__(self, step: Step, thinning: Thinning) -> None:
        self._step, self.thinning = step, thinning

    @property
    def reference(self) -> Mapping[str, float]:
        """Parameters that the step inside draws, with their values until then."""
        return self._step.reference

    @property
    def task(self) -> Task:
        """Function of one row that the step inside evaluates."""
        return self._step.task

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose a few rows without a coarse weight, followed by the rows that are kept."""
        alive = batch.alive
        keep = np.exp(self.thinning.log_keep(batch.log_weights(alive)))
        return np.concatenate([_asked(_silent(batch)), alive[rng.random(len(alive)) < keep]])

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Return the rows of the step inside."""
        return self._step.rows(batch, chosen, rng)

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Take the step inside for the rows that are kept, and divide by the probability of having a row of the posterior.

        The other rows lose their weight. If not every row is evaluated, some of the others keep their coarse weight
        over that probability.
        """
        silent = _silent(batch)
        n_asked = len(_asked(silent))
        kept = np.zeros(len(batch.draws), dtype=bool)
        kept[chosen[n_asked:]] = True
        log_coarse = batch.log_weights(np.arange(len(kept)))
        log_keep, log_row = self.thinning.log_keep(log_coarse), self.thinning.log_row(log_coarse)
        with np.errstate(invalid="ignore"):  # the likelihood so far of a row without weight is minus infinity
            increment = self._step.take(batch, chosen, values, good, rng)
        log_weight = increment.log_weight - log_row[chosen]
        log_weight[:n_asked] = -np.inf
        log_likelihood = batch.log_likelihood[chosen] if increment.log_likelihood is None else increment.log_likelihood
        of_asked, of_kept = np.split(log_likelihood.copy(), [n_asked])
        near = max(float(of_kept.max(initial=-np.inf)) - _FAR, ZERO_WEIGHT)
        rows_each = len(silent) / max(n_asked, 1)
        thinned = ThinnedRows(
            log_coarse,
            log_keep,
            kept,
            n_inside=int(np.sum(batch.log_prior_of_rest > -np.inf)),
            n_lost=rows_each * int(np.sum(of_asked > near)),
            n_nan=rows_each * int(np.sum(~good[:n_asked]))
            + float(np.sum(np.exp(-log_keep[chosen[n_asked:]][~good[n_asked:]]))),
            log_row=log_row,
            unevaluated=None if self.thinning.rows is None else _unevaluated(log_coarse, log_keep, log_row, kept, rng),
        )
        log_likelihood = np.concatenate([np.full(n_asked, -np.inf), of_kept])
        return replace(
            increment,
            log_weight=log_weight,
            log_likelihood=log_likelihood,
            compared=Comparison(len(of_kept)),
            thinned=thinned,
        )


def _unevaluated(
    log_coarse: np.ndarray, log_keep: np.ndarray, log_row: np.ndarray, kept: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Choose which unevaluated rows stay, so that rows stay altogether with the probability ``log_row``."""
    keep, row = np.exp(log_keep), np.exp(log_row)
    stays = rng.random(len(kept)) * (1.0 - keep) < row - keep
    return stays & ~kept & np.isfinite(log_coarse)


def _silent(batch: Batch) -> np.ndarray:
    """Return the indices of the rows inside the prior for which the likelihood so far failed or is zero."""
    without = batch.without_value | ~(batch.log_likelihood > ZERO_WEIGHT)
    return np.flatnonzero((batch.log_prior_of_rest > -np.inf) & without)


def _asked(silent: np.ndarray) -> np.ndarray:
    """Choose some of these rows, evenly spaced."""
    size = min(len(silent), int(np.clip(np.ceil(_ASKED * len(silent)), _FEWEST, _MOST)))
    return silent[np.linspace(0, len(silent) - 1, size).astype(int)] if size else silent
