r"""The well-measured tidal combination and a remaining one in place of two deformabilities, for uniform priors.

The phase of a wave depends on the tidal deformabilities through the combination
:math:`\tilde\Lambda = A \Lambda_1 + B \Lambda_2` at leading order, with A and B functions of the mass ratio (Flanagan and
Hinderer 2008). For deformabilities that are uniform from zero to :math:`L_1` and :math:`L_2`, with :math:`a = A L_1`,
:math:`b = B L_2`, :math:`l` the smaller and :math:`h` the larger of these, the cumulative function of
:math:`s = \tilde\Lambda` is that of a sum of two uniform variables,

.. math:: F(s) = \frac{s^2}{2 a b} \; (s < l), \quad \frac{s - l / 2}{h} \; (l \le s \le h), \quad
    1 - \frac{(a + b - s)^2}{2 a b} \; (s > h),

and :math:`\Lambda_1` given :math:`s` is uniform over the range that is compatible with :math:`s`. By the prior, both
shares are uniform at any mass ratio, so that the map preserves areas.
"""

from __future__ import annotations

import numpy as np
from bilby.core.prior import Uniform

from ..prior_natures import conditions
from ..priors import Parameters, PriorTransform
from ..waves.binary import RATIOS, symmetric_mass_ratio, tide_factors

_KEYS = ("lambda_1", "lambda_2")


class TidePair:
    """Map from shares of both deformabilities to shares of their leading combination and of the first one given that.

    Parameters
    ----------
    needs
        Name of the mass-ratio parameter, symmetric or not.
    largest
        Largest value of both deformabilities.
    """

    keys = _KEYS

    def __init__(self, needs: str, largest: tuple[float, float]) -> None:
        self.needs, self._largest = needs, largest

    def _ranges(self, others: Parameters) -> tuple[np.ndarray, np.ndarray]:
        first, second = tide_factors(symmetric_mass_ratio(others[self.needs], self.needs))
        return first * self._largest[0], second * self._largest[1]

    def forward(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Return shares (2, N) of the combination and of the first deformability given it, at given mass ratios."""
        a, b = self._ranges(others)
        total = a * shares[0] + b * shares[1]
        least, most = _first_given(total, a, b)
        width = most - least
        given = np.where(width > 0, (shares[0] - least) / np.where(width > 0, width, 1.0), 0.5)
        return np.stack([_cumulative(total, a, b), np.clip(given, 0.0, 1.0)])

    def inverse(self, shares: np.ndarray, others: Parameters) -> np.ndarray:
        """Return shares (2, N) of both deformabilities; the inverse of :meth:`forward`."""
        a, b = self._ranges(others)
        total = _quantile(shares[0], a, b)
        least, most = _first_given(total, a, b)
        first = least + shares[1] * (most - least)
        return np.clip(np.stack([first, (total - a * first) / b]), 0.0, 1.0)


def tide_pairs(transform: PriorTransform, keys: tuple[str, ...]) -> list[TidePair]:
    """Return the pair of deformabilities if both, and a mass ratio, are among ``keys``, and both are uniform from zero."""
    ratios = [key for key in RATIOS if key in keys and not conditions(transform.priors[key])]
    if not ({*_KEYS} <= {*keys}) or not ratios or not {*_KEYS} <= {*transform.independent_keys()}:
        return []
    first, second = (transform.priors[key] for key in _KEYS)
    if any(type(one) is not Uniform or one.minimum != 0 for one in (first, second)):
        return []
    # Mass ratios above one would exchange the names of the two stars.
    if float(transform.priors[ratios[0]].maximum) > (1.0 if ratios[0] == "mass_ratio" else 0.25):
        return []
    return [TidePair(ratios[0], (float(first.maximum), float(second.maximum)))]


def _first_given(total: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and largest share of the first deformability that can have this total with some share of the second."""
    return np.maximum((total - b) / a, 0.0), np.minimum(total / a, 1.0)


def _cumulative(total: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high, twice = np.minimum(a, b), np.maximum(a, b), 2 * a * b
    middle = (total - 0.5 * low) / high
    return np.select([total < low, total <= high], [total**2 / twice, middle], 1 - (a + b - total) ** 2 / twice)


def _quantile(share: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high, twice = np.minimum(a, b), np.maximum(a, b), 2 * a * b
    below = low**2 / twice
    return np.select(
        [share < below, share <= 1 - below],
        [np.sqrt(twice * share), share * high + 0.5 * low],
        a + b - np.sqrt(twice * np.maximum(1 - share, 0.0)),
    )
