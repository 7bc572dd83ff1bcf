r"""Coordinates of distance and inclination in one detector, of which the data only constrain one.

One detector sees a pure (2, 2) signal with the amplitude :math:`a(\theta) / d`, and if the phase is drawn separately nothing
else depends on the two. So let :math:`e = d / a(\theta)` be the effective distance, and take as coordinates the prior's
cumulative distribution of ``e`` and that of the inclination given ``e``, folded at a right angle. The posterior of the second
is its prior, and the long curved ridge of the two parameters is gone.

The cumulative distributions are sums over nodes in inclination. They make a bijection whose Jacobian is known exactly, however
coarse the nodes; a small uniform fraction of the density keeps every inclination possible.
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Prior
from scipy.special import ndtr, ndtri

from ..densities import EvenCells
from ..waves.effective_distance import amplitude_seen

_NODES = 65  # nodes of the inclination: more take longer, with fewer the second coordinate is less exactly normal
# Fraction of the conditional density of the inclination that is uniform, so that none is impossible
_UNIFORM_SHARE = 1e-3
_EDGE = 1e-15  # smallest distance of a probability from 0 and 1, so that its normal quantile is finite
_LOG_2PI = np.log(2 * np.pi)  # twice the constant term of a normal density's logarithm, in nats
_TABLE = 4001  # nodes, evenly spaced in the log of the effective distance, at which the inverse starts
_ROOT_STEPS = 60  # most steps of Newton's method and bisection, enough for bisection alone to reach rounding
_ROOT_TOLERANCE = 1e-13  # largest error of the cumulative probability of an inverse, near the rounding error
_ROUNDING = 1e-8  # relative distance beyond the bounds of the prior that counts as rounding


class AmplitudeCoordinates:
    r"""Map between (distance, inclination) and two coordinates that are standard normal under the prior.

    Parameters
    ----------
    distance
        Prior of ``luminosity_distance``.
    inclination
        Prior of ``theta_jn``, symmetric about a right angle.
    response
        :math:`F_+` and :math:`F_\times` of the detector.
    """

    def __init__(self, distance: Prior, inclination: Prior, response: tuple[float, float]) -> None:
        self.distance, self.inclination, self.response = distance, inclination, response
        self._nodes = np.linspace(0, 1, _NODES)
        self._node_amplitude = self.amplitude(self._angle(self._nodes))
        # Trapezoidal weights: both ends are nodes, so that every effective distance that can occur is inside the table.
        self._node_weight = np.full(_NODES, 1 / (_NODES - 1))
        self._node_weight[[0, -1]] /= 2
        low = distance.minimum / self._node_amplitude.max()
        high = distance.maximum / self._node_amplitude.min()
        # Even in the logarithm: an almost dark edge-on view stretches the range over decades.
        self._table = np.geomspace(low, high, _TABLE)
        self._table_unit = self._effective_cdf(self._table)

    def amplitude(self, theta: np.ndarray) -> np.ndarray:
        r"""Return the amplitude :math:`a(\theta)` in the detector, relative to a face-on source with :math:`F_+ = 1`."""
        return amplitude_seen(theta, self.response)

    def forward(self, distance: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return both coordinates and ``log |d coordinates / d (distance, theta)|``, (N,) each."""
        seen = self.amplitude(theta)
        effective = distance / seen
        unit = np.clip(self._effective_cdf(effective), _EDGE, 1 - _EDGE)
        share = self._folded_share(theta)
        below, density = self._cells(effective).below(share)
        below = np.clip(below, _EDGE, 1 - _EDGE)
        first, second = ndtri(unit), ndtri(below)
        with np.errstate(divide="ignore"):
            log_jacobian = (
                np.log(self._effective_density(effective))
                + np.log(density)
                - np.log(seen)
                + np.log(2.0)
                + self.inclination.ln_prob(theta)
                + 0.5 * (first**2 + second**2)
                + _LOG_2PI
            )
        return first, second, log_jacobian

    def inverse(
        self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return distance, inclination, and which rows are inside the prior of the distance, (N,) each.

        ``rng`` chooses the copy of a folded inclination.
        """
        effective = self._effective(ndtr(first))
        folded = self._angle(self._cells(effective).quantile(ndtr(second)))
        theta = np.where(rng.integers(2, size=len(folded)) == 1, np.pi - folded, folded)
        distance = effective * self.amplitude(theta)
        low, high = self.distance.minimum, self.distance.maximum
        inside = (distance >= low * (1 - _ROUNDING)) & (distance <= high * (1 + _ROUNDING))
        return np.where(inside, np.clip(distance, low, high), distance), theta, inside

    def _angle(self, share: np.ndarray) -> np.ndarray:
        """Return the inclination below a right angle at which the folded prior's cumulative probability is ``share``."""
        return np.asarray(self.inclination.rescale(share / 2))

    def _folded_share(self, theta: np.ndarray) -> np.ndarray:
        return 2 * np.asarray(self.inclination.cdf(np.minimum(theta, np.pi - theta)))

    def _effective_cdf(self, effective: np.ndarray) -> np.ndarray:
        return np.asarray(self.distance.cdf(effective[:, None] * self._node_amplitude)) @ self._node_weight

    def _effective_density(self, effective: np.ndarray) -> np.ndarray:
        return self._node_density(effective) @ self._node_weight

    def _node_density(self, effective: np.ndarray) -> np.ndarray:
        """Return the density of the effective distance for an inclination at each node, (N, nodes)."""
        of_distance = np.asarray(self.distance.prob(effective[:, None] * self._node_amplitude))
        return of_distance * self._node_amplitude

    def _cells(self, effective: np.ndarray) -> EvenCells:
        """Return conditional distributions of the folded share, given effective distances (N,)."""
        at_nodes = self._node_density(effective)
        return EvenCells.of(0.5 * (at_nodes[:, 1:] + at_nodes[:, :-1]), _UNIFORM_SHARE)

    def _effective(self, unit: np.ndarray) -> np.ndarray:
        """Invert :meth:`_effective_cdf` by a table and Newton's method, or bisection where a step leaves the bracket."""
        cell = np.clip(np.searchsorted(self._table_unit, unit) - 1, 0, _TABLE - 2)
        low, high = self._table[cell], self._table[cell + 1]
        effective: np.ndarray = np.clip(np.interp(unit, self._table_unit, self._table), low, high)
        open_rows = np.arange(len(unit))
        for _ in range(_ROOT_STEPS):
            trial = effective[open_rows]
            excess = self._effective_cdf(trial) - unit[open_rows]
            unsettled = np.abs(excess) > _ROOT_TOLERANCE
            if not unsettled.any():
                break
            open_rows, trial, excess = open_rows[unsettled], trial[unsettled], excess[unsettled]
            above = excess > 0
            high[open_rows[above]], low[open_rows[~above]] = trial[above], trial[~above]
            step = trial - excess / np.maximum(self._effective_density(trial), 1e-300)
            left, right = low[open_rows], high[open_rows]
            effective[open_rows] = np.where((step > left) & (step < right), step, 0.5 * (left + right))
        return effective
