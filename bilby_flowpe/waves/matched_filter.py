r"""Matched filters: inner products of a wave with the data for every arrival time, by one Fourier transform.

For a wave with the polarisations :math:`h_p`,

.. math:: z_{kp}(\tau) = 4 \, \Delta f \sum_f \overline{h_p(f)} \, d_k(f) \, e^{2 \pi i f \tau} / S_k(f)

is its inner product with the data of detector k if it arrives :math:`\tau` after the start of the segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import ifft

from .harmonics import POLARISATIONS, constant_ratio
from .inner_products import Projection

_MARGIN = 4  # time steps beyond a window of arrival times, as interpolation needs neighbours
_OVERSAMPLING = 4  # time steps in the shortest period of the signal: |z|^2 is smooth on their scale


def steps_in(duration: float, highest: float) -> int:
    """Return the number of time steps, a power of two, in ``duration`` seconds for signals up to ``highest`` Hz."""
    return int(2 ** np.ceil(np.log2(_OVERSAMPLING * highest * duration)))


def steps_around(window: tuple[float, float], reach: float, start: float, spacing: float) -> np.ndarray:
    """Return the time steps, counted from ``start``, at which signals of a window of geocentric times reach any detector.

    Parameters
    ----------
    window
        First and last geocentric time, GPS seconds.
    reach
        Largest delay from the geocentre, in seconds (:func:`bilby_flowpe.waves.detectors.reach_of`).
    start, spacing
        GPS time of step zero, and the length of a step in seconds.
    """
    first = int(np.floor((window[0] - reach - start) / spacing)) - _MARGIN
    last = int(np.ceil((window[1] + reach - start) / spacing)) + _MARGIN
    return np.arange(first, last + 1)


def at_times(spectrum: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return inner products at some time steps, (..., number of steps), from their terms by frequency (..., T).

    ``spectrum`` is overwritten.
    """
    return ifft(spectrum, norm="forward", overwrite_x=True)[..., steps]


class MatchedFilters:
    """Matched filters of each polarisation in each detector.

    Parameters
    ----------
    likelihood
        The user's likelihood.

    Attributes
    ----------
    size
        Number of steps of time in the segment.
    spacing
        Seconds in a step.
    start
        GPS time at which the segment starts.
    """

    def __init__(self, likelihood: GravitationalWaveTransient) -> None:
        self._projections = [Projection(interferometer) for interferometer in likelihood.interferometers]
        duration, self.start = (float(getattr(likelihood.interferometers, name)) for name in ("duration", "start_time"))
        self.size = steps_in(duration, max(projection.highest for projection in self._projections))
        self.spacing = duration / self.size

    def __call__(self, wave: Mapping[str, np.ndarray], steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return inner products with the data at some steps, (D, 2, T) complex, and of the polarisations, (D, 2, 2)."""
        waves = [wave[mode] for mode in POLARISATIONS]
        spectrum = np.zeros((len(self._projections), 2, self.size), dtype=np.complex64)
        norms = np.empty((len(self._projections), 2, 2))
        for index, projection in enumerate(self._projections):
            spectrum[index][:, projection.bins], products = projection.of_series(waves)
            norms[index] = products.real
        ratio = constant_ratio(*waves)
        if ratio is None:
            return at_times(spectrum, steps).astype(np.complex128), norms
        plus = at_times(spectrum[:, 0], steps).astype(np.complex128)
        return np.stack([plus, np.conj(ratio) * plus], axis=1), norms

    def of_series(self, series: Sequence[np.ndarray], steps: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Iterate over detectors: complex inner products of N series with the data, (N, T), and with each other, (N, N)."""
        for projection in self._projections:
            terms, products = projection.of_series(series)
            spectrum = np.zeros((len(series), self.size), dtype=np.complex64)
            spectrum[:, projection.bins] = terms
            yield at_times(spectrum, steps), products

    def norms(self, series: np.ndarray) -> np.ndarray:
        """Return complex inner products of N series with each other in each detector, (D, N, N)."""
        return np.stack([projection.of_series([*series])[1] for projection in self._projections])
