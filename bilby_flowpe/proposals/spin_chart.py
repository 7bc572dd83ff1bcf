r"""The prior's coordinates with spins along and across the orbit in the place of magnitudes and tilts.

Data tell of the component :math:`z = a \cos\theta` of a spin along the orbital angular momentum far more than of its magnitude
:math:`a` or tilt :math:`\theta` alone: in these, the posterior is a curved sheet. For a magnitude that is uniform up to
:math:`a_{\max}` and a direction that is isotropic, with :math:`\alpha = a / a_{\max}` and :math:`x = \alpha \cos\theta`,

.. math:: F(x) = \tfrac12 + \tfrac12 \mathrm{sgn}(x)\, |x| (1 - \ln |x|), \qquad F(\alpha | x) = 1 - \frac{\ln \alpha}{\ln |x|}

are the cumulative functions of :math:`x` and of :math:`\alpha` given it. These two shares take the place of those of magnitude
and tilt: the prior is uniform in both pairs, so that the map between them keeps areas.
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Sine, Uniform
from scipy.special import lambertw, ndtr, ndtri

from ..priors import Parameters, PriorTransform, within_quantiles
from .charts import PriorChart

_PAIRS = (("a_1", "tilt_1"), ("a_2", "tilt_2"))
_LEAST, _EDGE = 1e-300, 1e-16  # shares nearer than this to 0 or 1 are not told from these


class SpinChart(PriorChart):
    """The prior's own coordinates, but for spins: a standard normal in the base is the prior.

    Parameters
    ----------
    transform
        The user's prior.
    keys
        Parameters wanted, all when left out; the others must be independent of them.

    Attributes
    ----------
    across
        Tilts in the place of which is the magnitude of a spin given its component along the orbit.
    """

    def __init__(self, transform: PriorTransform, keys: tuple[str, ...] | None = None) -> None:
        super().__init__(transform, keys)
        found = [pair for pair in _PAIRS if {*pair} <= {*self.keys} and _isotropic(transform, *pair)]
        self.across = tuple(other for _, other in found)
        self._pairs = [(self.keys.index(one), self.keys.index(other)) for one, other in found]

    def forward(self, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`.charts.Chart`."""
        v, log_jacobian = super().forward(parameters)
        for pair in self._pairs:
            of_pair = v[:, pair]
            magnitude, cosine = ndtr(of_pair[:, 0]), 2 * ndtr(-of_pair[:, 1]) - 1
            v[:, pair] = ndtri(_clipped(_along_and_across(magnitude, cosine))).T
            log_jacobian = log_jacobian + 0.5 * np.sum(v[:, pair] ** 2 - of_pair**2, axis=1)
        return v, log_jacobian

    def inverse(self, base: np.ndarray, rng: np.random.Generator) -> tuple[Parameters, np.ndarray]:
        """See :class:`.charts.Chart`; ``rng`` is not needed."""
        v, within = np.array(base), np.all(within_quantiles(base), axis=1)
        for pair in self._pairs:
            magnitude, cosine = _magnitude_and_cosine(*ndtr(base[:, pair]).T)
            v[:, pair] = ndtri(_clipped(np.stack([magnitude, 0.5 * (1 - cosine)]))).T
        parameters, inside = super().inverse(v, rng)
        return parameters, inside & within


def _along_and_across(magnitude: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Shares (2, N) of the component along the orbit and of the magnitude given it."""
    along = magnitude * cosine
    size = np.maximum(np.abs(along), _LEAST)
    share = 0.5 + 0.5 * np.sign(along) * size * (1 - np.log(size))
    with np.errstate(divide="ignore", invalid="ignore"):
        across = 1 - np.log(np.maximum(magnitude, _LEAST)) / np.log(size)
    return np.stack([share, np.where(size < 1, across, 0.5)])


def _magnitude_and_cosine(share: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of :func:`_along_and_across`: magnitude over its largest value, and cosine of the tilt, (N,) each."""
    below = np.clip(np.abs(2 * share - 1), 0.0, 1.0)
    # x (1 - ln x) = y has the solution ln x = 1 + W(-y / e) on the lower branch of Lambert's function.
    log_size = 1 + lambertw(-np.maximum(below, _LEAST) / np.e, k=-1).real
    log_magnitude = (1 - across) * log_size
    return np.exp(log_magnitude), np.sign(2 * share - 1) * np.exp(np.minimum(log_size - log_magnitude, 0.0))


def _clipped(shares: np.ndarray) -> np.ndarray:
    return np.clip(shares, _LEAST, 1 - _EDGE)


def _isotropic(transform: PriorTransform, magnitude: str, tilt: str) -> bool:
    """Whether a magnitude is uniform from zero on and a direction has no preference."""
    a, theta = transform.priors[magnitude], transform.priors[tilt]
    independent = {magnitude, tilt} <= {*transform.independent_keys()}
    uniform = type(a) is Uniform and a.minimum == 0
    return (
        independent
        and uniform
        and type(theta) is Sine
        and theta.minimum == 0
        and bool(np.isclose(theta.maximum, np.pi))
    )
