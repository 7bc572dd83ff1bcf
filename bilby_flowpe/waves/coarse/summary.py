r"""Summary data: inner products of each detector's data with waves that are splines through values at nodes.

A term of a wave is :math:`h_m(f) = c_m(f) e^{i \psi_m(f)}` with a spline :math:`c_m(f) = \sum_j s_j(f) c_{mj}` and a known
phase. Its inner product with the data d of a detector of noise curve S, at an arrival time t, is then a sum over nodes,

.. math:: 4 \Delta f \sum_f \overline{h_m} \, d \, e^{2 \pi i f t} / S = \sum_j \overline{c_{mj}} \, W_{mj}(t), \qquad
    W_{mj}(t) = 4 \Delta f \sum_f s_j \, e^{-i \psi_m} \, d \, e^{2 \pi i f t} / S ,

so that many waves cost one matrix product, whatever the length of the data. Inner products of terms with each other are
:math:`4 \Delta f \sum_f \overline{c_m} c_n \, e^{i (\psi_n - \psi_m)} / S`; the product of two splines is smooth and is itself
taken as a spline, on nodes twice as dense.

The weights :math:`W` are needed in a window of time much shorter than the data. On that window :math:`e^{2 \pi i f t}` changes
little from one frequency of the data to the next. So its factors are first gathered on fewer frequencies, by the transpose of
Lagrange's interpolation between these, which makes the Fourier transform of each spline short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import ifft

from ...errors import CoarseObstacle
from ..inner_products import Projection
from .splines import Spline

_PER_WINDOW = 8  # shortest period in time of the gathered frequencies, as a multiple of the window's length
# Gathered frequencies over which one of the data's is spread: with the factor above, the error is 6e-7 of the largest value.
_NEIGHBOURS = 8
_AT_ONCE = 64  # splines that are transformed at once, which bounds the memory


@dataclass(frozen=True)
class Steps:
    """Time steps at which inner products are computed.

    Attributes
    ----------
    first, count
        First step, counted from the start of the segment, and number of steps.
    in_segment
        Number of steps in the segment, a power of two.
    duration
        Duration of the segment in seconds.
    """

    first: int
    count: int
    in_segment: int
    duration: float


@dataclass(frozen=True)
class DetectorBins:
    """Frequencies of one detector at which waves are not zero: its own band without notches, within the waves' band.

    Attributes
    ----------
    bins
        Frequencies in units of one over the duration, as integers, (F,).
    frequencies
        Frequencies in Hz, (F,).
    data
        The data times the noise weight, (F,) complex.
    weights
        The noise weight, (F,).
    """

    bins: np.ndarray
    frequencies: np.ndarray
    data: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, projection: Projection, band: tuple[float, float]) -> DetectorBins:
        """Return the frequencies of a detector for waves of a band in Hz, both ends included."""
        bins, interferometer = projection.bins, projection.interferometer
        frequencies = interferometer.frequency_array[bins]
        inside = (frequencies >= band[0]) & (frequencies <= band[1])
        data = projection.terms(np.ones((1, len(bins))))[0]
        return cls(bins[inside], frequencies[inside], data[inside], projection.weights[inside])

    def above(self, lowest: float) -> DetectorBins:
        """Return the part at and above a frequency in Hz."""
        inside = self.frequencies >= lowest
        return DetectorBins(self.bins[inside], self.frequencies[inside], self.data[inside], self.weights[inside])


def bins_in_band(
    projections: Sequence[Projection], band: tuple[float, float], least: int
) -> tuple[list[DetectorBins], np.ndarray]:
    """Return the frequencies of every detector within the waves' band, and those of all detectors together, (F,).

    Raises
    ------
    CoarseObstacle
        If there are fewer than ``least`` frequencies.
    """
    detectors = [DetectorBins.of(projection, band) for projection in projections]
    frequencies = np.unique(np.concatenate([detector.frequencies for detector in detectors]))
    if len(frequencies) < least:
        raise CoarseObstacle(
            f"the waves cover {band[0]:g} to {band[1]:g} Hz, where the detectors have {len(frequencies)} frequencies, but at "
            f"least {least} are needed: check minimum_frequency and maximum_frequency of waveforms and detectors, or set "
            "coarse=False"
        )
    return detectors, frequencies


def series_weights(detector: DetectorBins, spline: Spline, phases: np.ndarray, steps: Steps) -> np.ndarray:
    """Return the weights W of every term, (M, J, T), complex64.

    Parameters
    ----------
    detector
        Frequencies and data of the detector.
    spline
        Spline through values at the nodes.
    phases
        Reference phase of every term at the detector's frequencies, (M, F).
    steps
        Time steps.
    """
    first_spline, of_splines = spline.local(detector.frequencies)
    stride = _stride(steps)
    gathered, shares = _gather(detector.bins, stride)
    lowest = int(gathered.min())
    width = int(gathered.max()) - lowest + 1
    size = steps.in_segment // stride
    middle = steps.first + steps.count // 2
    columns = (np.arange(steps.count) + steps.first - middle) % size
    # The shift to the middle of the window is applied to the data's frequencies, steps from there to the gathered ones.
    to_middle = np.exp(2j * np.pi * ((detector.bins * middle) % steps.in_segment) / steps.in_segment)
    found = np.empty((len(phases), len(spline), steps.count), dtype=np.complex64)
    for term, phase in enumerate(phases):
        factors = detector.data * np.exp(-1j * phase) * to_middle
        sums = np.zeros(len(spline) * width, dtype=np.complex128)
        for offset in range(4):
            weighted = factors * of_splines[:, offset]
            rows = (first_spline + offset) * width - lowest
            for neighbour in range(shares.shape[1]):
                places, part = rows + gathered[:, neighbour], weighted * shares[:, neighbour]
                sums.real += np.bincount(places, part.real, len(sums))
                sums.imag += np.bincount(places, part.imag, len(sums))
        of_times = _transformed(sums.reshape(len(spline), width), lowest, size, columns)
        np.matmul(spline.coefficients.T.astype(np.float32), of_times, out=found[term])
    return found


def _stride(steps: Steps) -> int:
    """Return the number of the data's frequencies in a step of the gathered ones, a power of two."""
    stride = 1
    while steps.in_segment // (2 * stride) >= _PER_WINDOW * steps.count:
        stride *= 2
    return stride


def _gather(bins: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of the gathered frequencies that each of the data's is spread over, and their factors, (F, K) each."""
    if stride == 1:
        return bins[:, None], np.ones((len(bins), 1))
    first = bins // stride - _NEIGHBOURS // 2 + 1
    place = bins / stride - first
    numbers = np.arange(_NEIGHBOURS)
    shares = np.ones((len(bins), _NEIGHBOURS))
    for number in numbers:
        for other in numbers[numbers != number]:
            shares[:, number] *= (place - other) / (number - other)
    return first[:, None] + numbers, shares


def _transformed(sums: np.ndarray, lowest: int, size: int, columns: np.ndarray) -> np.ndarray:
    """Transform sums over gathered frequencies to the time steps, (J, T), complex64."""
    found = np.empty((len(sums), len(columns)), dtype=np.complex64)
    places = (np.arange(sums.shape[1]) + lowest) % size
    for start in range(0, len(sums), _AT_ONCE):
        part = sums[start : start + _AT_ONCE]
        spectrum = np.zeros((len(part), size), dtype=np.complex64)
        spectrum[:, places] = part
        found[start : start + _AT_ONCE] = ifft(spectrum, axis=1, norm="forward", overwrite_x=True)[:, columns]
    return found


def norm_weights(detector: DetectorBins, refined: Spline, phases: np.ndarray) -> np.ndarray:
    """Return the weights of the products of terms m and n, (M, M, J'), complex, at nodes that are twice as dense."""
    count = len(phases)
    turns = [np.exp(1j * (phases[n] - phases[m])) * detector.weights for m in range(count) for n in range(count)]
    return refined.weights(detector.frequencies, np.stack(turns)).reshape(count, count, len(refined))
