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
_LEAST_WEIGHT = 1e-6  # of a bin, over that in Gaussian noise: a noise curve has to be finite
_FLAGS = ("time_marginalization", "distance_marginalization", "phase_marginalization", "calibration_marginalization")


@dataclass(frozen=True)
class Whitened:
    """The data of one detector as a density of noise sees them.

    Attributes
    ----------
    mask
        Frequency bins that hold data, (F,).
    data
        Whitened numbers of these, (B,), of unit variance each in the real and the imaginary part where the curve is right.
    scale
        By which strain is multiplied for that, (B,).
    weight
        For how many independent numbers one counts: the mean square of the window (:mod:`bilby_flowpe.waves.windows`).
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
            If its noise curve is not positive in the band, or there are no data.
        """
        mask = data_mask(interferometer)
        variance = noise_variance(interferometer, mask)
        if not mask.any() or not np.all(variance > 0):
            raise DataError(
                f"{interferometer.name}: no data in the band, or a noise curve that is not positive there: give a curve that "
                "covers minimum_frequency to maximum_frequency, and leave some of it in"
            )
        weight = window_weight(interferometer)
        scale = 1 / np.sqrt(variance * weight)
        return cls(mask, interferometer.frequency_domain_strain[mask] * scale, scale, weight)

    def half_power(self, signal: np.ndarray | None = None) -> np.ndarray:
        """Half power (B,) of the data less a signal, whose strain is given at all frequencies, (F,)."""
        left = self.data if signal is None else self.data - signal[self.mask] * self.scale
        return (left.real**2 + left.imag**2) / 2


def takes_options_of(base: Any) -> Callable[[type[_Kind]], type[_Kind]]:
    """Name the parameters of a base class's constructor in that of a class that hands them on as ``**options``.

    bilby_pipe gives a likelihood those of its settings that the constructor names, and leaves out the others.

    Parameters
    ----------
    base
        Whose parameters ``**options`` are.
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
    """A transient in noise of another kind than Gaussian noise of a known curve: base of all such likelihoods.

    Parameters and data are those of Bilby's ``GravitationalWaveTransient``, and it is used as that is, with any sampler. Its
    values are logarithms of densities in the measure in which the Gaussian's is Bilby's own value
    (:mod:`bilby_flowpe.noise.densities`), so that evidences of different noise models, and Bilby's, can be compared as long as
    data, noise curves and frequency bins are the same.

    Data that were multiplied by a window have correlated bins of less power. Each bin's power is compared with its own
    expectation, and counts for as much of an independent one as the window leaves, by which the Gaussian limit is Bilby's
    value for any window.

    Parameters
    ----------
    interferometers, waveform_generator, priors, reference_frame, time_reference
        As of Bilby's likelihood.
    time_marginalization, distance_marginalization, phase_marginalization, calibration_marginalization
        There for their names' sake: nothing has a closed-form integral under such noise.

    Raises
    ------
    ConfigurationError
        If a marginalisation is asked for.
    DataError
        If there are no data, or no noise curve for them.
    """

    tells_power = True
    """Says to a run how much power a signal leaves, by :meth:`power_left`."""
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
                    f"{name}={value!r}: a {type(self).__name__} integrates nothing out, since its noise is not Gaussian of a "
                    "known curve: leave it out; sampler='flowpe' draws phase, distance and time by the Gaussian's closed form, "
                    "and weights by this likelihood"
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
        """Logarithm of the density of all data of a detector, in which a bin counts by the window's weight.

        Parameters
        ----------
        half_power
            Of its bins, (B,).
        detector
            Its number.
        """

    @abstractmethod
    def equivalent(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        """Half powers (B,) as improbable in Gaussian noise of the curve: minus the logarithm of the tail's probability."""

    @abstractmethod
    def slope(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        """Minus the derivative of the logarithm of the density by each half power, (B,): 1 for Gaussian noise."""

    def noise_log_likelihood(self) -> float:
        """Logarithm of the density of the data without a signal."""
        if self._noise_log_likelihood_value is None:
            self._noise_log_likelihood_value = float(
                sum(self.log_density(one.half_power(), number) for number, one in enumerate(self._whitened))
            )
        return float(self._noise_log_likelihood_value)

    def log_likelihood_ratio(self, parameters: Mapping[str, float] | None = None) -> float:
        """Logarithm of the density of the data with a signal over that without, as of Bilby's likelihood.

        Parameters
        ----------
        parameters
            All of the signal.
        """
        signals = self._signals(parameters)
        if signals is None:
            return float(np.nan_to_num(-np.inf))
        pairs = enumerate(zip(self._whitened, signals, strict=True))
        found = sum(self.log_density(one.half_power(signal), number) for number, (one, signal) in pairs)
        return float(found - self.noise_log_likelihood())

    def compute_per_detector_log_likelihood(self, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ratio of each detector, added to the parameters under Bilby's names."""
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
        """Power left in the data after a signal, in standard deviations over that of noise of this kind.

        The power of each bin is taken for that of Gaussian noise which is as improbable; ``None`` where there is no waveform.

        Parameters
        ----------
        parameters
            All of the signal.
        """
        signals = self._signals(parameters)
        if signals is None:
            return None
        power = 0.0
        for number, (one, signal) in enumerate(zip(self._whitened, signals, strict=True)):
            power += 2 * one.weight * float(np.sum(self.equivalent(one.half_power(signal), number)))
        return standardised(self.interferometers, power)

    def curves_near(self, parameters: Mapping[str, float]) -> InterferometerList:
        """Noise curves under which the Gaussian likelihood has nearly the values of this one, near a signal.

        A bin whose power is a fluke of heavy tails counts for little, as it does here. What they are for is to draw with.

        Parameters
        ----------
        parameters
            All of a signal that is near the data's.
        """
        found = []
        powers = self.half_powers(parameters)
        for number, (given, one) in enumerate(zip(self.interferometers, self._whitened, strict=True)):
            weight = np.maximum(self.slope(powers[number], number), _LEAST_WEIGHT)
            # Information on a signal is the mean of u w^2, and what the weights alone would leave is that of u w.
            weight *= np.sum(powers[number] * weight**2) / np.sum(powers[number] * weight)
            frequencies = given.frequency_array
            curve = given.power_spectral_density.get_power_spectral_density_array(frequencies).copy()
            curve[one.mask] /= weight
            own = copy.copy(given)
            own.power_spectral_density = PowerSpectralDensity(frequencies, psd_array=curve)
            found.append(own)
        return InterferometerList(found)

    def half_powers(self, parameters: Mapping[str, float] | None = None) -> list[np.ndarray]:
        """Half powers (B,) of the data of each detector, less a signal where one is given."""
        signals = None if parameters is None else self._signals(parameters)
        if signals is None:
            return [one.half_power() for one in self._whitened]
        return [one.half_power(signal) for one, signal in zip(self._whitened, signals, strict=True)]

    def _signals(self, parameters: Mapping[str, float] | None) -> list[np.ndarray] | None:
        row = copy.copy(dict(self.parameters if parameters is None else parameters))
        # The generator adds what it converts; the responses are of the row as it was given.
        waves = self.waveform_generator.frequency_domain_strain(dict(row))
        return None if waves is None else responses(self, waves, row)
