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
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from bilby.core.prior import Prior
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.special import logsumexp

from ..densities import draw_linear
from ..errors import ContractError
from ..names import DISTANCE, PHASE, PSI, TIME
from ..priors import PriorTransform
from ..processes.parallel import Row, Task, seeded
from ..waves.detectors import at_angle
from ..waves.harmonics import POLARISATIONS, harmonics
from ..waves.waveforms import waveform
from .amplitudes import Amplitudes, KnownAmplitude, amplitudes_of, at_phase
from .averaged import AveragedLikelihood
from .base import ConditionalConfig, ConditionalDraws
from .candidates import Candidates
from .coherent import CoherentConditional, CoherentDraw
from .phase import conditional_obstacle
from .sky import interpolated

_CHOSEN = 32  # candidates that the whole wave is looked at for
_TEMPER = 0.7  # power of the loudest mode's weights by which they are chosen
_PHASES, _FINE_PHASES = 128, 1025


class HarmonicsConditional(CoherentConditional):
    """Draws all of an event's parameters that do not shape its wave, of a wave of several modes.

    Parameters
    ----------
    config
        As of :class:`.coherent.CoherentConditional`, with :attr:`.conditional.base.ConditionalConfig.phase_orders`.
    transform
        The user's prior.

    Raises
    ------
    ContractError
        If the prior ties them to other parameters, has no bounds for the time, or is not uniform over the phase's turn.
    """

    def __init__(self, config: ConditionalConfig, transform: PriorTransform) -> None:
        if obstacle := conditional_obstacle(transform, config.phase_orders[0]):
            raise ContractError(f"this model draws the phase from its exact conditional, but {obstacle}")
        order = config.phase_orders[0]
        super().__init__(replace(config, phase_order=order, phase_orders=()), transform)
        self.config = config
        distance = tuple(key for key in config.keys if key == DISTANCE)
        self._amplitudes = amplitudes_of(distance, transform, log_likelihood=at_phase)

    def defended(self, share: float) -> HarmonicsConditional:
        """Return one that draws a share of the distances from their prior."""
        other = copy.copy(self)
        other._amplitudes = self._amplitudes.defended(share)
        return other

    def task(self, likelihood: GravitationalWaveTransient) -> Task:
        """What draws for one row, of those that :meth:`task_rows` gives."""
        return HarmonicsDraw(
            likelihood, self._priors, self._log_scale, self.averaged, self.config.phase_orders, self._amplitudes
        )

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


class HarmonicsDraw(CoherentDraw):
    """Task: ``[inner product, norm, log weight, phase, *parameters]`` at the phase drawn; picklable.

    Parameters
    ----------
    likelihood, priors, log_scale, averaged
        As of :class:`.coherent.CoherentDraw`.
    orders
        ``m`` of all modes.
    amplitudes
        Of the distance, given the phase.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        priors: Mapping[str, Prior],
        log_scale: Mapping[str, float],
        averaged: AveragedLikelihood,
        orders: tuple[int, ...],
        amplitudes: Amplitudes | KnownAmplitude,
    ) -> None:
        super().__init__(likelihood, priors, log_scale, averaged)
        self._orders, self._amplitudes = orders, amplitudes

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where the waveform fails or is not a number, or no candidate has a likelihood."""
        rng, row = seeded(row)
        waves = harmonics(self._likelihood.waveform_generator, row, self._orders)
        if waves is None:
            return None
        loudest = max(waves, key=lambda order: float(sum(np.sum(np.abs(mode) ** 2) for mode in waves[order])))
        candidates = self._candidates(dict(zip(POLARISATIONS, waves[loudest], strict=True)), row, rng)
        if candidates is None:
            return None
        places, turns, log_mean = candidates.choose(_CHOSEN, rng, _TEMPER)
        inner, norms = self._whole(waves, candidates, places, turns, row)
        phases = 2 * np.pi * np.arange(_PHASES) / _PHASES
        whole = logsumexp(self._at(phases, inner, norms), axis=1) - np.log(_PHASES)
        # What the whole wave makes of a candidate's weight, over what it was chosen by.
        of_loudest = candidates.averaged[places, turns]
        more = whole - of_loudest + (1 - _TEMPER) * candidates.log_weights[places, turns]
        chosen = int(rng.choice(_CHOSEN, p=np.exp(more - logsumexp(more))))
        fine = np.linspace(0, 2 * np.pi, _FINE_PHASES)
        log_target = self._at(fine, inner[chosen : chosen + 1], norms[chosen : chosen + 1])
        phase, log_density = draw_linear(fine[None], log_target, rng.random(1))
        drawn = candidates.values(places[chosen], turns[chosen], self._priors)
        made = self._exact(row, float(phase[0]), drawn)
        if made is None:
            return None
        log_weight = log_mean + logsumexp(more) - np.log(_CHOSEN) - whole[chosen]
        log_weight -= np.log(2 * np.pi) + float(log_density[0])
        return np.array([*made, log_weight, float(phase[0]), *drawn.values()])

    def _whole(
        self, waves: Mapping[int, np.ndarray], candidates: Candidates, places: np.ndarray, turns: np.ndarray, row: Row
    ) -> tuple[np.ndarray, np.ndarray]:
        """Inner products of every mode with the data, (K, m), and with each other, (K, m, m), for the chosen candidates."""
        _, bins = self._proposal or self._proposal_at((row[TIME], row[TIME]))
        psi = candidates.angles[PSI][turns]
        count, modes = len(self._orders), np.concatenate([waves[order] for order in self._orders])
        inner, norms = (
            np.zeros((len(places), count), dtype=complex),
            np.zeros((len(places), count, count), dtype=complex),
        )
        for index, (series, products) in enumerate(self._filters.of_series(modes, bins)):
            plus, cross = candidates.sky.antenna[index][:, places]
            response = np.stack(at_angle(psi, plus, cross))
            at = interpolated(series, candidates.sky.arrival[index][places]).reshape(count, 2, -1)
            inner += np.einsum("pk,mpk->km", response, at)
            norms += np.einsum("pk,qk,mpnq->kmn", response, response, products.reshape(count, 2, count, 2))
        return inner, norms

    def _at(self, phases: np.ndarray, inner: np.ndarray, norms: np.ndarray) -> np.ndarray:
        """Log likelihood averaged over the distance at every phase, (K, J)."""
        turns = np.exp(1j * np.outer(self._orders, phases))
        kappa = (inner @ turns.conj()).real
        norm = np.einsum("mj,kmn,nj->kj", turns.conj(), norms, turns, optimize=True).real
        return self._amplitudes.log_marginal_coarse(kappa.ravel(), norm.ravel()).reshape(kappa.shape)

    def _exact(self, row: Row, phase: float, drawn: Mapping[str, float]) -> tuple[float, float] | None:
        """Inner product and norm at the phase drawn, made in the ordinary way."""
        waves = waveform(self._likelihood.waveform_generator, {**row, PHASE: phase})
        products = None if waves is None else self.products.of(waves, {**row, **drawn})
        return None if products is None else (float(products[0]), float(products[2]))
