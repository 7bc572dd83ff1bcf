"""Noise that a likelihood assumes: its variance, the weight in inner products, and series whitened by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.gw.detector import Interferometer

from ..errors import DataError

_ALL = slice(None)


def noise_variance(interferometer: Interferometer, bins: np.ndarray | slice = _ALL) -> np.ndarray:
    """Return the variance ``S T / 4`` of the real and of the imaginary part of the noise, in 1/Hz^2.

    Parameters
    ----------
    interferometer
        Interferometer with its power spectral density S in 1/Hz and its duration T in seconds.
    bins
        Frequencies to return, as a mask or a slice; all by default.
    """
    return interferometer.power_spectral_density_array[bins] * interferometer.duration / 4


def noise_weight(interferometer: Interferometer, bins: np.ndarray | slice = _ALL) -> np.ndarray:
    """Return the weight ``4 / (T S)`` of each frequency in a noise-weighted inner product, in Hz^2.

    This is one over :func:`noise_variance`, in Bilby's order of operations: if the duration is not a power of two, the last
    digit depends on the order.
    """
    return 4 / interferometer.duration / interferometer.power_spectral_density_array[bins]


@dataclass(frozen=True)
class Whitener:
    """Whitening filter of one detector for one-sided series, zero outside the likelihood's band.

    Attributes
    ----------
    scale
        One over the noise's standard deviation at each frequency, (F,).
    """

    scale: np.ndarray

    @classmethod
    def of(cls, interferometer: Interferometer) -> Whitener:
        """Return the whitener of an interferometer.

        Raises
        ------
        DataError
            If the noise curve is not positive and finite somewhere inside the band.
        """
        psd = interferometer.power_spectral_density_array
        mask = interferometer.frequency_mask
        inside = psd[mask]
        # An infinite density is Bilby's way to leave a frequency out.
        bad = np.isnan(inside) | (inside <= 0)
        if np.any(bad):
            first = interferometer.frequency_array[mask][bad][0]
            raise DataError(
                f"{interferometer.name}: the power spectral density is not positive and finite at {first} Hz, inside the "
                "band of the likelihood: give a noise curve that covers minimum_frequency to maximum_frequency"
            )
        scale = np.zeros(len(psd))
        scale[mask] = 1 / np.sqrt(noise_variance(interferometer, mask))
        return cls(scale)

    def __call__(self, series: np.ndarray) -> np.ndarray:
        """Return the series divided by the standard deviation of the noise."""
        return series * self.scale


def whitened(interferometer: Interferometer, series: np.ndarray) -> np.ndarray:
    """Return the time series of a frequency series, in standard deviations of white noise.

    If the detector's band is only a part of all frequencies, the noise has that part of the variance.
    """
    mask = interferometer.frequency_mask
    white = np.zeros(len(mask), dtype=complex)
    white[mask] = series[mask] / np.sqrt(noise_variance(interferometer, mask))
    return np.fft.irfft(white) * np.sqrt(len(mask) - 1)
