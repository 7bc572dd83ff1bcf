"""The part of a proposal that draws far out in the tail of a prior, by the values of parameters."""

from __future__ import annotations

import numpy as np

from ..proposals.charts import PriorChart
from ..proposals.event_flow import fit_normals
from ..proposals.event_values import FAR, ValueChart
from ..proposals.parts import Charted
from .pool import Pool
from .weighing import Target

_LEAST_SHARE = 0.02  # share of the posterior beyond FAR from which on a parameter is drawn by its value
_WIDTH = 1.2  # Factor on the standard deviations of the fit, so that its tails cover those of the posterior.


class Tail:
    """Finds the parameters that are far out in their prior, and fits normal densities to their values.

    Parameters
    ----------
    target
        The posterior.
    rng
        Source of all randomness.
    """

    def __init__(self, target: Target, rng: np.random.Generator) -> None:
        self.target, self.rng = target, rng
        self._quantiles = PriorChart(target.prior, target.keys)
        self._free: tuple[str, ...] | None = None
        # The pool identifies charts by identity, so that each is kept.
        self._charts: list[ValueChart] = []

    def __call__(self, pool: Pool, log_weights: np.ndarray) -> Charted | None:
        """Fit the part to the pool's weighted draws; ``None`` if no parameter is far out."""
        base, _ = pool.in_base(self._quantiles)
        alive = np.isfinite(log_weights)
        if not alive.any():
            return None
        weights = np.exp(log_weights[alive] - log_weights[alive].max())
        beyond = weights @ (np.abs(base[alive]) > FAR) / weights.sum()
        known = self._charts[-1].in_values if self._charts else ()
        far = tuple(
            key
            for key, share in zip(self._quantiles.keys, beyond, strict=True)
            if key in known or (share > _LEAST_SHARE and key in self._untied())
        )
        if not far:
            return None
        if far != known:
            columns = {key: pool.column(key)[alive] for key in far}
            middle = {key: float(np.average(column, weights=weights)) for key, column in columns.items()}
            spread = {key: float(np.average(np.abs(columns[key] - middle[key]), weights=weights)) for key in far}
            if min(spread.values()) <= 0:
                return None
            self._charts.append(ValueChart(self.target.prior, self.target.keys, far, middle, spread))
        points, log_jacobian = pool.in_base(self._charts[-1])
        usable = np.isfinite(log_jacobian)
        density = fit_normals(points[usable], log_weights[usable], self.rng, _WIDTH)
        return Charted(self._charts[-1], {"mixture in values": density})

    def _untied(self) -> tuple[str, ...]:
        if self._free is None:
            self._free = self.target.prior.independent_keys()
        return self._free
