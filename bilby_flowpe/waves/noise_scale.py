r"""Ratio of the noise near an event to the likelihood's noise curve, in the band of the signal: the drift factor.

A matched filter with the signal's template weighs the power of the whitened noise :math:`x_j` by that of the whitened signal,
:math:`w_j \propto |h_j|^2 / S_j` with :math:`\sum_j w_j = 1`. With the mean square :math:`W_0` of the window,

.. math:: f^2 = \frac{1}{2 W_0} \sum_j w_j \, |x_j|^2

is the variance of that filter's output over the data in units of the variance that the curve predicts. It is expected to be 1;
otherwise all widths of the posterior are wrong by the factor f. cogwheel (Roulet et al. 2022) corrects for f, its
``asd_drift``, which it measures in a longer stretch of strain. Here the noise is the data minus the best wave. Fitting this
wave has removed a part of the noise's power, which is corrected for as if amplitude, phase, time and chirp had been fitted in
the detector.

With :math:`W_m` of :mod:`.windows`, the variance of :math:`f^2` is :math:`\sum_{jk} w_j w_k |W_{j-k}|^2 / W_0^2`, and its
distribution is nearly that of a gamma variable of the same mean and variance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.signal import fftconvolve
from scipy.stats import gamma

from ..errors import SimulationError
from ..noise_scale import NoiseScale
from .waveforms import responses, waveform
from .whitening import noise_variance
from .windows import correlations, data_mask

_CHIRP = -5 / 3  # power of the frequency to which the phase of an inspiral is proportional at leading order


def noise_scales(likelihood: GravitationalWaveTransient, row: Mapping[str, float]) -> dict[str, NoiseScale]:
    """Measure the noise in the band of a signal in each detector; empty where there is no waveform.

    Parameters
    ----------
    likelihood
        Likelihood with data and noise curves.
    row
        All parameters of the best signal that is known.
    """
    try:
        waves = waveform(likelihood.waveform_generator, row)
    except SimulationError:
        return {}
    if waves is None:
        return {}
    found = {}
    for detector, signal in zip(likelihood.interferometers, responses(likelihood, waves, row), strict=True):
        scale = noise_scale(detector, signal)
        if scale is not None:
            found[str(detector.name)] = scale
    return found


def noise_scale(detector: Interferometer, signal: np.ndarray) -> NoiseScale | None:
    """Measure the noise of a detector in the band of a signal; ``None`` if the data contain nothing of the signal.

    Parameters
    ----------
    detector
        Interferometer with data and noise curve.
    signal
        Response of the detector to the signal, (F,).
    """
    mask, correlation = data_mask(detector), correlations(detector)
    variance = noise_variance(detector, mask)
    weights = np.zeros(len(mask))
    weights[mask] = np.abs(signal[mask]) ** 2 / variance
    total = weights.sum()
    if not (np.isfinite(total) and total > 0):
        return None
    weights /= total
    left = (detector.frequency_domain_strain - signal)[mask]
    square = float(np.dot(weights[mask], np.abs(left) ** 2 / variance)) / (2 * correlation[0])
    expected = 1 - _taken(weights[mask], detector.frequency_array[mask])
    squares = (correlation / correlation[0]) ** 2
    spread = float(np.sqrt(np.dot(weights, _smeared(weights, squares))))
    law = gamma(1 / spread**2, scale=expected * spread**2)
    p_value = float(min(1.0, 2 * min(law.cdf(square), law.sf(square))))
    ends = np.searchsorted(np.cumsum(weights), (0.05, 0.95))
    low, high = detector.frequency_array[np.minimum(ends, len(weights) - 1)]
    return NoiseScale(float(np.sqrt(square / expected)), spread / 2, p_value, float(low), float(high))


def _smeared(weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the sum over k of ``weights[k] squares[|j - k|]``, for bins j; bins far apart are independent."""
    near = int(np.searchsorted(-np.maximum.accumulate(squares[::-1])[::-1], -1e-6)) + 1
    kernel = np.concatenate([squares[near - 1 : 0 : -1], squares[:near]])
    return np.asarray(fftconvolve(weights, kernel, mode="same") if near > 1 else weights * squares[0])


def _taken(weights: np.ndarray, frequencies: np.ndarray) -> float:
    """Return the fraction of the weighted power that a fit of amplitude, phase, time and chirp removes on average.

    Each of them removes the noise along one direction of the whitened data: the wave times a real or an imaginary function of
    frequency. Each bin loses the fraction of the squared length that the direction has in it.
    """
    functions = np.stack([np.ones_like(frequencies), frequencies, frequencies**_CHIRP])
    roots = np.sqrt(weights)
    # Phase, time and chirp: orthogonal directions of the same span. The amplitude is along the wave itself.
    directions = np.linalg.qr((functions / np.abs(functions).max(axis=1, keepdims=True) * roots).T)[0]
    lengths = np.sum(directions**2, axis=1) + weights
    return float(np.dot(weights, lengths)) / 2
