"""Steps of the weight that lead from the problem that draws are made for to the one that was asked.

The likelihood that draws are made with may be another one than that which was asked for, and so may the prior; where nothing is
drawn in closed form, the likelihood asked for is the first step and may be the only one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from bilby.core.likelihood import Likelihood

from ..chain.batch import Batch
from ..chain.comparison import Comparison, spread_where_likely
from ..chain.increment import Increment, filled
from ..chain.step import Step, WithoutTask
from ..likelihoods import LogLikelihood
from ..processes.parallel import Row, Task, with_seeds
from .forms import Forms
from .recalibration import CalibrationDraw
from .translated import Translated


class AskedLikelihood:
    """Step: evaluate the likelihood asked for, and put it in the place of the one so far.

    Parameters
    ----------
    translated
        The problem, as draws are made for it.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """

    evaluations, coarse = 1, False
    reference: Mapping[str, float] = MappingProxyType({})

    def __init__(self, translated: Translated, use_ratio: bool) -> None:
        self._translated = translated
        self.task: Task = LogLikelihood(translated.asked, use_ratio)

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose the rows that have a weight."""
        return batch.alive

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Rows of the parameters asked for."""
        return self._translated.rows(batch.parameters_of(chosen)) if len(chosen) else []

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Change the weight by the ratio of the likelihoods; a row for which it is not a number has no weight."""
        log_likelihood = filled(values[:, 0] if good.any() else values, good)
        log_weight = log_likelihood - batch.log_likelihood[chosen]
        return Increment(log_weight, log_likelihood=log_likelihood, n_nan=int(np.sum(~good)))


class AskedWithCalibration(AskedLikelihood):
    """Step: draw errors of the calibration given the wave, and evaluate the likelihood asked for with them.

    Parameters
    ----------
    translated
        The problem, as draws are made for it, with errors of the calibration.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """

    def __init__(self, translated: Translated, use_ratio: bool) -> None:
        super().__init__(translated, use_ratio)
        errors, plain = translated.calibration, translated.problem.likelihood
        self.reference = errors.reference
        self.task = CalibrationDraw(translated.asked, plain, errors.priors, translated.fixed, use_ratio)

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Rows with the plain likelihood's names of sky and time beside those asked for, and a seed each."""
        plain = self._translated.problem.rows(batch.parameters_of(chosen)) if len(chosen) else []
        asked = super().rows(batch, chosen, rng)
        return with_seeds([{**one, **other} for one, other in zip(plain, asked, strict=True)], rng)

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """As :meth:`AskedLikelihood.take`, times prior over density of the errors drawn."""
        increment = super().take(batch, chosen, values, good, rng)
        if not good.any():
            return increment
        return replace(
            increment,
            log_weight=increment.log_weight + filled(values[:, 1], good, 0.0),
            columns={
                key: filled(values[:, 2 + index], good, batch.columns[key][chosen])
                for index, key in enumerate(self.reference)
            },
        )


class OverDrawn:
    """Step around another one that puts the likelihood asked for in the place of the one that draws were made with.

    Where the two differ by much, the closed form of the draws is that of another likelihood: the spread of their ratio is kept,
    as a comparison.

    Parameters
    ----------
    step
        The step.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self.evaluations, self.coarse, self.reference = step.evaluations, step.coarse, step.reference
        self.choose, self.rows = step.choose, step.rows

    @property
    def task(self) -> Task:
        """That of the step."""
        return self._step.task

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """As the step does, with the spread of what it changes."""
        increment = self._step.take(batch, chosen, values, good, rng)
        change = increment.log_weight
        spread = spread_where_likely(change, batch.log_weights(chosen, change)) if len(chosen) else 0.0
        return replace(increment, compared=Comparison(spread=spread))


class AskedPrior(WithoutTask):
    """Step: the prior asked for over the one that draws were made with.

    Parameters
    ----------
    forms
        From the parameters drawn to those asked for.
    """

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Change weight and log prior by the ratio of the densities, in the parameters that were drawn."""
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

    def choose(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Choose the rows that have a likelihood."""
        return batch.with_value

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Add the log likelihood of noise alone."""
        noise = float(self._likelihood.noise_log_likelihood())
        return Increment(np.full(len(chosen), noise), log_likelihood=batch.log_likelihood[chosen] + noise)


def asked_likelihood(translated: Translated, use_ratio: bool) -> AskedLikelihood:
    """The step that evaluates the likelihood asked for."""
    return (AskedWithCalibration if translated.calibration else AskedLikelihood)(translated, use_ratio)
