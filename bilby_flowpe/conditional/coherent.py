r"""Conditional of all parameters that do not shape the wave, by how coherently the detectors saw it.

Given the parameters that shape the wave, its matched filters :math:`z_{kp}(t)`, of polarisation p in detector k, and squared
norms contain all information of the data on sky position, polarisation angle, inclination (of a pure (2, 2) mode), time,
distance and phase. So each waveform gets about a hundred candidates of sky position and time (:mod:`.blocks.skies`), each of
them some tens of polarisation angles and inclinations from their priors, phase and distance being averaged over in closed form,
and one is chosen by its weight :math:`w_c = \pi(c) \bar L(c) / q(c)`. The mean of the weights is an unbiased estimate of the
waveform's likelihood, so that

.. math:: \frac{1}{C} \sum_c w_c \cdot \frac{\bar L_{\rm exact}(\hat c)}{\bar L(\hat c)}

is the exact weight of the waveform with its chosen :math:`\hat c`, whatever was approximated in choosing: the expectation over
candidates and choice is :math:`\int \pi L`. (For pseudo-marginal likelihoods see Andrieu and Roberts 2009, Annals of
Statistics 37, 697; the extrinsic parameters of compact binaries are averaged over apart in Pankow et al. 2015,
arXiv:1502.04370, and Roulet et al. 2022, arXiv:2210.16278.)
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import logsumexp

from ..errors import ContractError
from ..names import DISTANCE, INCLINATION, PHASE, TIME
from ..priors import PriorTransform
from ..processes.parallel import Row, with_seeds
from ..waves.detectors import Detector
from ..waves.full_grid import FullWaves
from .amplitudes import Amplitudes, KnownAmplitude
from .averaged import AveragedLikelihood, SharedAverage
from .base import ConditionalConfig, ConditionalDraws
from .blocks.coherent import FEW, USUAL, CoherentBlocks, Effort, Given
from .blocks.waves import FilteredWaves
from .closed_form import ExactConditional

_AVERAGES = 64  # draws that the average of a likelihood is estimated from: its error falls as the root of this number


class CoherentConditional:
    """Conditional that draws all parameters of an event that do not shape its wave.

    Parameters
    ----------
    config
        Names of the parameters that are drawn: the time, phase and distance as in :class:`.closed_form.ExactConditional`, and
        of sky position, polarisation angle and inclination those that are searched.
    transform
        The user's prior.
    waves
        Coarse waves to draw with; the likelihood's own waves by default.
    effort
        Number of candidates for each wave.

    Raises
    ------
    ContractError
        If a prior ties the parameters to others, the time has no bounds, or the phase is not uniform from 0 to 2 pi.
    """

    def __init__(
        self,
        config: ConditionalConfig,
        transform: PriorTransform,
        waves: FilteredWaves | None = None,
        effort: Effort = USUAL,
    ) -> None:
        self.config, self.keys, self.waves, self.effort = config, config.keys, waves, effort
        closed = tuple(key for key in config.keys if key in (PHASE, DISTANCE))
        self.inner = ExactConditional(replace(config, keys=closed), transform)
        self._average = SharedAverage(self.inner.amplitudes)
        self.own = tuple(key for key in config.keys if key not in self.inner.keys)
        tied = [key for key in self.own if key not in transform.independent_keys()]
        if tied:
            raise ContractError(
                f"this model draws {list(config.keys)} from their conditional, but {tied} are fixed or tied to other "
                "parameters by the priors: give them priors of their own, or have a model trained for these priors"
            )
        self._priors = {key: transform.priors[key] for key in self.own}
        self._log_scale = {key: transform.log_scale[key] for key in self.own}
        if TIME not in self._priors:
            raise ContractError(
                f"this model draws {list(self.own)} from their conditional, which needs {TIME} to be drawn with them, but "
                "it is not: train a model with time='conditional'"
            )
        if not np.isfinite(self._priors[TIME].maximum - self._priors[TIME].minimum):
            raise ContractError(
                f"this model draws {TIME} from its conditional, but its prior {self._priors[TIME]!r} has no bounds: give "
                "it a finite minimum and maximum"
            )

    @property
    def averaged(self) -> AveragedLikelihood:
        """Likelihood averaged over phase and distance, as a table."""
        return self._average.table

    @property
    def amplitudes(self) -> Amplitudes | KnownAmplitude:
        """Density of the amplitude given the data, with the phase averaged over or known."""
        return self.inner.amplitudes

    def defended(self, share: float) -> CoherentConditional:
        """Return a copy that draws a fraction of the distances from their prior."""
        other = copy.copy(self)
        other.inner = self.inner.defended(share)
        return other

    @property
    def reference(self) -> dict[str, float]:
        """Values of the conditional parameters that rows have until these are drawn."""
        middle = {key: float(0.5 * (prior.minimum + prior.maximum)) for key, prior in self._priors.items()}
        return {**self.inner.reference, **middle, **({INCLINATION: 0.0} if INCLINATION in self.own else {})}

    @property
    def window(self) -> tuple[float, float]:
        """First and last geocentric time of the prior, in GPS seconds."""
        return float(self._priors[TIME].minimum), float(self._priors[TIME].maximum)

    @property
    def exact(self) -> bool:
        """True if the likelihood of a draw is the user's, False if it is that of coarse waves."""
        return self.waves is None

    def describe(self) -> dict[str, Any]:
        """Return a description of the coarse waves for the result, as plain values; an empty one without such waves."""
        return {} if self.waves is None else self.waves.describe()

    def with_waves(self, waves: FilteredWaves) -> Self:
        """Return a copy that draws with coarse waves and fewer candidates."""
        other = copy.copy(self)
        other.waves, other.effort = waves, FEW
        return other

    def task(self, likelihood: GravitationalWaveTransient) -> CoherentBlocks:
        """Return the task that draws for rows of :meth:`task_rows`."""
        return CoherentBlocks(self.given(likelihood))

    def given(self, likelihood: GravitationalWaveTransient) -> Given:
        """Return everything that the task is made of."""
        waves = self.waves
        if waves is None:
            orders = self.config.phase_orders or (self.config.phase_order,)
            # Where the phase is drawn on a grid, even of one term, products are wanted at that phase: not at phase zero.
            turned = bool(self.config.phase_orders)
            waves = FullWaves(likelihood, orders, self.window, self.config.phase_known, turned)
        detectors = tuple(Detector.from_interferometer(interferometer) for interferometer in likelihood.interferometers)
        known = self.config.phase_known
        return Given(waves, detectors, self._priors, self._log_scale, self.averaged, self.effort, known)

    def task_rows(self, rows: Sequence[Row], rng: np.random.Generator) -> Sequence[Row]:
        """Return rows of all parameters at their reference values, each with a random seed."""
        return with_seeds(rows, rng)

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """Draw phase and distance for products of :meth:`task`, (N, 4 + n), and return all that was drawn."""
        drawn = self.inner.draw(products[:, :3], rng)
        own = {key: products[:, 4 + index] for index, key in enumerate(self.own)}
        parameters = {**drawn.parameters, **own}
        return ConditionalDraws(
            parameters={key: parameters[key] for key in self.keys},
            log_likelihood_ratio=drawn.log_likelihood_ratio,
            log_weight=drawn.log_weight + products[:, 3],
        )

    def log_average(self, likelihood: GravitationalWaveTransient, row: Row) -> float:
        """Estimate, from many candidates, the log likelihood ratio averaged over the prior of the conditional parameters."""
        rng = np.random.default_rng(0)
        rows = self.task_rows([{**row, **self.reference}] * _AVERAGES, rng)
        drawn = [value for value in self.task(likelihood).many(rows) if value is not None]
        if not drawn:
            return -np.inf
        return float(logsumexp(self.draw(np.array(drawn), rng).log_weight) - np.log(_AVERAGES))
