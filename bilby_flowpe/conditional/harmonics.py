r"""Waves of several modes: the phase on a grid, everything else as it is drawn for one.

A wave whose modes turn as :math:`h(\phi) = \sum_m c_m e^{i m \phi}` is known at every phase from as many calls as it has
modes. Places, times and orientations are found with the loudest mode alone (:mod:`bilby_flowpe.conditional.coherent`); for a
few of them, chosen by their weights, the likelihood of the whole wave is averaged over the distance at each phase of a grid,
and over the phases. One of these is chosen by what that average says more than the loudest mode did, the phase is drawn from
its grid, the waveform is made once more at that phase, and the distance drawn from its exact conditional. Each choice is undone
in the weight, so that modes that were left out in searching cost efficiency and no exactness.
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
    """Draws all of an event's parameters that do not shape its wave, of a wave of several modes.

    Parameters
    ----------
    config
        As of :class:`.coherent.CoherentConditional`, with :attr:`.conditional.base.ConditionalConfig.phase_orders`.
    transform
        The user's prior.
    waves, effort
        As of :class:`.coherent.CoherentConditional`.

    Raises
    ------
    ContractError
        If the prior ties them to other parameters, has no bounds for the time, or is not uniform over the phase's turn.
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
        """Return one that draws a share of the distances from their prior."""
        other = copy.copy(self)
        other._amplitudes = self._amplitudes.defended(share)
        return other

    @property
    def averaged_at_phase(self) -> AveragedLikelihood:
        """Over the distance, given the phase."""
        return self._average_at_phase.table

    @property
    def amplitudes(self) -> Amplitudes | KnownAmplitude:
        """Of the distance, given the phase."""
        return self._amplitudes

    def task(self, likelihood: GravitationalWaveTransient) -> HarmonicsBlocks:
        """What draws for many rows, of those that :meth:`task_rows` gives."""
        return HarmonicsBlocks(self.given(likelihood), self.averaged_at_phase)

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """Distances for rows of :meth:`task`, (N, 4 + n), and what was drawn with them."""
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
