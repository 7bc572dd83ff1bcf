r"""Phase, distance, inclination and time, drawn from their exact conditional.

The phase is drawn from a von Mises density (:mod:`bilby_flowpe.conditional.phase`). With :math:`h = s\,h_0`, the same two inner
products give the likelihood, averaged over the phase, at every amplitude,

.. math:: L(s) = I_0(s \kappa) \, e^{-s^2 \langle h_0, h_0 \rangle / 2}, \qquad \kappa = |\langle h_0, d \rangle| ,

so that the distance :math:`d \propto 1/s` can be drawn from :math:`\pi(d) L(s)` without further waveforms. Where one detector
sees a pure (2, 2) signal, distance and inclination act through one effective distance
(:mod:`bilby_flowpe.waves.effective_distance`): it is drawn instead, then the inclination given it. The time is drawn before all
others (:mod:`bilby_flowpe.conditional.arrival`), from one more Fourier transform. Densities are piecewise linear on a grid that
covers the conditional. The weight contains the density that was drawn from, so that a coarse grid makes the sampling less
efficient, but the result stays exact.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import ContractError, SimulationError
from ..names import INCLINATION, PHASE, PLACE, TIME
from ..overrides import replaced
from ..priors import PriorTransform
from ..processes.parallel import Row, Task
from ..waves.effective_distance import phase_seen
from ..waves.inner_products import InnerProducts
from .amplitudes import amplitudes_of, at_phase, averaged_over_phase
from .arrival import SHARE, TimedProducts
from .base import ConditionalConfig, ConditionalDraws, Exact
from .phase import conditional_obstacle


class ExactConditional(Exact):
    """Conditional that draws the phase, distance, inclination and time of one problem in closed form.

    Parameters
    ----------
    config
        Names of the parameters that are drawn, and symmetries of the waveform.
    transform
        The user's prior, which may differ from the one that a model was trained with.

    Raises
    ------
    ContractError
        If a prior ties the parameters to others, or the prior of the phase is not uniform from 0 to 2 pi.
    """

    def __init__(self, config: ConditionalConfig, transform: PriorTransform) -> None:
        self.config = config
        self.keys = config.keys
        if (PHASE in config.keys) and (obstacle := conditional_obstacle(transform, config.phase_order)):
            raise ContractError(f"this model draws the phase from its exact conditional, but {obstacle}")
        tied = [key for key in config.keys if key not in transform.independent_keys()]
        if tied:
            raise ContractError(
                f"this model draws {list(config.keys)} from their exact conditional, but {tied} are fixed or tied to other "
                "parameters by the priors: give them priors of their own, or have a model trained for these priors"
            )
        self._log_scale = {key: transform.log_scale[key] for key in config.keys}
        # A prior of Bilby's, where the time is drawn.
        self._time: Any = transform.priors[TIME] if TIME in config.keys else None
        if self._time is not None and not np.isfinite(self._time.maximum - self._time.minimum):
            raise ContractError(
                f"this model draws {TIME} from its exact conditional, but its prior {self._time!r} has no bounds: give it a "
                "finite minimum and maximum"
            )
        of_amplitude = at_phase if config.phase_known else averaged_over_phase
        self.amplitudes = amplitudes_of(config.keys, transform, config.response, of_amplitude)
        fixed = transform.fixed
        self._place = {key: fixed[key] for key in PLACE} if {*PLACE} <= fixed.keys() else None

    def defended(self, share: float) -> ExactConditional:
        """Return a copy that draws a fraction of the distances from their prior."""
        other = copy.copy(self)
        other.amplitudes = self.amplitudes.defended(share)
        return other

    @property
    def reference(self) -> dict[str, float]:
        """Values of the conditional parameters at which the inner products are computed."""
        values: dict[str, float] = {PHASE: 0.0, INCLINATION: 0.0, **self.amplitudes.reference}
        if TIME in self.keys:
            values[TIME] = float(0.5 * (self._time.minimum + self._time.maximum))
        return {key: values[key] for key in self.keys}

    def task(self, likelihood: GravitationalWaveTransient) -> Task:
        """Return the task that computes the products that :meth:`draw` takes, from rows of :meth:`task_rows`."""
        known = self.config.phase_known
        return InnerProducts(likelihood, own_phase=known) if TIME not in self.keys else self._timed(likelihood)

    def task_rows(self, rows: Sequence[Row], rng: np.random.Generator) -> Sequence[Row]:
        """Return rows of all parameters at their reference values, with a random number if the time is drawn."""
        if TIME not in self.keys:
            return rows
        return [{**row, SHARE: share} for row, share in zip(rows, rng.random(len(rows)).tolist(), strict=True)]

    def log_average(self, likelihood: GravitationalWaveTransient, row: Row) -> float:
        """Return the log likelihood ratio averaged over the prior of the conditional parameters, the others as in ``row``."""
        row = {**row, **self.reference}
        if TIME not in self.keys:
            inner = InnerProducts(likelihood, own_phase=self.config.phase_known)(row)
            if inner is None:
                raise SimulationError(f"the waveform fails at {row}: give parameters that it allows")
            return float(self.log_marginal(inner[None])[0])
        times, products = self._timed(likelihood).on_nodes(row)
        log_density = self.log_marginal(products) + self.log_prior_of_time(times)
        peak = log_density.max()
        return float(np.log(np.trapezoid(np.exp(log_density - peak), times)) + peak)

    def log_prior_of_time(self, times: np.ndarray) -> np.ndarray:
        """Return the log prior density of geocentric times, (N,)."""
        return np.asarray(self._time.ln_prob(times)) + self._log_scale[TIME]

    def draw(self, products: np.ndarray, rng: np.random.Generator) -> ConditionalDraws:
        """Draw the parameters once for each row of products, (N, 3 or 5), as :meth:`task` returns them."""
        inner, norm = products[:, 0] + 1j * products[:, 1], products[:, 2]
        kappa, angle = self._kappa(products), np.angle(inner)
        amplitude, parameters, log_ratio = self.amplitudes.draw(kappa, norm, rng)
        if INCLINATION in parameters:
            angle = angle - self._turn(parameters[INCLINATION])
        if self._time is not None:
            parameters[TIME] = products[:, 3]
            log_ratio = log_ratio + self.log_prior_of_time(products[:, 3]) - products[:, 4]
        # The likelihood averaged over the phase: prior and density of the phase that is drawn below are in it.
        log_ratio = log_ratio + self.amplitudes.log_likelihood(amplitude, kappa, norm)
        if self.config.phase_known:
            drawn = {key: parameters[key] for key in self.keys}
            return ConditionalDraws(drawn, at_phase(amplitude, kappa, norm), log_ratio)
        turn = rng.vonmises(0.0, np.maximum(amplitude * kappa, 1e-12))
        order = self.config.phase_order
        copy = rng.integers(abs(order), size=len(products)) * 2 * np.pi / abs(order)
        parameters[PHASE] = ((angle + turn) / order + copy) % (2 * np.pi)
        return ConditionalDraws(
            parameters={key: parameters[key] for key in self.keys},
            log_likelihood_ratio=amplitude * kappa * np.cos(turn) - amplitude**2 * norm / 2,
            log_weight=log_ratio,
        )

    def log_marginal(self, products: np.ndarray) -> np.ndarray:
        """Return the log likelihood ratio averaged over the conditional parameters' prior, (N,), for rows (N, 3)."""
        return self.amplitudes.log_marginal(self._kappa(products), products[:, 2])

    def _kappa(self, products: np.ndarray) -> np.ndarray:
        """Return the modulus of the inner products, (N,), or their real part where the phase is known."""
        return products[:, 0] if self.config.phase_known else np.hypot(products[:, 0], products[:, 1])

    def _timed(self, likelihood: GravitationalWaveTransient) -> TimedProducts:
        # In another sky frame, or with the time at a detector, the sky position depends on the time; a subclass may use another
        # position.
        plain = likelihood.reference_frame == "sky" and "geocent" in likelihood.time_reference
        plain = plain and not replaced(likelihood, GravitationalWaveTransient, ["get_sky_frame_parameters"])
        place = self._place if plain else None
        return TimedProducts(
            likelihood, self._time, self.amplitudes.profile, self._log_scale[TIME], place, self.config.phase_known
        )

    def _turn(self, theta: np.ndarray) -> np.ndarray:
        """Return the phase that the inclination adds to the detector's signal, relative to face on."""
        if self.config.response is None:
            raise ContractError(
                "the inclination changes the phase by an amount that depends on the detector's antenna response, but "
                "response=None: make the conditional with the response of the single detector"
            )
        return phase_seen(theta, self.config.response, complex(*self.config.cross_ratio))
