r"""Conditional of waves of several modes: the phase is drawn on a grid, all else as for waves of one mode.

A wave :math:`h(\phi) = \sum_m c_m e^{i m \phi}` is known at every phase from as many waveform calls as it has modes. Sky
positions, times and orientations are found with the loudest mode alone (:mod:`bilby_flowpe.conditional.coherent`). For a few of
them, chosen by their weights, the likelihood of the whole wave is averaged over the distance at each phase of a grid, and over
the phases. One of these is chosen by the ratio of that average to the likelihood of the loudest mode, the phase is drawn from
its grid, the waveform is computed once more at that phase, and the distance is drawn from its exact conditional. The
probability of each choice is divided out in the weight: searching with one mode makes the sampling less efficient, but the
result stays exact.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import ContractError
from ..names import DISTANCE, PHASE
from ..priors import PriorTransform
from .amplitudes import Amplitudes, KnownAmplitude, amplitudes_of, at_phase
from .averaged import AveragedLikelihood, SharedAverage
from .base import ConditionalConfig, ConditionalDraws
from .blocks.coherent import USUAL, Effort
from .blocks.harmonics import HarmonicsBlocks
from .blocks.waves import FilteredWaves
from .coherent import CoherentConditional
from .phase import conditional_obstacle


class HarmonicsConditional(CoherentConditional):
    """Conditional that draws all parameters of an event that do not shape its wave, for waves of several modes.

    Parameters
    ----------
    config
        As for :class:`.coherent.CoherentConditional`, with :attr:`.conditional.base.ConditionalConfig.phase_orders`.
    transform
        The user's prior.
    waves, effort
        As for :class:`.coherent.CoherentConditional`.

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
        if obstacle := conditional_obstacle(transform, config.phase_orders[0]):
            raise ContractError(f"this model draws the phase from its exact conditional, but {obstacle}")
        order = config.phase_orders[0]
        super().__init__(replace(config, phase_order=order, phase_orders=()), transform, waves, effort)
        self.config = config
        distance = tuple(key for key in config.keys if key == DISTANCE)
        self._amplitudes = amplitudes_of(distance, transform, log_likelihood=at_phase)
        self._average_at_phase = SharedAverage(self._amplitudes)

    def defended(self, share: float) -> HarmonicsConditional:
        """Return a copy that draws a fraction of the distances from their prior."""
        other = copy.copy(self)
        other._amplitudes = self._amplitudes.defended(share)
        return other

    @property
    def averaged_at_phase(self) -> AveragedLikelihood:
        """Likelihood averaged over the distance at a given phase, as a table."""
        return self._average_at_phase.table

    @property
    def amplitudes(self) -> Amplitudes | KnownAmplitude:
        """Density of the amplitude given the data and the phase."""
        return self._amplitudes

    def task(self, likelihood: GravitationalWaveTransient) -> HarmonicsBlocks:
        """Return the task that draws for rows of :meth:`task_rows`."""
        return HarmonicsBlocks(self.given(likelihood), self.averaged_at_phase)

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """Draw distances for products of :meth:`task`, (N, 4 + n), and return all that was drawn."""
        kappa, norm = products[:, 0], products[:, 1]
        amplitude, drawn, log_ratio = self._amplitudes.draw(kappa, norm, rng)
        log_likelihood = at_phase(amplitude, kappa, norm)
        own = {key: products[:, 4 + index] for index, key in enumerate(self.own)}
        parameters = {PHASE: products[:, 3], **drawn, **own}
        return ConditionalDraws(
            parameters={key: parameters[key] for key in self.keys},
            log_likelihood_ratio=log_likelihood,
            log_weight=log_ratio + log_likelihood + products[:, 2],
        )
