"""Bilby's likelihood of a transient, with another density of the noise in each frequency bin."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from bilby.core.prior import PriorDict
from bilby.gw.detector import Interferometer, InterferometerList, PowerSpectralDensity
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.waveform_generator import WaveformGenerator

from ..errors import ConfigurationError, DataError
from ..waves.residual import standardised
from ..waves.waveforms import responses
from ..waves.whitening import noise_variance
from ..waves.windows import data_mask, window_weight

_Kind = TypeVar("_Kind")
_LEAST_WEIGHT = 1e-6  # smallest weight of a bin relative to Gaussian noise, which keeps the noise curve finite
_FLAGS = ("time_marginalization", "distance_marginalization", "phase_marginalization", "calibration_marginalization")


@dataclass(frozen=True)
class Whitened:
    """Whitened data of one detector.

    Attributes
    ----------
    mask
        Frequency bins that contain data, (F,).
    data
        Whitened data of these bins, (B,), with real and imaginary parts of unit variance each if the curve is right.
    scale
        Factor by which strain is multiplied to whiten it, (B,).
    weight
        Number of independent bins that one bin counts as: the mean square of the window (:mod:`bilby_flowpe.waves.windows`).
    """

    mask: np.ndarray
    data: np.ndarray
    scale: np.ndarray
    weight: float

    @classmethod
    def of(cls, interferometer: Interferometer) -> Whitened:
        """Whiten the data of an interferometer.

        Raises
        ------
        DataError
            If the noise curve is not positive in the band, or there are no data.
        """
        mask = data_mask(interferometer)
        variance = noise_variance(interferometer, mask)
        if not mask.any() or not np.all(variance > 0):
            raise DataError(
                f"{interferometer.name} has no data in the band, or a noise curve that is not positive there: give a curve "
                "that covers minimum_frequency to maximum_frequency, and do not notch out all of the band"
            )
        weight = window_weight(interferometer)
        scale = 1 / np.sqrt(variance * weight)
        return cls(mask, interferometer.frequency_domain_strain[mask] * scale, scale, weight)

    def half_power(self, signal: np.ndarray | None = None) -> np.ndarray:
        """Return the half power (B,) of the data minus a signal, which is given at all frequencies, (F,)."""
        left = self.data if signal is None else self.data - signal[self.mask] * self.scale
        return (left.real**2 + left.imag**2) / 2


def takes_options_of(base: Any) -> Callable[[type[_Kind]], type[_Kind]]:
    """Return a decorator that names a base class's parameters in a constructor that passes them on as ``**options``.

    bilby_pipe passes a likelihood only those of its settings that the constructor names.

    Parameters
    ----------
    base
        Class whose constructor takes ``**options``.
    """

    def named(kind: type[_Kind]) -> type[_Kind]:
        constructor: Any = kind.__init__
        own = [one for one in inspect.signature(constructor).parameters.values() if one.kind is not one.VAR_KEYWORD]
        known = {one.name for one in own}
        further = [one for one in inspect.signature(base.__init__).parameters.values() if one.name not in known]
        constructor.__signature__ = inspect.Signature([*own, *further])
        return kind

    return named


class NoiseModelTransient(GravitationalWaveTransient):
    """Base class of transients in noise that is not Gaussian noise of a known curve.

    Parameters and data are those of Bilby's ``GravitationalWaveTransient``, and it can be used with any sampler. Its values are
    log densities in the units in which Gaussian noise has Bilby's own value (:mod:`bilby_flowpe.noise.densities`). So evidences
    of different noise models, and Bilby's, can be compared as long as data, noise curves and frequency bins are the same.

    Data that were multiplied by a window have correlated bins of less power. Each bin's power is compared with its expectation
    under the window, and counts as a fraction of an independent bin, so that the Gaussian limit is Bilby's value for any
    window.

    Parameters
    ----------
    interferometers, waveform_generator, priors, reference_frame, time_reference
        As for Bilby's likelihood.
    time_marginalization, distance_marginalization, phase_marginalization, calibration_marginalization
        Accepted for compatibility, but only as False: under such noise there are no closed-form integrals.

    Raises
    ------
    ConfigurationError
        If a marginalisation is switched on.
    DataError
        If there are no data, or no noise curve for them.
    """

    tells_power = True
    """Tells a run that :meth:`power_left` knows how much power a signal leaves in the data."""
    _noise_log_likelihood_value: float | None

    def __init__(
        self,
        interferometers: InterferometerList | list[Interferometer],
        waveform_generator: WaveformGenerator,
        priors: PriorDict | None = None,
        reference_frame: str = "sky",
        time_reference: str = "geocenter",
        time_marginalization: bool = False,
        distance_marginalization: bool = False,
        phase_marginalization: bool = False,
        calibration_marginalization: bool = False,
    ) -> None:
        given = (time_marginalization, distance_marginalization, phase_marginalization, calibration_marginalization)
        for name, value in zip(_FLAGS, given, strict=True):
            if value:
                raise ConfigurationError(
                    f"{name}={value!r}: a {type(self).__name__} cannot be marginalised, since its noise is not Gaussian "
                    f"noise of a known curve: leave {name} out; sampler='flowpe' draws phase, distance and time in closed "
                    "form for Gaussian noise, and weights the draws by this likelihood"
                )
        super().__init__(
            interferometers,
            waveform_generator,
            priors=priors,
            reference_frame=reference_frame,
            time_reference=time_reference,
        )
        self._whitened = [Whitened.of(interferometer) for interferometer in self.interferometers]

    @abstractmethod
    def log_density(self, half_power: np.ndarray, detector: int) -> float:
        """Return the log density of all data of a detector, in which each bin counts by the window's weight.

        Parameters
        ----------
        half_power
            Half powers of the detector's bins, (B,).
        detector
            Number of the detector.
        """

    @abstractmethod
    def equivalent(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        """Return half powers (B,) that are as improbable in Gaussian noise: minus the log probability of the tail."""

    @abstractmethod
    def slope(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        """Return minus the derivative of the log density with respect to each half power, (B,): 1 for Gaussian noise."""

    def noise_log_likelihood(self) -> float:
        """Return the log density of the data without a signal."""
        if self._noise_log_likelihood_value is None:
            self._noise_log_likelihood_value = float(
                sum(self.log_density(one.half_power(), number) for number, one in enumerate(self._whitened))
            )
        return float(self._noise_log_likelihood_value)

    def log_likelihood_ratio(self, parameters: Mapping[str, float] | None = None) -> float:
        """Return the log density of the data with a signal minus that without, as for Bilby's likelihood.

        Parameters
        ----------
        parameters
            All parameters of the signal.
        """
        signals = self._signals(parameters)
        if signals is None:
            return float(np.nan_to_num(-np.inf))
        pairs = enumerate(zip(self._whitened, signals, strict=True))
        found = sum(self.log_density(one.half_power(signal), number) for number, (one, signal) in pairs)
        return float(found - self.noise_log_likelihood())

    def compute_per_detector_log_likelihood(self, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Add the log likelihood ratio of each detector to the parameters, under Bilby's names."""
        parameters = dict(self.parameters if parameters is None else parameters)
        signals = self._signals(parameters)
        for number, (one, interferometer) in enumerate(zip(self._whitened, self.interferometers, strict=True)):
            value = np.nan
            if signals is not None:
                value = self.log_density(one.half_power(signals[number]), number) - self.log_density(
                    one.half_power(), number
                )
            parameters[f"{interferometer.name}_log_likelihood"] = value
        return parameters

    def power_left(self, parameters: Mapping[str, float]) -> float | None:
        """Return the power left in the data after a signal, in standard deviations above that of noise of this kind.

        The power of each bin is replaced by one that is as improbable in Gaussian noise. ``None`` if there is no waveform.

        Parameters
        ----------
        parameters
            All parameters of the signal.
        """
        signals = self._signals(parameters)
        if signals is None:
            return None
        power = 0.0
        for number, (one, signal) in enumerate(zip(self._whitened, signals, strict=True)):
            power += 2 * one.weight * float(np.sum(self.equivalent(one.half_power(signal), number)))
        return standardised(self.interferometers, power)

    def curves_near(self, parameters: Mapping[str, float]) -> InterferometerList:
        """Return data with noise curves under which the Gaussian likelihood nearly equals this one, near a signal.

        Bins of very large power, which heavy tails explain, count little in both. These data serve to draw samples with.

        Parameters
        ----------
        parameters
            All parameters of a signal that is near the data's.
        """
        found = []
        powers = self.half_powers(parameters)
        for number, (given, one) in enumerate(zip(self.interferometers, self._whitened, strict=True)):
            weight = np.maximum(self.slope(powers[number], number), _LEAST_WEIGHT)
            # The information on a signal is the mean of u w^2; weights w alone would give the mean of u w.
            weight *= np.sum(powers[number] * weight**2) / np.sum(powers[number] * weight)
            frequencies = given.frequency_array
            curve = given.power_spectral_density.get_power_spectral_density_array(frequencies).copy()
            curve[one.mask] /= weight
            own = copy.copy(given)
            own.power_spectral_density = PowerSpectralDensity(frequencies, psd_array=curve)
            found.append(own)
        return InterferometerList(found)

    def half_powers(self, parameters: Mapping[str, float] | None = None) -> list[np.ndarray]:
        """Return the half powers (B,) of each detector's data, minus a signal if one is given."""
        signals = None if parameters is None else self._signals(parameters)
        if signals is None:
            return [one.half_power() for one in self._whitened]
        return [one.half_power(signal) for one, signal in zip(self._whitened, signals, strict=True)]

    def _signals(self, parameters: Mapping[str, float] | None) -> list[np.ndarray] | None:
        row = copy.copy(dict(self.parameters if parameters is None else parameters))
        # The generator adds converted parameters to its argument; the responses use the row as it was given.
        waves = self.waveform_generator.frequency_domain_strain(dict(row))
        return None if waves is None else responses(self, waves, row)
