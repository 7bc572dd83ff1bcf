r"""The phase from its exact conditional, given everything else.

For a signal that turns as :math:`h(\phi) = h(0) e^{i m \phi}` the log likelihood ratio is :math:`\mathrm{Re}(\langle h(0), d
\rangle e^{-i m \phi}) - \langle h, h \rangle / 2`: with :math:`\kappa = |\langle h(0), d \rangle|` a von Mises density in
:math:`m \phi`, and under a uniform prior over whole periods the marginal likelihood has :math:`I_0(\kappa)` in place of the
exponential. One waveform gives both, through the user's own likelihood object, whatever subclass it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.core.prior import Uniform
from bilby.gw.likelihood import GravitationalWaveTransient

from .parallel import Row
from .priors import PriorTransform


@dataclass
class InnerProducts:
    """Task: complex inner product with the data and squared norm at phase zero, ``[re, im, norm]``; picklable."""

    likelihood: GravitationalWaveTransient

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where the waveform fails or is not a number."""
        likelihood = self.likelihood
        row = {**row, "phase": 0.0}
        polarisations = likelihood.waveform_generator.frequency_domain_strain(row)
        if polarisations is None:
            return None
        row.update(likelihood.get_sky_frame_parameters(row))
        inner, norm = 0j, 0.0
        for interferometer in likelihood.interferometers:
            snrs = likelihood.calculate_snrs(polarisations, interferometer, return_array=False, parameters=row)
            inner += complex(snrs.d_inner_h)
            norm += float(snrs.optimal_snr_squared)
        products = np.array([inner.real, inner.imag, norm])
        return products if np.all(np.isfinite(products)) else None


def conditional_obstacle(transform: PriorTransform, phase_order: int) -> str | None:
    """Why the phase cannot be drawn from the closed form, if so."""
    if "phase" not in transform.keys:
        return "the phase is not a search parameter"
    if phase_order == 0:
        return "the waveform does not turn as a pure (2, 2) mode with the phase"
    if "phase" not in transform.independent_keys():
        return "a constraint or a conditional prior involves the phase"
    prior = transform.priors["phase"]
    periods = (prior.maximum - prior.minimum) / (2 * np.pi)
    if not isinstance(prior, Uniform) or not np.isclose(periods, 1) or not np.isclose(prior.minimum, 0):
        return f"the prior of the phase, {prior!r}, is not uniform from 0 to 2 pi"
    return None
