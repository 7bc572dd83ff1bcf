r"""Chart for binaries of many cycles: the best-measured phase replaces the chirp mass.

The posterior of a long signal is a thin curved sheet in chirp mass, mass ratio and spins. With :math:`M^*_c` the chirp mass
that keeps the best-measured phase, given all others (:mod:`bilby_flowpe.waves.coarse.leading`),

.. math:: u = \frac{\ln M_c - \ln M^*_c(\text{others})}{\text{scale}}

takes the place of the chirp mass. The sheet is flat in this coordinate. However good or bad :math:`M^*_c` is, the map
is one to one, and its Jacobian is that of the chirp mass alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..names import CHIRP_MASS
from ..prior_natures import conditions
from ..priors import Parameters, PriorTransform, told_apart
from .binary_chart import BinaryChart

_WIDEST = 1e6  # largest new coordinate, in units of its scale: a chirp mass beyond it counts as outside the prior


class LeadingChart(BinaryChart):
    """Chart in which the chirp mass is replaced; the prior is a standard normal in all other coordinates.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters of the chart, with the chirp mass among them.
    leading
        Function of columns of the other parameters: logarithm of the chirp mass that keeps the best-measured phase,
        (N,).
    scale
        Change of the logarithm of the chirp mass that is one unit of the coordinate.
    """

    def __init__(
        self,
        transform: PriorTransform,
        keys: tuple[str, ...],
        leading: Callable[[Parameters], np.ndarray],
        scale: float,
    ) -> None:
        super().__init__(transform, keys)
        self._leading, self.scale = leading, scale
        self._column = self.keys.index(CHIRP_MASS)
        self._mass = transform.priors[CHIRP_MASS]

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Compute base coordinates and log Jacobian, as specified in :class:`.charts.Chart`."""
        mass = np.asarray(parameters[CHIRP_MASS], dtype=np.float64)
        base, log_jacobian = super().forward(parameters)
        v = base[:, self._column]
        with np.errstate(divide="ignore", invalid="ignore"):
            own = self._mass.ln_prob(mass) + self.transform.log_scale[CHIRP_MASS] + 0.5 * v**2 + 0.5 * np.log(2 * np.pi)
            base[:, self._column] = (np.log(mass) - self._leading(parameters)) / self.scale
            log_jacobian = log_jacobian - own - np.log(mass * self.scale)
        return base, np.where(np.isfinite(own), log_jacobian, -np.inf)

    def _parameters(self, base: np.ndarray) -> tuple[Parameters, np.ndarray]:
        whole = np.array(base)
        coordinate = whole[:, self._column].copy()
        whole[:, self._column] = 0.0
        parameters, within = super()._parameters(whole)
        near = np.isfinite(coordinate) & (np.abs(coordinate) < _WIDEST)
        with np.errstate(over="ignore"):
            mass = np.exp(self._leading(parameters) + np.where(near, coordinate, 0.0) * self.scale)
        # The density is zero beyond the last quantile of the prior: draws from there count as outside, too.
        within = within & near & (self._mass.ln_prob(mass) > -np.inf) & told_apart(self._mass, mass)
        # Replaced, because a constraint need not accept a value that the prior excludes.
        parameters[CHIRP_MASS] = np.where(within, mass, parameters[CHIRP_MASS])
        return parameters, within


def can_lead(transform: PriorTransform, keys: tuple[str, ...]) -> bool:
    """Return whether the chirp mass can be replaced: it is sampled, and no condition ties it to another parameter."""
    if CHIRP_MASS not in keys or CHIRP_MASS in transform.by_draws:
        return False
    of_others = {name for key in transform.keys for name in conditions(transform.priors[key])}
    return CHIRP_MASS not in of_others and not conditions(transform.priors[CHIRP_MASS])
