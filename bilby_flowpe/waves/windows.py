r"""Power of whitened noise under the window of the data: its expectation and its variance.

Strain is multiplied by a window :math:`w` before it is transformed. Stationary noise of the likelihood's curve,
whitened by that curve, then no longer has independent numbers of unit variance. With :math:`x_j` the whitened number of
frequency bin j, of N samples, and where the curve is smooth over the few bins that the window's transform is wide,

.. math:: \langle x_j x_k^* \rangle = 2 W_{j-k}, \qquad W_m = \frac{1}{N} \sum_t w_t^2 \, e^{-2 \pi i m t / N} .

:math:`W_0`, the mean square of the window, is what Bilby keeps as ``window_factor``: 0.875 for 4 s with Tukey roll-offs
of 0.4 s. For Gaussian noise the power :math:`P = \sum_j |x_j|^2` over the n bins of a mask has

.. math:: \langle P \rangle = 2 n W_0, \qquad \mathrm{Var}\, P = 4 \sum_{j,k} |W_{j-k}|^2 .

Without a window these are the moments of a chi-squared variable with 2n degrees of freedom.
"""

from __future__ import annotations

import numpy as np
from bilby.gw.detector import Interferometer
from scipy.signal.windows import tukey


def data_mask(detector: Interferometer) -> np.ndarray:
    """Return a mask of the frequency bins that hold data: inside the band, no notch, and a finite noise curve."""
    return detector.frequency_mask & np.isfinite(detector.power_spectral_density_array)


def window_weight(detector: Interferometer) -> float:
    """Return :math:`W_0`, the power of windowed noise over that of the likelihood's curve: 1 without a window."""
    # The factor is set when a time series is first transformed.
    _ = detector.frequency_domain_strain
    return float(detector.strain_data.window_factor) / float(getattr(detector, "_window_power_correction", 1))


def correlations(detector: Interferometer) -> np.ndarray:
    """Return :math:`W_m` of a detector's whitened data, from m = 0 to the number of bins minus one.

    The window is the Tukey window whose mean square is the ``window_factor`` that the data record, which is 1 for data
    made in the frequency domain. Its roll-off follows from the factor, since the ``roll_off`` that Bilby keeps is a
    setting, used or not. Where Bilby is told to scale the curve by the factor (the environment variable
    ``BILBY_INCORRECT_PSD_NORMALIZATION``), so are these.
    """
    # The factor is set when a time series is first transformed.
    bins = len(detector.frequency_domain_strain)
    factor = float(detector.strain_data.window_factor)
    found = np.zeros(bins)
    if factor == 1:
        found[0] = 1
    else:
        samples = 2 * (bins - 1)
        # The mean square of a Tukey window is 1 - 5/8 of the share alpha of it that is tapered. Beyond alpha = 1, a
        # Hann window, there is none: that of the factor's size and Hann's shape.
        square = tukey(samples, min(1.6 * (1 - factor), 1.0)) ** 2
        found = np.abs(np.fft.rfft(square)) / samples
        found *= factor / found[0]
    return found / getattr(detector, "_window_power_correction", 1)


def power_moments(mask: np.ndarray, correlation: np.ndarray) -> tuple[float, float]:
    """Return expectation and variance of the whitened power of stationary Gaussian noise, summed over a mask.

    Parameters
    ----------
    mask
        Bins (F,) that are summed over.
    correlation
        :func:`correlations` of the data, (F,).
    """
    chosen = np.flatnonzero(mask)
    if not len(chosen):
        return 0.0, 0.0
    part = mask[chosen[0] : chosen[-1] + 1].astype(np.float64)
    # Number of pairs of bins at each distance, by the transform of the mask.
    pairs = np.fft.irfft(np.abs(np.fft.rfft(part, 2 * len(part))) ** 2, 2 * len(part))[: len(part)]
    squares = correlation[: len(part)] ** 2
    variance = 4 * (pairs[0] * squares[0] + 2 * np.dot(pairs[1:], squares[1:]))
    return 2 * len(chosen) * float(correlation[0]), float(variance)
