"""Add sine-Gaussian bursts to data, for examples in which the noise is not what the likelihood assumes."""

from __future__ import annotations

from typing import Any

import numpy as np

SNR = 20.0


def burst(interferometer: Any, merger: float, rng: np.random.Generator) -> np.ndarray:
    """Return a sine-Gaussian of signal-to-noise ratio 20 that overlaps with a signal.

    Parameters
    ----------
    interferometer
        Detector that sees it.
    merger
        GPS time in seconds that it is at most 0.1 s before and 0.02 s after.
    rng
        Draws centre, width, time and phase.

    Returns
    -------
    numpy.ndarray
        Frequency domain, (F,), in 1/Hz, nothing outside the band.
    """
    frequencies, mask = interferometer.frequency_array, interferometer.frequency_mask
    centre, width = rng.uniform(60, 200), rng.uniform(5, 20)
    time = merger - interferometer.start_time + rng.uniform(-0.1, 0.02)
    shape = np.exp(
        -(((frequencies - centre) / width) ** 2) - 2j * np.pi * frequencies * time + 1j * rng.uniform(0, 2 * np.pi)
    )
    psd = interferometer.power_spectral_density_array
    power = 4 / interferometer.duration * np.sum(np.abs(shape[mask]) ** 2 / psd[mask])
    return np.where(mask, shape, 0) * SNR / power**0.5
