"""Power that is left in the data after a signal is subtracted, compared with that of Gaussian noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient

from ..errors import SimulationError
from .waveforms import responses, waveform
from .whitening import noise_variance
from .windows import correlations, data_mask, power_moments

_BAND = 8.0  # Hz: wide enough for a line and its wings, narrow enough to be notched out
_NAMED = 3  # most bands that a message names, to keep it short
_FAR = 5.0  # standard deviations from which on a band is named: among hundreds of bands, chance reaches about 3.5
_NO_NOISE = 0.1  # ratio of power left to power expected, below which the data are said to contain no noise


def residual_of(likelihood: GravitationalWaveTransient, log_likelihood_ratio: float) -> float | None:
    """Return the power left in the data, in standard deviations above its expectation for Gaussian noise.

    ``None`` if no signal with a finite likelihood is known.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    log_likelihood_ratio
        Log likelihood ratio of the best signal that is known.
    """
    if not np.isfinite(log_likelihood_ratio):
        return None
    power = -2 * float(likelihood.noise_log_likelihood()) - 2 * log_likelihood_ratio
    return standardised(likelihood.interferometers, power)


def standardised(interferometers: Iterable[Interferometer], power: float) -> float | None:
    """Return power of whitened data in standard deviations above its expectation for Gaussian noise; ``None`` without data.

    Parameters
    ----------
    interferometers
        Interferometers with the data.
    power
        Power of the whitened data, summed over the interferometers.
    """
    moments = [power_moments(data_mask(detector), correlations(detector)) for detector in interferometers]
    expected, variance = np.sum(moments, axis=0)
    return float((power - expected) / np.sqrt(variance)) if variance > 0 else None


def farthest_off(likelihood: GravitationalWaveTransient, row: Mapping[str, float]) -> str | None:
    """Describe where the power left after a signal differs most from that of Gaussian noise of the likelihood's curves.

    The description names the bands of 8 Hz that deviate by more than five standard deviations, three at most.
    ``None`` if there is no waveform.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    row
        All parameters of the signal.
    """
    bands = bands_off(likelihood, row)
    if not bands:
        return None
    if all(power < _NO_NOISE for _, power, *_ in bands):
        return "the data contain hardly any noise"
    worst = [band for band in bands[:_NAMED] if abs(band[0]) > _FAR]
    if not worst:
        return f"a little everywhere, no band of {_BAND:g} Hz deviates by more than {abs(bands[0][0]):.1f} standard deviations"
    return "largest deviation in " + ", then in ".join(
        f"{name} between {low:g} and {high:g} Hz" for _, _, name, low, high in worst
    )


def bands_off(
    likelihood: GravitationalWaveTransient, row: Mapping[str, float]
) -> list[tuple[float, float, str, float, float]]:
    """Return the power left after a signal in every band of 8 Hz, the largest deviation first.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    row
        All parameters of the signal.

    Returns
    -------
    list of tuple
        Deviation in standard deviations, ratio of power to its expectation, name of the detector, first and last frequency in
        Hz; empty if there is no waveform.
    """
    try:
        waves = waveform(likelihood.waveform_generator, row)
    except SimulationError:
        # A subclass of the likelihood may have a waveform generator that it never calls.
        return []
    if waves is None:
        return []
    found = []
    for detector, signal in zip(likelihood.interferometers, responses(likelihood, waves, row), strict=True):
        mask, correlation = data_mask(detector), correlations(detector)
        chosen, frequencies = np.flatnonzero(mask), detector.frequency_array[mask]
        left = (detector.frequency_domain_strain - signal)[mask]
        power = np.abs(left) ** 2 / noise_variance(detector, mask)
        band = ((frequencies - frequencies[:1]) / _BAND).astype(int)
        for index in np.unique(band):
            here = band == index
            inside = np.zeros_like(mask)
            inside[chosen[here]] = True
            expected, variance = power_moments(inside, correlation)
            total, (low, high) = float(power[here].sum()), frequencies[here][[0, -1]]
            off = (total - expected) / np.sqrt(variance)
            found.append((float(off), total / expected, str(detector.name), float(low), float(high)))
    return sorted(found, key=lambda entry: -abs(entry[0]))
