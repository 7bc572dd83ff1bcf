"""Steps of the weight that lead from the problem that draws are made for to the one that was asked.

The likelihood that draws are made with may be another one than that which was asked for, and so may the prior; where it is the
same, the likelihood is the only step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bilby.core.likelihood import Likelihood

from ..chain.batch import Batch
from ..chain.comparison import Comparison, spread_where_likely
from ..chain.step import Increment, WithoutTask, filled
from ..processes.parallel import Row, Task
from .translated import Translated


class AskedLikelihood:
    """Step: evaluate the likelihood asked for; errors of the calibration are drawn with it, where they are searched.

    Parameters
    ----------
    translated
        The problem, as draws are made for it.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """

    evaluations = 1

    def __init__(self, translated: Translated, use_ratio: bool) -> None:
        self._translated, self._use_ratio = translated, use_ratio

    @property
    def reference(self) -> Mapping[str, float]:
        """The medians of the priors of what is drawn."""
        return self._translated.calibration.reference

    @property
    def task(self) -> Task:
        """What gives the log likelihood, then log prior over density and values of what is drawn."""
        return self._translated.task(self._use_ratio)

    def choose(self, batch: Batch) -> np.ndarray:
        """Choose the rows that have a weight."""
        return batch.alive

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Rows of the parameters asked for."""
        return self._translated.task_rows(batch.parameters_of(chosen), rng) if len(chosen) else []

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Put the likelihood asked for in the place of the one so far; a row for which it is not a number has no weight."""
        first, *others = values.T if good.any() else np.empty((2 + len(self.reference), 0))
        log_likelihood = filled(first, good)
        log_weight = log_likelihood - batch.log_likelihood[chosen]
        columns = {}
        if self.reference:
            log_weight = log_weight + filled(others[0], good, 0.0)
            columns = {
                key: filled(column, good, batch.columns[key][chosen])
                for key, column in zip(self.reference, others[1:], strict=True)
            }
        return Increment(log_weight, columns, log_likelihood, n_nan=int(np.sum(~good)))


class AskedOverDrawn(AskedLikelihood):
    """Step: the likelihood asked for over the one that draws were made with.

    Where the two differ by much the closed form of the draws is that of another likelihood: the spread of their ratio is kept,
    as a comparison.
    """

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """As :class:`AskedLikelihood`, with the spread of what it changes."""
        increment = super().take(batch, chosen, values, good, rng)
        change = increment.log_weight
        spread = spread_where_likely(change, batch.log_weights(chosen, change)) if len(chosen) else 0.0
        return Increment(
            change, increment.columns, increment.log_likelihood, n_nan=increment.n_nan, compared=Comparison(spread=spread)
        )


class AskedPrior(WithoutTask):
    """Step: the prior asked for over the one that draws were made with.

    Parameters
    ----------
    translated
        The problem, as draws are made for it.
    """

    def __init__(self, translated: Translated) -> None:
        self._forms = translated.forms

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Change weight and log prior by the ratio of the priors' densities, in the parameters that were drawn."""
        log_ratio = self._forms.log_ratio(batch.parameters)
        return Increment(log_ratio, log_prior=log_ratio)


class OfNoiseAlone(WithoutTask):
    """Step: from the likelihood ratio to the likelihood itself.

    Parameters
    ----------
    likelihood
        The likelihood that draws were made with.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self._likelihood = likelihood

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Add the log likelihood of noise alone."""
        noise = float(self._likelihood.noise_log_likelihood())
        return Increment(np.full(len(chosen), noise), log_likelihood=batch.log_likelihood + noise)
