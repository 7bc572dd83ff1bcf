r"""Densities of one complex number of whitened noise, as functions of its half power.

A frequency bin holds the complex number :math:`x = d / \sqrt{S T / 4}`. Under Gaussian noise of the curve S its real and its
imaginary part are independent standard normal numbers, and its half power :math:`u = |x|^2 / 2` has the density :math:`e^{-u}`.
All densities here depend on x by u alone, and all are densities in :math:`u > 0` (the phase is uniform), which integrate to 1:
in this measure the Gaussian's logarithm is :math:`-|x|^2 / 2`, the value that Bilby's likelihood has. Sums of these logarithms
may therefore be compared with one another, and with Bilby's.

Student-t noise is that of Roever, Meyer and Christensen (2011, Class. Quantum Grav. 28, 015010), hyperbolic noise that of
Sasli, Karnesis and Stergioulas (2023, arXiv:2305.04709), and a noise curve that was estimated from segments, integrated over
what it leaves unknown, is that of Talbot and Thrane (2020, arXiv:2006.05292); the closed form for the median is derived in
``docs/method.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import betaln, digamma

from ..errors import ConfigurationError


class Density(Protocol):
    """Protocol of densities of the half power of whitened noise."""

    def log_density(self, half_power: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density at each half power, in the same shape."""
        ...

    def log_survival(self, half_power: np.ndarray) -> np.ndarray:
        """Return the logarithm of the probability of a larger half power than each, in the same shape."""
        ...

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw independent half powers, (size,)."""
        ...


def positive(name: str, value: float, least: float = 0.0) -> float:
    """Return ``value`` as a number, which has to be finite and above ``least``.

    Raises
    ------
    ConfigurationError
        If the value is not such a number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and number > least):
        raise ConfigurationError(f"{name}={value!r} is not allowed: give a finite number above {least:g}")
    return number


@dataclass(frozen=True)
class Gaussian:
    """Gaussian noise of the likelihood's curve, as in Bilby's own likelihood."""

    def log_density(self, half_power: np.ndarray) -> np.ndarray:
        """Return minus the half power, the log density."""
        return -half_power

    def log_survival(self, half_power: np.ndarray) -> np.ndarray:
        """Return minus the half power, the log probability of more."""
        return -half_power

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw exponentially distributed half powers, (size,)."""
        return rng.exponential(size=size)


@dataclass(frozen=True)
class StudentT:
    r"""Student-t noise: Gaussian noise whose power in each bin varies around the curve by an unknown factor.

    :math:`p(u) = (1 + 2u/\nu)^{-\nu/2 - 1}`. The curve is the scale of the distribution: the mean power is
    :math:`\nu / (\nu - 2)` of it. Of a mean over N independent segments it is the predictive density with :math:`\nu = 2N`.

    Attributes
    ----------
    nu
        Degrees of freedom; the limit of many is Gaussian noise.
    """

    nu: float

    def __post_init__(self) -> None:
        positive("nu", self.nu)

    def log_density(self, half_power: np.ndarray) -> np.ndarray:
        """Return the log density of each half power."""
        return -(self.nu / 2 + 1) * np.log1p(2 / self.nu * half_power)

    def log_survival(self, half_power: np.ndarray) -> np.ndarray:
        """Return the log probability of more than each half power."""
        return -self.nu / 2 * np.log1p(2 / self.nu * half_power)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw exponential numbers divided by a chi-squared variable over its mean, (size,)."""
        return rng.exponential(size=size) * self.nu / rng.chisquare(self.nu, size)


@dataclass(frozen=True)
class Hyperbolic:
    r"""Hyperbolic noise: Gaussian in its core, exponential in its tails.

    :math:`p(u) \propto \exp(-\sqrt{\zeta} \sqrt{\zeta + 2u})`, which is :math:`e^{-u}` for :math:`u \ll \zeta`.

    Attributes
    ----------
    shape
        :math:`\zeta`, twice the half power at which the tails begin; the limit of a large value is Gaussian noise.
    """

    shape: float

    def __post_init__(self) -> None:
        positive("shape", self.shape)

    def _beyond(self, half_power: np.ndarray) -> np.ndarray:
        r"""Return :math:`\sqrt{\zeta (\zeta + 2u)} - \zeta`, without loss of digits at small u."""
        zeta = self.shape
        return 2 * zeta * half_power / (np.sqrt(zeta * (zeta + 2 * half_power)) + zeta)

    def log_density(self, half_power: np.ndarray) -> np.ndarray:
        """Return the log density of each half power."""
        return np.log(self.shape) - np.log1p(self.shape) - self._beyond(half_power)

    def log_survival(self, half_power: np.ndarray) -> np.ndarray:
        """Return the log probability of more than each half power."""
        beyond = self._beyond(half_power)
        return np.log1p(beyond / (1 + self.shape)) - beyond

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        r"""Draw half powers through the excess of :math:`\sqrt{\zeta(\zeta + 2u)}`, a mixture of two gamma variables."""
        zeta = self.shape
        excess = rng.gamma(np.where(rng.random(size) < zeta / (1 + zeta), 1.0, 2.0))
        return excess * (excess + 2 * zeta) / (2 * zeta)


@dataclass(frozen=True)
class OfMedian:
    r"""Gaussian noise whose curve is the median of N independent segments, integrated over the true curve.

    The median M of N powers in units of their expectation, over its own expectation :math:`\alpha`, is the estimate over the
    true curve. With the prior :math:`1/S` of the latter, :math:`p(u) = \langle (M/\alpha)\, e^{-u M / \alpha} \rangle`, whose
    integral over :math:`u' > u` is the Laplace transform :math:`\varphi(t) = \langle e^{-t M} \rangle` at :math:`t = u /
    \alpha`. Of odd N, with :math:`m = (N + 1)/2`, it is :math:`B(m + t, m) / B(m, m)`; of even N, with :math:`m = N/2`, where
    the median is the mean of the two in the middle, :math:`\varphi(t) \propto B(m + 1 + t, m) / (m + t/2)`.

    Attributes
    ----------
    segments
        Number of segments N. A number that is not whole (segments that overlap count as fewer) is used as if it were odd.
    """

    segments: float

    def __post_init__(self) -> None:
        positive("segments", self.segments, 0.999)

    @property
    def _even(self) -> bool:
        return float(self.segments).is_integer() and self.segments % 2 == 0

    @property
    def bias(self) -> float:
        """Expectation of the median over that of the powers, by which estimates of noise curves are divided."""
        return float(self._slope(np.zeros(1))[0])

    def _log_transform(self, t: np.ndarray) -> np.ndarray:
        """Return the logarithm of the Laplace transform, which is 0 at t = 0."""
        if self._even:
            m = self.segments / 2
            return betaln(m + 1 + t, m) - betaln(m + 1, m) - np.log1p(t / (2 * m))
        m = (self.segments + 1) / 2
        return betaln(m + t, m) - betaln(m, m)

    def _slope(self, t: np.ndarray) -> np.ndarray:
        """Return minus the derivative of that logarithm: the expected median, given that the power exceeds t."""
        if self._even:
            m = self.segments / 2
            return digamma(2 * m + 1 + t) - digamma(m + 1 + t) + 1 / (2 * m + t)
        m = (self.segments + 1) / 2
        return digamma(2 * m + t) - digamma(m + t)

    def log_density(self, half_power: np.ndarray) -> np.ndarray:
        """Return the log density of each half power."""
        t = half_power / self.bias
        return self._log_transform(t) + np.log(self._slope(t) / self.bias)

    def log_survival(self, half_power: np.ndarray) -> np.ndarray:
        """Return the log probability of more than each half power."""
        return self._log_transform(half_power / self.bias)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw half powers by the definition: a power over the median of N others, corrected for its bias.

        Raises
        ------
        ConfigurationError
            If the number of segments is not whole.
        """
        if not float(self.segments).is_integer():
            raise ConfigurationError(
                f"segments={self.segments} is not a whole number: noise can only be drawn for a whole number of segments"
            )
        medians = np.median(rng.exponential(size=(size, int(self.segments))), axis=1)
        return rng.exponential(size=size) * self.bias / medians


def of_segments(method: str, segments: float) -> Density:
    """Return the density of noise under a curve that was estimated from N independent segments.

    Parameters
    ----------
    method
        How segments were averaged: ``"mean"`` (Welch's method) or ``"median"``.
    segments
        Number of segments.

    Raises
    ------
    ConfigurationError
        If the method is another one, or the number is below 1.
    """
    if method not in ("mean", "median"):
        raise ConfigurationError(
            f"method={method!r} is not known: give 'mean' or 'median', whichever the segments of the curve were averaged with"
        )
    number = positive("segments", segments, 0.999)
    return StudentT(2 * number) if method == "mean" else OfMedian(number)
