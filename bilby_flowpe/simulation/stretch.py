"""Which stretch of time and band of frequencies a network needs to see.

Pilot signals decide: what is cut away may hold only a negligible share of any signal's squared signal-to-noise ratio.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..grid import Grid

WORST_LOSS, MEAN_LOSS = 5e-4, 5e-5
_STEP = 16.0


def narrow_band(signals: np.ndarray, grid: Grid) -> Grid:
    """``grid`` without the high frequencies that the signals do not reach.

    Parameters
    ----------
    signals
        Whitened signals, (N, D, F).
    grid
        Their grid.
    """
    power = np.sum(np.abs(signals) ** 2, axis=1)
    beyond = 1 - np.cumsum(power, axis=-1) / np.sum(power, axis=-1, keepdims=True)
    enough = _negligible(beyond)
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
    """``band`` on the shortest stretch, of the segment's length over a power of two, that holds every signal.

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
        In Hz.
    """
    samples = round(whole.duration * sampling_frequency)
    spectrum = np.zeros((*signals.shape[:-1], samples // 2 + 1), dtype=np.complex64)
    # Put every merger in the middle of the segment to see how far the signals reach before and after it.
    spectrum[..., whole.indices] = signals * whole.shift(whole.duration / 2 - arrival).numpy()
    energy = np.sum(np.fft.irfft(spectrum, n=samples) ** 2, axis=1)
    energy /= energy.sum(axis=-1, keepdims=True)
    reach = [
        whole.duration / 2 - np.argmin(_negligible(np.cumsum(side, axis=-1))) / sampling_frequency
        for side in (energy, energy[:, ::-1])
    ]
    before, after = (max(float(value), 0.0) for value in reach)
    earliest, latest = window
    duration = whole.duration
    while duration / 2 >= before + after + latest - earliest:
        duration /= 2
    if duration == whole.duration:
        return band
    middle = (earliest - before + latest + after) / 2
    start = float(np.clip(middle - duration / 2, 0, whole.duration - duration))
    return replace(band, duration=duration, start=round(start * sampling_frequency) / sampling_frequency)


def _negligible(share: np.ndarray) -> np.ndarray:
    """Where a share (N, M) of the signals is small for the worst and on average, (M,)."""
    return (share.max(axis=0) < WORST_LOSS) & (share.mean(axis=0) < MEAN_LOSS)
