"""Whitening: series in standard deviations of the noise that a likelihood assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bilby.gw.detector import Interferometer

from ..errors import DataError


@dataclass(frozen=True)
class Whitener:
    """Whitens a one-sided series of one detector as its likelihood does; zero outside the likelihood's band."""

    scale: np.ndarray

    @classmethod
    def of(cls, interferometer: Interferometer) -> Whitener:
        """The whitener of an interferometer.

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
        scale[mask] = 1 / np.sqrt(inside * interferometer.duration / 4)
        return cls(scale)

    def __call__(self, series: np.ndarray) -> np.ndarray:
        whitened: np.ndarray = series * self.scale
        return whitened


def whitened(interferometer: Interferometer, series: np.ndarray) -> np.ndarray:
    """Time series in standard deviations of white noise, of a frequency series.

    Within a band that is but a part of all frequencies the noise has that part of the variance.
    """
    mask = interferometer.frequency_mask
    white = np.zeros(len(mask), dtype=complex)
    white[mask] = series[mask] / np.sqrt(
        interferometer.power_spectral_density_array[mask] * interferometer.duration / 4
    )
    times: np.ndarray = np.fft.irfft(white) * np.sqrt(len(mask) - 1)
    return times
