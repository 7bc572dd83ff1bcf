"""Likelihoods of transients in noise that is not Gaussian, or whose curve is not known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from bilby.gw.detector import Interferometer, InterferometerList
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.special import betaln, gammaln, logsumexp

from ..errors import ConfigurationError
from .densities import Density, Hyperbolic, StudentT, of_segments, positive
from .transient import NoiseModelTransient, takes_options_of

_STEP = 1e-3  # step of the half power u for a derivative, times 1 + u: the error is of the order of its square


class _EachBin(NoiseModelTransient):
    """Noise with independent bins, whose density is one of several for each detector."""

    _densities: list[tuple[Density, ...]]

    def log_density(self, half_power: np.ndarray, detector: int) -> float:
        choices = self._densities[detector]
        weight = self._whitened[detector].weight
        values = [weight * float(np.sum(density.log_density(half_power))) for density in choices]
        return float(logsumexp(values)) - float(np.log(len(values)))

    def equivalent(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        return -self._likeliest(half_power, detector).log_survival(half_power)

    def slope(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        density = self._likeliest(half_power, detector)
        step = _STEP * (1 + half_power)
        low = np.maximum(half_power - step, 0)
        high = half_power + step
        return (density.log_density(low) - density.log_density(high)) / (high - low)

    def _likeliest(self, half_power: np.ndarray, detector: int) -> Density:
        choices = self._densities[detector]
        return choices[int(np.argmax([np.sum(density.log_density(half_power)) for density in choices]))]


@takes_options_of(NoiseModelTransient)
class StudentTTransient(_EachBin):
    r"""A transient in Student-t noise (Roever, Meyer and Christensen 2011), whose power varies around the curve bin by bin.

    Parameters
    ----------
    interferometers, waveform_generator
        As for Bilby's likelihood.
    nu
        Degrees of freedom: the fewer, the heavier the tails. Several values are summed over with equal probabilities,
        separately for each detector, so that the data decide.
    **options
        Other arguments of :class:`.NoiseModelTransient`.

    Raises
    ------
    ConfigurationError, DataError
        As for :class:`.NoiseModelTransient`, and if ``nu`` is not above zero.
    """

    def __init__(
        self,
        interferometers: InterferometerList | list[Interferometer],
        waveform_generator: WaveformGenerator,
        nu: float | Sequence[float] = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
        **options: Any,
    ) -> None:
        values = _values("nu", nu)
        super().__init__(interferometers, waveform_generator, **options)
        self.nu = values
        self._densities = [tuple(map(StudentT, values))] * len(self.interferometers)


@takes_options_of(NoiseModelTransient)
class HyperbolicTransient(_EachBin):
    """A transient in hyperbolic noise (Sasli, Karnesis and Stergioulas 2023): a Gaussian core and exponential tails.

    Parameters
    ----------
    interferometers, waveform_generator
        As for Bilby's likelihood.
    shape
        Twice the half power at which the tails begin. Several values are summed over with equal probabilities, separately for
        each detector.
    **options
        Other arguments of :class:`.NoiseModelTransient`.

    Raises
    ------
    ConfigurationError, DataError
        As for :class:`.NoiseModelTransient`, and if ``shape`` is not above zero.
    """

    def __init__(
        self,
        interferometers: InterferometerList | list[Interferometer],
        waveform_generator: WaveformGenerator,
        shape: float | Sequence[float] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        **options: Any,
    ) -> None:
        values = _values("shape", shape)
        super().__init__(interferometers, waveform_generator, **options)
        self.shape = values
        self._densities = [tuple(map(Hyperbolic, values))] * len(self.interferometers)


@takes_options_of(NoiseModelTransient)
class EstimatedCurveTransient(_EachBin):
    """A transient in Gaussian noise whose curve was estimated from segments, integrated over the true curve.

    Each bin of the true curve is known up to the error of the estimate, with the prior 1/S (Talbot and Thrane 2020). The
    estimate is assumed to be the ``method`` over independent segments as long as the data. An estimate that was smoothed over
    frequencies counts as one from more segments, one from overlapping segments as one from fewer.

    Parameters
    ----------
    interferometers, waveform_generator
        As for Bilby's likelihood, with the estimates as noise curves.
    segments
        Number of independent segments, for all detectors or for each by its name.
    method
        How segments were averaged: ``"median"``, corrected for its bias, or ``"mean"``.
    **options
        Other arguments of :class:`.NoiseModelTransient`.

    Raises
    ------
    ConfigurationError, DataError
        As for :class:`.NoiseModelTransient`, and for an unknown method, less than one segment, or a detector without a number.
    """

    def __init__(
        self,
        interferometers: InterferometerList | list[Interferometer],
        waveform_generator: WaveformGenerator,
        segments: float | Mapping[str, float],
        method: str = "median",
        **options: Any,
    ) -> None:
        super().__init__(interferometers, waveform_generator, **options)
        numbers = by_detector("segments", segments, [one.name for one in self.interferometers])
        self.segments, self.method = numbers, method
        self._densities = [(of_segments(method, numbers[one.name]),) for one in self.interferometers]


@takes_options_of(NoiseModelTransient)
class UncertainScaleTransient(NoiseModelTransient):
    r"""A transient in Gaussian noise whose power is the curve times an unknown factor, which is integrated over.

    The factor of each detector, or of each band of one, has an inverse-gamma prior of mean 1, under which the integral is

    .. math:: \ln \int s^{-n} e^{-P/s}\, p(s)\, ds = a \ln b + \ln \Gamma(a + n) - \ln \Gamma(a) - (a + n) \ln (b + P),

    for n bins whose half powers have the sum P.

    Parameters
    ----------
    interferometers, waveform_generator
        As for Bilby's likelihood.
    spread
        Standard deviation of the factor in the prior.
    edges
        Frequencies in Hz that separate bands with independent factors; by default there is one factor for all frequencies.
    **options
        Other arguments of :class:`.NoiseModelTransient`.

    Raises
    ------
    ConfigurationError, DataError
        As for :class:`.NoiseModelTransient`, and if ``spread`` is not above zero or the edges do not increase.
    """

    def __init__(
        self,
        interferometers: InterferometerList | list[Interferometer],
        waveform_generator: WaveformGenerator,
        spread: float = 0.3,
        edges: Sequence[float] = (),
        **options: Any,
    ) -> None:
        self.spread, self.edges = positive("spread", spread), tuple(map(float, edges))
        if not np.all(np.isfinite(self.edges)) or any(np.diff(self.edges) <= 0):
            raise ConfigurationError(f"edges={edges!r} are not allowed: give increasing frequencies in Hz, or none")
        super().__init__(interferometers, waveform_generator, **options)
        self._a = 2 + 1 / self.spread**2
        self._b = self._a - 1
        self._band = [
            np.searchsorted(self.edges, ifo.frequency_array[one.mask], side="right")
            for ifo, one in zip(self.interferometers, self._whitened, strict=True)
        ]

    def _sums(self, half_power: np.ndarray, detector: int) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers of independent bins and their half power by band, weighted by the window."""
        band, weight = self._band[detector], self._whitened[detector].weight
        bins = weight * np.bincount(band)
        return bins[bins > 0], weight * np.bincount(band, half_power)[bins > 0]

    def log_density(self, half_power: np.ndarray, detector: int) -> float:
        bins, power = self._sums(half_power, detector)
        a, b = self._a, self._b
        # This order of terms keeps its digits for a narrow prior, whose a is large.
        log = gammaln(bins) - betaln(a, bins) - bins * np.log(b) - (a + bins) * np.log1p(power / b)
        return float(np.sum(log))

    def factors(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        """Return posterior means of a detector's factors, by band, given the half powers of its bins."""
        bins, power = self._sums(half_power, detector)
        return (self._b + power) / (self._a + bins - 1)

    def power_left(self, parameters: Mapping[str, float]) -> float | None:
        """Return ``None``, as the factors are fitted to this power, which therefore does not test the model."""
        return None

    def equivalent(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        return half_power * self.slope(half_power, detector)

    def slope(self, half_power: np.ndarray, detector: int) -> np.ndarray:
        factors = self.factors(half_power, detector)
        return np.asarray(1 / factors[np.unique(self._band[detector], return_inverse=True)[1]])


def _values(name: str, given: float | Sequence[float]) -> tuple[float, ...]:
    """Return one number above zero, or several, as a tuple."""
    if isinstance(given, (list, tuple, np.ndarray)) and len(given):
        return tuple(positive(name, value) for value in given)
    return (positive(name, cast(float, given)),)


def by_detector(name: str, given: float | Mapping[str, float], detectors: Sequence[str]) -> dict[str, float]:
    """Return one number for each detector, by its name.

    Raises
    ------
    ConfigurationError
        If a detector has none.
    """
    if not isinstance(given, Mapping):
        return dict.fromkeys(detectors, given)
    if missing := [detector for detector in detectors if detector not in given]:
        raise ConfigurationError(
            f"{name}={dict(given)!r} has no number for {missing}: add one for each of them, or give one number for all"
        )
    return {detector: given[detector] for detector in detectors}
