r"""Spins along and across the orbit in the place of magnitudes and tilts, where the prior is uniform in both pairs.

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
from scipy.special import lambertw

from ..priors import Parameters, PriorTransform

_PAIRS = (("a_1", "tilt_1"), ("a_2", "tilt_2"))
_LEAST = 1e-300  # shares nearer than this to 0 are not told from it


class SpinPair:
    """Shares of a spin's magnitude and tilt as those of its component along the orbit, and of the magnitude given that.

    Parameters
    ----------
    keys
        Of magnitude and tilt.
    """

    needs = None

    def __init__(self, keys: tuple[str, str]) -> None:
        self.keys = keys

    def forward(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Shares (2, N) of the component along the orbit and of the magnitude given it; nothing else is needed."""
        magnitude, cosine = shares[0], 1 - 2 * shares[1]
        along = magnitude * cosine
        size = np.maximum(np.abs(along), _LEAST)
        share = 0.5 + 0.5 * np.sign(along) * size * (1 - np.log(size))
        with np.errstate(divide="ignore", invalid="ignore"):
            across = 1 - np.log(np.maximum(magnitude, _LEAST)) / np.log(size)
        return np.stack([share, np.where(size < 1, across, 0.5)])

    def inverse(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """The inverse of :meth:`forward`."""
        share, across = shares
        below = np.clip(np.abs(2 * share - 1), 0.0, 1.0)
        # x (1 - ln x) = y has the solution ln x = 1 + W(-y / e) on the lower branch of Lambert's function.
        log_size = 1 + lambertw(-np.maximum(below, _LEAST) / np.e, k=-1).real
        log_magnitude = (1 - across) * log_size
        cosine = np.sign(2 * share - 1) * np.exp(np.minimum(log_size - log_magnitude, 0.0))
        return np.stack([np.exp(log_magnitude), 0.5 * (1 - cosine)])


def spin_pairs(transform: PriorTransform, keys: tuple[str, ...]) -> list[SpinPair]:
    """Pairs among ``keys`` whose magnitude is uniform from zero on, and whose direction has no preference."""
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
