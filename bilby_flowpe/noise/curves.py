"""Data with bands left out, and noise curves multiplied by a factor: interferometers for any likelihood."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from bilby.gw.detector import Interferometer, InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import ConfigurationError
from ..waves.windows import data_mask, window_weight
from .densities import positive
from .models import by_detector
from .transient import takes_options_of

Bands = Sequence[tuple[float, float]]
"""First and last frequency in Hz of each band."""


def notched(interferometers: Iterable[Interferometer], bands: Mapping[str, Bands] | Bands) -> InterferometerList:
    """Return the same data without some bands, for any likelihood, by Bilby's own notches.

    Evidences for these data can only be compared with each other: the data left out enter none of them, neither with a signal
    nor without.

    Parameters
    ----------
    interferometers
        Interferometers with data, which are not changed.
    bands
        First and last frequency in Hz of each band to leave out, both included, for all detectors or by their names. They are
        added to existing notches.

    Raises
    ------
    ConfigurationError
        If the first frequency of a band is not below the last, a detector is unknown, or no data would be left.
    """
    found = [_own_copy(interferometer) for interferometer in interferometers]
    names = [interferometer.name for interferometer in found]
    by_name = dict(bands) if isinstance(bands, Mapping) else dict.fromkeys(names, bands)
    if unknown := sorted({*by_name} - {*names}):
        raise ConfigurationError(
            f"bands name the detectors {unknown}, but the data have {names}: give bands by these names"
        )
    for interferometer in found:
        wanted = [(float(low), float(high)) for low, high in by_name.get(interferometer.name, ())]
        if wrong := [band for band in wanted if not 0 < band[0] < band[1] < np.inf]:
            raise ConfigurationError(
                f"bands of {interferometer.name}: {wrong[0]} is not a band; give two frequencies in Hz above 0, the lower first"
            )
        before = [(one.minimum_frequency, one.maximum_frequency) for one in interferometer.strain_data.notch_list]
        # Bilby leaves out what lies between the two frequencies, and keeps bins that are one of them.
        half = 0.5 / float(interferometer.duration)
        wide = [(max(low - half, half / 2), high + half) for low, high in wanted]
        # A plain list: Bilby 2.8 refuses its own NotchList here.
        interferometer.strain_data.notch_list = [*before, *wide]
        if not data_mask(interferometer).any():
            raise ConfigurationError(
                f"bands of {interferometer.name}: without {wanted} no data are left; give narrower bands"
            )
    return InterferometerList(found)


def scaled(interferometers: Iterable[Interferometer], factors: float | Mapping[str, float]) -> InterferometerList:
    """Return the same data with noise curves multiplied by a factor.

    Parameters
    ----------
    interferometers
        Interferometers with data, which are not changed.
    factors
        Factors of the power: one for all detectors, or one for each by its name.

    Raises
    ------
    ConfigurationError
        If a factor is not above zero, or a detector has none.
    """
    found = [_own_copy(interferometer) for interferometer in interferometers]
    numbers = by_detector("factors", factors, [interferometer.name for interferometer in found])
    for interferometer in found:
        factor = positive(f"factors[{interferometer.name!r}]", numbers[interferometer.name])
        frequencies = interferometer.frequency_array
        curve = interferometer.power_spectral_density.get_power_spectral_density_array(frequencies)
        interferometer.power_spectral_density = PowerSpectralDensity(frequencies, psd_array=factor * curve)
    return InterferometerList(found)


@takes_options_of(GravitationalWaveTransient)
class ScaledNoiseTransient(GravitationalWaveTransient):
    """A transient in Gaussian noise of the curves times known factors, with evidences comparable to those of the given curves.

    This is Bilby's likelihood of :func:`scaled` data plus a constant, with which its evidences can be compared with those of
    likelihoods of the curves as given.

    Parameters
    ----------
    interferometers, waveform_generator
        As for Bilby's likelihood.
    factors
        Factors of the power of each detector, by its name, or one for all.
    **options
        Other arguments of Bilby's likelihood, marginalisations included.

    Raises
    ------
    ConfigurationError
        If a factor is not above zero, or a detector has none.
    """

    tells_power = True

    def __init__(
        self,
        interferometers: InterferometerList | list[Interferometer],
        waveform_generator: WaveformGenerator,
        factors: float | Mapping[str, float],
        **options: Any,
    ) -> None:
        super().__init__(scaled(interferometers, factors), waveform_generator, **options)
        self.factors = by_detector("factors", factors, [one.name for one in self.interferometers])
        self._log_measure = -sum(
            window_weight(one) * np.sum(data_mask(one)) * np.log(self.factors[one.name]) for one in self.interferometers
        )

    def noise_log_likelihood(self) -> float:
        """Return Bilby's value plus the logarithm by which the factors change the unit of the data's density."""
        return float(super().noise_log_likelihood() + self._log_measure)


def _own_copy(interferometer: Interferometer) -> Interferometer:
    own = copy.copy(interferometer)
    own.strain_data = copy.copy(interferometer.strain_data)
    return own
