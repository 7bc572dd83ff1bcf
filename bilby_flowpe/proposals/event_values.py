r"""A mixture of normal densities in the values of some parameters, for posteriors far out in the tail of the prior.

A quantile :math:`u` near one is known to 1e-16, and so is its distance from one. Seven standard deviations out in a
normal prior, the smallest step of :math:`u` is a considerable step of the parameter, and beyond eight nothing can be
resolved. The prior's *density* is exact there. In the parameter itself the posterior is an ordinary mode, and normal
densities fitted to it can draw as far out as it extends.
"""

from __future__ import annotations

import numpy as np

from ..priors import Parameters, PriorTransform
from .charts import PriorChart

FAR = 5.0
"""Standard-normal coordinate of the prior from which on a parameter is drawn by its value.

Only one prior draw in two million lies beyond it.
"""


class ValueChart:
    """Chart with some parameters by their values, shifted and scaled, and the others in the prior's coordinates.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters of the proposal.
    in_values
        Parameters that are given by their values; no condition or constraint may tie them to others.
    locations, scales
        Shift and divisor of these values, so that no unit of a parameter is too small or too large for the fit.
    """

    latent: tuple[str, ...] = ()
    turn = None

    def __init__(
        self,
        transform: PriorTransform,
        keys: tuple[str, ...],
        in_values: tuple[str, ...],
        locations: dict[str, float],
        scales: dict[str, float],
    ) -> None:
        self.transform, self.keys, self.in_values = transform, keys, in_values
        self._locations, self._scales = locations, scales
        self._others = tuple(key for key in keys if key not in in_values)
        self._columns = [keys.index(key) for key in self._others]
        self._chart = PriorChart(transform, self._others) if self._others else None

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Compute base coordinates and log Jacobian, as specified in :class:`~bilby_flowpe.proposals.charts.Chart`."""
        size = len(parameters[self.keys[0]])
        base, log_jacobian = np.empty((size, len(self.keys))), np.zeros(size)
        if self._chart is not None:
            base[:, self._columns], log_jacobian = self._chart.forward({key: parameters[key] for key in self._others})
        for key in self.in_values:
            base[:, self.keys.index(key)] = (parameters[key] - self._locations[key]) / self._scales[key]
            log_jacobian = log_jacobian - np.log(self._scales[key])
        return base, log_jacobian

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """Compute parameters, as specified in :class:`~bilby_flowpe.proposals.charts.Chart`."""
        parameters: Parameters = {}
        inside = np.ones(len(base), dtype=bool)
        if self._chart is not None:
            parameters, inside = self._chart.inverse(base[:, self._columns], rng)
        for key in self.in_values:
            value = self._locations[key] + self._scales[key] * base[:, self.keys.index(key)]
            within = self.transform.priors[key].ln_prob(value) > -np.inf
            # Replaced, because a likelihood need not accept a value that the prior excludes.
            parameters[key] = np.where(within, value, self._locations[key])
            inside = inside & within
        return {key: parameters[key] for key in self.keys}, inside
