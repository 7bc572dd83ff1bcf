"""Stretch of time and band of frequencies that a network needs to see.

They are found from simulated signals: the part that is cut away may contain only a negligible fraction of the signals' squared
signal-to-noise ratio.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .grid import Grid
from .shifts import time_shift

# Shares of a signal's squared signal-to-noise ratio that may be cut away: of nearly all signals, and on average.
BAND_LOSS = (1e-4, 1e-5)
# The same shares for a stretch of time. They are larger, as lines in a measured noise curve make whitened signals ring through
# the whole segment, and a stretch cannot keep all of that.
STRETCH_LOSS = (1e-2, 3e-3)
_SHORT = 1.0  # seconds: shortening a segment this short would save next to nothing
_WORST = 0.99  # quantile of the signals by which losses are judged, so that single unusual ones do not decide
_STEP = 16.0  # Hz: the upper end of the band is a multiple of this
_PIECES = 16  # pieces of the segment; the stretch is made up of some of them


def narrow_band(signals: np.ndarray, grid: Grid) -> Grid:
    """Return ``grid`` without the high frequencies that the signals do not reach.

    Parameters
    ----------
    signals
        Whitened signals, (N, D, F).
    grid
        Their grid.
    """
    power = np.sum(np.abs(signals) ** 2, axis=1)
    beyond = 1 - np.cumsum(power, axis=-1) / np.sum(power, axis=-1, keepdims=True)
    enough = _negligible(beyond, BAND_LOSS)
    top = float(grid.frequencies[np.argmax(enough)])
    return replace(grid, maximum_frequency=float(min(_STEP * np.ceil(top / _STEP), grid.maximum_frequency)))


def shorten(
    signals: np.ndarray,
    arrival: np.ndarray,
    window: tuple[float, float],
    whole: Grid,
    band: Grid,
    sampling_frequency: float,
) -> Grid:
    """Return ``band`` on the shortest stretch, in sixteenths of the segment, that contains the signals.

    Segments of a second or less stay as they are.

    Parameters
    ----------
    signals
        Whitened signals on the grid ``whole``, (N, D, F).
    arrival
        Their arrival times in seconds from the start of the segment, (N, D).
    window
        Earliest and latest arrival that the prior allows.
    whole
        Grid of the whole segment.
    band
        The same with a narrower band.
    sampling_frequency
        Sampling frequency of the data in Hz.
    """
    if whole.duration <= _SHORT:
        return band
    samples = round(whole.duration * sampling_frequency)
    spectrum = np.zeros((*signals.shape[:-1], samples // 2 + 1), dtype=np.complex64)
    # Put every merger in the middle of the segment to see how far the signals reach before and after it.
    spectrum[..., whole.indices] = signals * time_shift(whole, whole.duration / 2 - arrival).numpy()
    energy = np.sum(np.fft.irfft(spectrum, n=samples) ** 2, axis=1)
    energy /= energy.sum(axis=-1, keepdims=True)
    reach = [
        whole.duration / 2 - np.argmin(_negligible(np.cumsum(side, axis=-1), STRETCH_LOSS)) / sampling_frequency
        for side in (energy, energy[:, ::-1])
    ]
    before, after = (max(float(value), 0.0) for value in reach)
    earliest, latest = window
    # An even number of samples: the stretch is then cut exactly.
    piece = 2 * float(np.ceil(samples / _PIECES / 2)) / sampling_frequency
    duration = piece * float(np.ceil((before + after + latest - earliest) / piece))
    if duration >= whole.duration:
        return band
    middle = (earliest - before + latest + after) / 2
    start = float(np.clip(middle - duration / 2, 0, whole.duration - duration))
    return replace(band, duration=duration, start=round(start * sampling_frequency) / sampling_frequency)


def _negligible(share: np.ndarray, loss: tuple[float, float]) -> np.ndarray:
    """Tell where a fraction (N, M) of the signals is small on average and for all but the worst hundredth, (M,)."""
    return (np.quantile(share, _WORST, axis=0) < loss[0]) & (share.mean(axis=0) < loss[1])
