r"""Conditions under which the phase can be drawn from its exact conditional, given everything else.

For a signal :math:`h(\phi) = h(0) e^{i m \phi}` the log likelihood ratio is :math:`\mathrm{Re}(\langle h(0), d
\rangle e^{-i m \phi}) - \langle h, h \rangle / 2`: with :math:`\kappa = |\langle h(0), d \rangle|` a von Mises density in
:math:`m \phi`, and under a uniform prior over whole periods the marginal likelihood has :math:`I_0(\kappa)` in place of the
exponential. One waveform gives both (:mod:`bilby_flowpe.waves.inner_products`).
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Uniform

from ..names import PHASE
from ..priors import PriorTransform


def conditional_obstacle(transform: PriorTransform, phase_order: int) -> str | None:
    """Return the reason why the phase cannot be drawn in closed form, or ``None`` if it can."""
    if PHASE not in transform.keys:
        return "the phase is not a search parameter"
    if phase_order == 0:
        return "the waveform does not depend on the phase as a pure (2, 2) mode does"
    if PHASE not in transform.independent_keys():
        return "a constraint or a conditional prior involves the phase"
    prior = transform.priors[PHASE]
    periods = (prior.maximum - prior.minimum) / (2 * np.pi)
    if not isinstance(prior, Uniform) or not np.isclose(periods, 1) or not np.isclose(prior.minimum, 0):
        return f"the prior of the phase, {prior!r}, is not uniform from 0 to 2 pi"
    return None
