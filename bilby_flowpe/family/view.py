r"""View of an event for a network of a family: numbers that depend neither on the noise curve nor on the length of the data.

Let T be the best wave of the family (:mod:`.pivot`), p(f) the share of its squared signal-to-noise ratio at each
frequency, and :math:`F(f)` the sum of all shares below f. The functions :math:`T(f) \, P_j(2 F(f) - 1) \sqrt{2 j + 1}`
with Legendre polynomials are then orthonormal in the noise-weighted product, whatever the noise curve. The products

.. math:: c_{dj} = \langle T P_j, d_d \rangle \sqrt{2 j + 1} / \|T\|_d

of detector d have independent noise of unit variance. Waves that are similar to T differ from it by a smooth factor,
and a few products are enough to describe them. If all detectors see the same wave (no precession, one harmonic), the
coherent sum :math:`c_j = \sum_d \rho_d c_{dj} / \rho` has all the information on masses and spins, and its noise is
white, too.

In addition, a view has the wave itself, the expected precision of its parameters (the metric of templates), the
quantiles of F, which describe the noise curve, and the loudness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from ..waves.coarse.leading import Measured
from .binned import Binned
from .pivot import Climb, Pivot
from .templates import POINTS, Templates, Waves, row_of

_POLYNOMIALS = 10
"""Polynomials for the coherent sum: waves similar to the pivot differ by a smooth factor, which needs few of them."""

_QUANTILES = np.array([0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98])
"""Quantiles of F in a view, which describe the noise curve; the outermost are less sensitive to a few frequencies than
0 and 1."""

# frequency in Hz relative to which quantiles are given: about the median, so that features are near zero
_MEDIAN = 100.0
_LOUD = 20.0  # signal-to-noise ratio relative to which others are given: a usual one, so that features are near zero
_LEAST = 1e-3  # smallest signal-to-noise ratio; a smaller one is set to this, because it is divided by


@dataclass(frozen=True)
class Seen:
    """A view of an event, and the wave that it is relative to.

    Attributes
    ----------
    features
        Input of the network, (C,).
    pivot
        The wave that the view is relative to.
    weights
        Noise weights of the coherent sum at the points, over the largest one, (P,).
    snr
        Signal-to-noise ratio of that wave.
    measured
        The best-measured phase near that wave.
    """

    features: np.ndarray
    pivot: Pivot
    weights: np.ndarray
    snr: float
    measured: Measured


def coherent_view(binned: Binned, climb: Climb, start: np.ndarray, rng: np.random.Generator) -> Seen:
    """Make the view of an event whose detectors see the same wave.

    Parameters
    ----------
    binned
        Data of the event.
    climb
        Object that finds the pivot.
    start
        Place from which it climbs, in the prior's coordinates, (4,).
    rng
        Random generator.
    """
    pivot = climb(binned, start, rng)
    return seen(binned, pivot, climb.templates)


def seen(binned: Binned, pivot: Pivot, templates: Templates, *more: np.ndarray) -> Seen:
    """Make a view with the numbers that every view has, and additional ones."""
    ratios = np.abs(pivot.outputs)
    snr = float(max(np.sqrt(np.sum(ratios**2)), _LEAST))
    weights = _coherent_weights(binned, pivot)
    below = _below(weights * pivot.amplitudes**2)
    quantiles = np.interp(_QUANTILES, below, np.log(POINTS / _MEDIAN))
    rows, columns = np.tril_indices(len(pivot.root), -1)
    root = np.concatenate([np.log(np.diag(pivot.root)), _correlations(pivot.root)[rows, columns]])
    loudness = np.array([np.log(snr / _LOUD), len(ratios) - 2.0, ratios.max() / snr])
    weights = weights / weights.max()
    measured = Measured(Waves(templates, weights), row_of(pivot.body))
    loudness = np.append(loudness, np.log(measured.scale))
    of_wave = [pivot.base, np.log(pivot.body[:1]), loudness, quantiles, root, coherent_products(binned, pivot)]
    return Seen(np.concatenate([*of_wave, *more]).astype(np.float32), pivot, weights, snr, measured)


def _correlations(root: np.ndarray) -> np.ndarray:
    return root / np.sqrt(np.sum(root**2, axis=1, keepdims=True))


def _below(power: np.ndarray) -> np.ndarray:
    """Return the share of the power below each point, with half of the point's own, (P,)."""
    below: np.ndarray = (np.cumsum(power) - 0.5 * power) / power.sum()
    return below


def polynomials(power: np.ndarray, count: int) -> np.ndarray:
    """Return Legendre polynomials of the share of the power below each point, orthonormal in that power, (P, J)."""
    values = legendre.legvander(2 * _below(power) - 1, count - 1)
    roots = np.sqrt(power / power.sum())
    # Sums over few points are not integrals: the polynomials are made orthonormal in the sum itself.
    orthonormal, upper = np.linalg.qr(values * roots[:, None])
    found: np.ndarray = orthonormal * np.sign(np.diag(upper)) / np.maximum(roots, np.finfo(float).tiny)[:, None]
    return np.where(roots[:, None] > 0, found, 0.0)


def _coherent_weights(binned: Binned, pivot: Pivot) -> np.ndarray:
    """Return the noise weights at the points in the coherent sum, (P,)."""
    norms = np.maximum(binned.weights @ pivot.amplitudes**2, np.finfo(float).tiny)
    weights: np.ndarray = (np.abs(pivot.outputs) ** 2 / norms) @ binned.weights
    return weights


def coherent_products(binned: Binned, pivot: Pivot) -> np.ndarray:
    """Return products of the coherent sum with the polynomials, real and imaginary parts, (2 J,)."""
    norms = np.sqrt(np.maximum(binned.weights @ pivot.amplitudes**2, np.finfo(float).tiny))
    factors = pivot.amplitudes * np.exp(-1j * (pivot.phases - binned.phases))
    turns = np.exp(2j * np.pi * POINTS * pivot.slips[:, None] - 1j * np.angle(pivot.outputs)[:, None])
    ratios = np.abs(pivot.outputs)
    snr = max(np.sqrt(np.sum(ratios**2)), _LEAST)
    summed = np.sum((ratios / norms)[:, None] * binned.data * factors * turns, axis=0) / snr
    power = _coherent_weights(binned, pivot) * pivot.amplitudes**2
    products = summed @ polynomials(power, _POLYNOMIALS)
    return np.concatenate([products.real, products.imag])
