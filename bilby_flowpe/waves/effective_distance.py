r"""Effective distance: the one combination of distance and inclination that a single detector measures.

A pure (2, 2) signal has the amplitude :math:`a(\theta) / d` in one detector. Given the effective distance :math:`e = d /
a(\theta)` the data contain no further information on the two, so that the inclination is drawn from its prior given :math:`e`,

.. math:: p(\theta | e) \propto \pi(\theta) \, \pi_d(e \, a(\theta)) \, a(\theta) ,

between the inclinations at which the distance leaves its prior, on either side of a right angle.
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Prior

from ..densities import draw_linear
from .harmonics import inclination_factors

ANGLES = 65  # nodes on either side of a right angle: more take longer, fewer make the draws of the inclination less efficient
# Nodes, evenly spaced in the log of the effective distance, at which the prior is tabulated, once for each prior
_TABLE = 4001
_NEAREST = 1e-6  # smallest distance, as a fraction of the largest: a volumetric prior has 1e-18 of its mass below it
_RIGHT_ANGLE = np.pi / 2  # radians: inclination of a source seen edge on, where the amplitude is smallest


def nearest(distance: Prior) -> float:
    """Return the minimum of a distance prior, kept above zero, where the amplitude would be infinite."""
    return float(max(distance.minimum, _NEAREST * distance.maximum))


def amplitude_seen(theta: np.ndarray, response: tuple[float, float]) -> np.ndarray:
    r"""Return the amplitude :math:`a(\theta)` of a pure (2, 2) signal in one detector.

    Parameters
    ----------
    theta
        Inclinations in radians.
    response
        :math:`F_+` and :math:`F_\times` of the detector. The amplitude is relative to a face-on source with
        :math:`F_+ = 1`.
    """
    plus, cross = inclination_factors(theta)
    return np.hypot(response[0] * plus, response[1] * cross)


def phase_seen(theta: np.ndarray, response: tuple[float, float], cross_ratio: complex) -> np.ndarray:
    r"""Return the phase that the inclination adds to a pure (2, 2) signal in one detector, relative to face on.

    Parameters
    ----------
    theta
        Inclinations in radians.
    response
        :math:`F_+` and :math:`F_\times` of the detector.
    cross_ratio
        :math:`h_\times / h_+` face on.
    """
    plus, cross = inclination_factors(theta)
    face_on = response[0] + response[1] * cross_ratio
    return np.angle((response[0] * plus + response[1] * cross_ratio * cross) / face_on)


class EffectiveDistance:
    r"""Prior of the effective distance, and draws of distance and inclination given it.

    Parameters
    ----------
    distance
        Prior of ``luminosity_distance`` in Mpc, with a finite maximum.
    inclination
        Prior of ``theta_jn``.
    response
        :math:`F_+` and :math:`F_\times` of the detector.
    """

    def __init__(self, distance: Prior, inclination: Prior, response: tuple[float, float]) -> None:
        self.distance, self.inclination, self.response = distance, inclination, response
        face_on, edge_on = self.amplitude(np.array([0.0, _RIGHT_ANGLE]))
        self._seen = float(edge_on), float(face_on)
        # Even in the logarithm: an almost dark edge-on view stretches the range over decades.
        self._table = np.geomspace(nearest(distance) / face_on, distance.maximum / edge_on, _TABLE)

    def amplitude(self, theta: np.ndarray) -> np.ndarray:
        r"""Return the amplitude :math:`a(\theta)` in the detector, relative to a face-on source with :math:`F_+ = 1`."""
        return amplitude_seen(theta, self.response)

    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Return effective distances over their whole range, in Mpc, and the prior density at them."""
        nodes, log_density = self._on_nodes(self._table)
        return self._table, np.trapezoid(np.exp(log_density), nodes, axis=2).sum(axis=0)

    def draw_given(self, effective: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw distance and inclination for effective distances (N,).

        Returns
        -------
        distance, theta, log_ratio
            (N,) each; the last is the logarithm of the prior density of both over the density of the inclination drawn and
            the Jacobian of distance and effective distance, -inf outside the prior.
        """
        nodes, log_density = self._on_nodes(effective)
        mass = np.trapezoid(np.exp(log_density), nodes, axis=2)
        total = mass.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            side = (rng.random(len(effective)) * total >= mass[0]).astype(int)
            chosen = side, np.arange(len(effective))
            log_side = np.log(mass[chosen] / total)
        possible = (mass[chosen] > 0)[:, None]
        theta, log_drawn = draw_linear(
            nodes[chosen], np.where(possible, log_density[chosen], 0.0), rng.random(len(effective))
        )
        distance = self._within(effective * self.amplitude(theta))
        log_ratio = self._log_density(effective, theta) - log_drawn - log_side
        return distance, theta, np.where(possible[:, 0], log_ratio, -np.inf)

    def _on_nodes(self, effective: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return inclinations that both priors allow, on either side of a right angle (2, N, nodes), and their log density."""
        lowest, highest = self._seen
        first = self._angle(np.clip(self.distance.maximum / effective, lowest, highest))
        last = self._angle(np.clip(self.distance.minimum / effective, lowest, highest))
        prior = self.inclination
        near = [
            np.clip(angle, prior.minimum, max(prior.minimum, min(prior.maximum, _RIGHT_ANGLE)))
            for angle in (first, last)
        ]
        far = [
            np.clip(np.pi - angle, min(prior.maximum, max(prior.minimum, _RIGHT_ANGLE)), prior.maximum)
            for angle in (last, first)
        ]
        low, high = np.stack([near[0], far[0]]), np.stack([near[1], far[1]])
        nodes = low[..., None] + (high - low)[..., None] * np.linspace(0, 1, ANGLES)
        return nodes, self._log_density(effective[:, None], nodes)

    def _log_density(self, effective: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Return the log density of effective distance and inclination."""
        seen = self.amplitude(theta)
        with np.errstate(divide="ignore"):
            return (
                self.inclination.ln_prob(theta) + self.distance.ln_prob(self._within(effective * seen)) + np.log(seen)
            )

    def _within(self, distance: np.ndarray) -> np.ndarray:
        """Return distances clipped to the bounds of their prior, beyond which rounding may have moved them."""
        return np.clip(distance, self.distance.minimum, self.distance.maximum)

    def _angle(self, seen: np.ndarray) -> np.ndarray:
        """Return the inclination, up to a right angle, at which the detector sees the amplitude ``seen``."""
        plus, cross = (component**2 for component in self.response)
        # Root of a quadratic in the squared cosine, stable where the first response vanishes.
        half = plus / 2 + cross
        excess = seen**2 - plus / 4
        squared = 2 * excess / (half + np.sqrt(np.maximum(half**2 + plus * excess, 0.0)))
        return np.arccos(np.sqrt(np.clip(squared, 0.0, 1.0)))
