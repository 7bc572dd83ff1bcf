"""Steps of the weight that lead from the problem for drawing to the user's problem.

Likelihood and prior that are used for drawing may differ from the user's. If nothing is drawn in closed form, the
user's likelihood is the first step and may be the only one.
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
    """Step that evaluates the user's likelihood and replaces the one so far.

    Parameters
    ----------
    translated
        The problem in the form that is used for drawing.
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
        """Return rows of the user's parameters."""
        return self._translated.rows(batch.parameters_of(chosen)) if len(chosen) else []

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Change the weight by the ratio of the likelihoods; a row for which it is not a number loses its weight."""
        log_likelihood = filled(values[:, 0] if good.any() else values, good)
        log_weight = log_likelihood - batch.log_likelihood[chosen]
        return Increment(log_weight, log_likelihood=log_likelihood, n_nan=int(np.sum(~good)))


class AskedWithCalibration(AskedLikelihood):
    """Step that draws calibration errors given the wave, and evaluates the user's likelihood with them.

    Parameters
    ----------
    translated
        The problem in the form that is used for drawing, with calibration errors.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """

    def __init__(self, translated: Translated, use_ratio: bool) -> None:
        super().__init__(translated, use_ratio)
        errors, plain = translated.calibration, translated.problem.likelihood
        self.reference = errors.reference
        self.task = CalibrationDraw(translated.asked, plain, errors.priors, translated.fixed, use_ratio)

    def rows(self, batch: Batch, chosen: np.ndarray, rng: np.random.Generator) -> Sequence[Row]:
        """Return rows with the plain likelihood's names of sky and time as well as the user's, each with a seed."""
        plain = self._translated.problem.rows(batch.parameters_of(chosen)) if len(chosen) else []
        asked = super().rows(batch, chosen, rng)
        return with_seeds([{**one, **other} for one, other in zip(plain, asked, strict=True)], rng)

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Change the weight as :meth:`AskedLikelihood.take` does, times prior over density of the errors drawn."""
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
    """Step around another one that replaces the likelihood used for drawing by the user's.

    If the two differ much, the closed form used for drawing belongs to another likelihood: the scatter of their log
    ratio is recorded as a comparison.

    Parameters
    ----------
    step
        The step inside.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self.evaluations, self.coarse, self.reference = step.evaluations, step.coarse, step.reference
        self.choose, self.rows = step.choose, step.rows

    @property
    def task(self) -> Task:
        """Task of the step inside."""
        return self._step.task

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Take the step inside, and record the scatter of the change."""
        increment = self._step.take(batch, chosen, values, good, rng)
        change = increment.log_weight
        spread = spread_where_likely(change, batch.log_weights(chosen, change)) if len(chosen) else 0.0
        return replace(increment, compared=Comparison(spread=spread))


class AskedPrior(WithoutTask):
    """Step that replaces the prior used for drawing by the user's.

    Parameters
    ----------
    forms
        Maps from the drawn parameters to the user's.
    """

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    def take(
        self, batch: Batch, chosen: np.ndarray, values: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> Increment:
        """Change weight and log prior by the ratio of the densities, in the drawn parameters."""
        log_ratio = self._forms.log_ratio(batch.parameters)
        return Increment(log_ratio, log_prior=log_ratio)


class OfNoiseAlone(WithoutTask):
    """Step from the likelihood ratio to the likelihood itself.

    Parameters
    ----------
    likelihood
        The likelihood that is used for drawing.
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
    """Return the step that evaluates the user's likelihood."""
    return (AskedWithCalibration if translated.calibration else AskedLikelihood)(translated, use_ratio)
