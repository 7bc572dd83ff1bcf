r"""Spins along and across the orbit in place of magnitudes and tilts, for priors that are uniform in both pairs.

Data constrain the component :math:`z = a \cos\theta` of a spin along the orbital angular momentum far better than its
magnitude :math:`a` or tilt :math:`\theta`: in these two, the posterior is a curved sheet. For a magnitude that is
uniform up to :math:`a_{\max}` and an isotropic direction, with :math:`\alpha = a / a_{\max}` and
:math:`x = \alpha \cos\theta`,

.. math:: F(x) = \tfrac12 + \tfrac12 \mathrm{sgn}(x)\, |x| (1 - \ln |x|), \qquad F(\alpha | x) = 1 - \frac{\ln \alpha}{\ln |x|}

are the cumulative distributions of :math:`x`, and of :math:`\alpha` given :math:`x`. These two shares replace those of
magnitude and tilt. The prior is uniform in both pairs, so that the map between them preserves areas.
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Sine, Uniform
from scipy.special import lambertw

from ..priors import Parameters, PriorTransform

_PAIRS = (("a_1", "tilt_1"), ("a_2", "tilt_2"))
_LEAST = 1e-300  # smallest share; a smaller one is set to this, because its logarithm would be infinite


class SpinPair:
    """Map of the shares of a magnitude and tilt to those of the component along the orbit and of the magnitude given it.

    Parameters
    ----------
    keys
        Names of magnitude and tilt.
    """

    needs = None

    def __init__(self, keys: tuple[str, str]) -> None:
        self.keys = keys

    def forward(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Return shares (2, N) of the component along the orbit and of the magnitude given it; ``others`` is not used."""
        magnitude, cosine = shares[0], 1 - 2 * shares[1]
        along = magnitude * cosine
        size = np.maximum(np.abs(along), _LEAST)
        share = 0.5 + 0.5 * np.sign(along) * size * (1 - np.log(size))
        with np.errstate(divide="ignore", invalid="ignore"):
            across = 1 - np.log(np.maximum(magnitude, _LEAST)) / np.log(size)
        return np.stack([share, np.where(size < 1, across, 0.5)])

    def inverse(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Return shares (2, N) of magnitude and tilt; the inverse of :meth:`forward`."""
        share, across = shares
        below = np.clip(np.abs(2 * share - 1), 0.0, 1.0)
        # x (1 - ln x) = y has the solution ln x = 1 + W(-y / e) on the lower branch of Lambert's function.
        log_size = 1 + lambertw(-np.maximum(below, _LEAST) / np.e, k=-1).real
        log_magnitude = (1 - across) * log_size
        cosine = np.sign(2 * share - 1) * np.exp(np.minimum(log_size - log_magnitude, 0.0))
        return np.stack([np.exp(log_magnitude), 0.5 * (1 - cosine)])


def spin_pairs(transform: PriorTransform, keys: tuple[str, ...]) -> list[SpinPair]:
    """Return the pairs among ``keys`` whose magnitude is uniform from zero and whose direction is isotropic."""
    return [SpinPair(pair) for pair in _PAIRS if {*pair} <= {*keys} and _isotropic(transform, *pair)]


def _isotropic(transform: PriorTransform, magnitude: str, tilt: str) -> bool:
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
