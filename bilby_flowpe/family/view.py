r"""What a network of a family sees of an event: numbers that depend neither on the noise curve nor on the length of the data.

About the best wave T of the family (:mod:`.pivot`), with the share p(f) of its squared signal-to-noise ratio at each frequency
and :math:`F(f)` the sum of all shares below f, the functions :math:`T(f) \, P_j(2 F(f) - 1) \sqrt{2 j + 1}` with Legendre's
polynomials are orthonormal in the product that the noise weighs, whatever the curve: the products

.. math:: c_{dj} = \langle T P_j, d_d \rangle \sqrt{2 j + 1} / \|T\|_d

of detector d have independent noise of unit variance. Waves that are like T differ from it by a smooth factor, and are told by
few of them. Where detectors see the same wave (no precession, one harmonic) the coherent sum
:math:`c_j = \sum_d \rho_d c_{dj} / \rho` tells of masses and spins what all of them do, and its noise is as white.

Beside these, a view has the wave itself, how well its parameters would be measured (the metric of templates), the quantiles
of F, which tell of the curve, and the loudness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from ..waves.coarse.leading import Measured
from .binned import Binned
from .pivot import Climb, Pivot
from .templates import POINTS, Templates, Waves, row_of

_POLYNOMIALS = 10  # of the coherent sum
_QUANTILES = np.array([0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98])
_MEDIAN = 100.0  # Hz, which quantiles are given relative to
_LOUD = 20.0  # signal-to-noise ratio that others are given relative to
_LEAST = 1e-3  # of a signal-to-noise ratio: below there is none


@dataclass(frozen=True)
class Seen:
    """A view of an event.

    Attributes
    ----------
    features
        What the network is given, (C,).
    pivot
        The wave that it is about.
    weights
        Noise weights of the coherent sum at the points, over the largest, (P,).
    snr
        Signal-to-noise ratio of that wave.
    measured
        The best-measured phase about it.
    """

    features: np.ndarray
    pivot: Pivot
    weights: np.ndarray
    snr: float
    measured: Measured


def coherent_view(binned: Binned, climb: Climb, start: np.ndarray, rng: np.random.Generator) -> Seen:
    """View of an event whose detectors see the same wave.

    Parameters
    ----------
    binned
        Its data.
    climb
        Finds the pivot.
    start
        Where from, in the prior's coordinates, (4,).
    rng
        Generator.
    """
    pivot = climb(binned, start, rng)
    return seen(binned, pivot, climb.templates)


def seen(binned: Binned, pivot: Pivot, templates: Templates, *more: np.ndarray) -> Seen:
    """View that has what every view has, and more numbers."""
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
    """Share of the power below each point, half of its own counted, (P,)."""
    below: np.ndarray = (np.cumsum(power) - 0.5 * power) / power.sum()
    return below


def polynomials(power: np.ndarray, count: int) -> np.ndarray:
    """Legendre's polynomials of the share of the power below each point, orthonormal in that power, (P, J)."""
    values = legendre.legvander(2 * _below(power) - 1, count - 1)
    roots = np.sqrt(power / power.sum())
    # Sums over few points are no integrals: orthonormal in the sum itself.
    orthonormal, upper = np.linalg.qr(values * roots[:, None])
    found: np.ndarray = orthonormal * np.sign(np.diag(upper)) / np.maximum(roots, np.finfo(float).tiny)[:, None]
    return np.where(roots[:, None] > 0, found, 0.0)


def _coherent_weights(binned: Binned, pivot: Pivot) -> np.ndarray:
    """Noise weights at the points as the coherent sum has them, (P,)."""
    norms = np.maximum(binned.weights @ pivot.amplitudes**2, np.finfo(float).tiny)
    weights: np.ndarray = (np.abs(pivot.outputs) ** 2 / norms) @ binned.weights
    return weights


def coherent_products(binned: Binned, pivot: Pivot) -> np.ndarray:
    """Products of the coherent sum with the polynomials, real and imaginary parts, (2 J,)."""
    norms = np.sqrt(np.maximum(binned.weights @ pivot.amplitudes**2, np.finfo(float).tiny))
    factors = pivot.amplitudes * np.exp(-1j * (pivot.phases - binned.phases))
    turns = np.exp(2j * np.pi * POINTS * pivot.slips[:, None] - 1j * np.angle(pivot.outputs)[:, None])
    ratios = np.abs(pivot.outputs)
    snr = max(np.sqrt(np.sum(ratios**2)), _LEAST)
    summed = np.sum((ratios / norms)[:, None] * binned.data * factors * turns, axis=0) / snr
    power = _coherent_weights(binned, pivot) * pivot.amplitudes**2
    products = summed @ polynomials(power, _POLYNOMIALS)
    return np.concatenate([products.real, products.imag])
