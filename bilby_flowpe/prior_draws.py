r"""A prior as its draws show it: the cumulative distribution and the density that belong to ``rescale``.

Nested samplers use only ``rescale`` of a prior. A user's prior may have only Bilby's approximate ``cdf``, a sum over 1000
points of the density; and the density of a table with few points is not that of its draws. Here ``rescale`` is inverted
numerically, and the density is :math:`du/dx` along it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bilby.core.prior import Prior
from scipy.special import ndtr

_FARTHEST, _NODES = (
    8.2,
    4097,
)  # standard-normal coordinates between which rescale is tabulated as a first guess, and their number
_EDGE = 1e-15  # fraction of the prior at either end that cannot be distinguished from the end
# Largest number of iterations of the inversion: a third of them are halvings, which alone narrow a node's cell by 1e8.
_ITERATIONS = 80
_STEP = 1e-3  # step of the derivative, in the standard-normal coordinate
_SHORTEST = 1e4  # least step of the derivative, in units of the last decimal of the values


class ByDraws(Prior):
    """A one-dimensional prior whose cumulative distribution and density are those of its draws.

    Parameters
    ----------
    given
        Prior from which values are drawn. Its ``rescale`` takes arrays and increases with the quantile.
    has_density
        Tells whether its ``prob`` is the density of the draws; if not, the slope of ``rescale`` is used.
    """

    exact = True

    def __init__(self, given: Prior, has_density: bool) -> None:
        self.given, self.has_density = given, has_density
        super().__init__(
            name=given.name,
            latex_label=given.latex_label,
            unit=given.unit,
            minimum=given.minimum,
            maximum=given.maximum,
            check_range_nonzero=False,
            boundary=given.boundary,
        )
        self._v = np.linspace(-_FARTHEST, _FARTHEST, _NODES)
        # Rounding may put two neighbouring nodes in the wrong order.
        self._x = np.maximum.accumulate(self._at(self._v))

    def __repr__(self) -> str:
        return f"ByDraws({type(self.given).__name__})"

    def get_instantiation_dict(self) -> dict[str, Any]:
        """Return the arguments of the prior from which values are drawn."""
        return self.given.get_instantiation_dict()

    def rescale(self, val: Any) -> Any:
        """Return the values at quantiles, by the prior itself."""
        return self.given.rescale(val)

    def cdf(self, val: Any) -> Any:
        """Return the quantiles of values, by inverting ``rescale``."""
        x = np.atleast_1d(np.asarray(val, dtype=np.float64))
        u = np.where(x < self._x[0], 0.0, np.where(x > self._x[-1], 1.0, ndtr(self._inverse(x))))
        return u if np.ndim(val) else float(u[0])

    def prob(self, val: Any) -> Any:
        """Return the density of the draws."""
        return np.exp(self.ln_prob(val))

    def ln_prob(self, val: Any) -> Any:
        """Return the log density of the draws; -inf beyond the last value that can be drawn."""
        if self.has_density:
            return self.given.ln_prob(val)
        x = np.atleast_1d(np.asarray(val, dtype=np.float64))
        v = self._inverse(x)
        # Both ends of the step are within the prior, and far enough apart for an accurate difference.
        step = np.full(x.shape, _STEP)
        for _ in range(8):
            low, high = np.maximum(v - step, -_FARTHEST), np.minimum(v + step, _FARTHEST)
            width = self._at(high) - self._at(low)
            short = width < _SHORTEST * np.spacing(np.abs(x))
            if not short.any():
                break
            step = np.where(short, 4 * step, step)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_density = np.log(high - low) - np.log(width) - 0.5 * v**2 - 0.5 * np.log(2 * np.pi)
        log_density = np.where((x >= self._x[0]) & (x <= self._x[-1]), log_density, -np.inf)
        return log_density if np.ndim(val) else float(log_density[0])

    def _at(self, v: np.ndarray) -> np.ndarray:
        return np.asarray(self.given.rescale(np.clip(ndtr(v), _EDGE, 1 - _EDGE)), dtype=np.float64)

    def _inverse(self, x: np.ndarray) -> np.ndarray:
        """Return the standard-normal coordinates of values, by alternating secants and halvings between two nodes."""
        cell = np.clip(np.searchsorted(self._x, x, side="right") - 1, 0, _NODES - 2)
        low, high = self._v[cell].copy(), self._v[cell + 1].copy()
        below, above = self._x[cell] - x, self._x[cell + 1] - x
        v = np.where(below >= 0, low, np.where(above <= 0, high, 0.5 * (low + high)))
        open_ = np.flatnonzero((below < 0) & (above > 0))
        for iteration in range(_ITERATIONS):
            if not len(open_):
                break
            a, b, fa, fb = low[open_], high[open_], below[open_], above[open_]
            trial = 0.5 * (a + b) if iteration % 3 == 2 else a - fa * (b - a) / (fb - fa)
            trial = np.clip(trial, a, b)
            off = self._at(trial) - x[open_]
            v[open_] = trial
            down = off <= 0
            low[open_], below[open_] = np.where(down, trial, a), np.where(down, off, fa)
            high[open_], above[open_] = np.where(down, b, trial), np.where(down, fb, off)
            narrow = high[open_] - low[open_] <= 4 * np.spacing(np.abs(trial) + 1e-3)
            done = narrow | (np.abs(off) <= 2 * np.spacing(np.abs(x[open_])))
            open_ = open_[~done]
        return v
