r"""Density of the distance that sky maps state for each of their cells.

Along a line of sight it is a Gaussian, without its negative distances, times the square of the distance,

.. math:: p(r) = \frac{N}{\sqrt{2\pi}\,\sigma} \exp\left[-\frac{(r - \mu)^2}{2 \sigma^2}\right] r^2 , \qquad r \ge 0 ,

whose parameters are those that give the mean and the standard deviation of the posterior there (Singer et al. 2016,
arXiv:1603.07333 and its supplement, arXiv:1605.04242). With :math:`J_n(z) = \int_0^\infty t^n \phi(t - z)\, dt`, :math:`\phi`
being the normal density and :math:`z = \mu / \sigma`, integrals over r are :math:`\sigma^n J_n(z)`, and :math:`J_n = z J_{n-1}
+ (n - 1) J_{n-2}`. The mean's square over the mean of the square is :math:`J_3^2 / (J_2 J_4)`, a function of z alone that grows
from 3/4 to 1. It is inverted for z, and :math:`\sigma` and N follow. If the relative standard deviation is above :math:`1 /
\sqrt 3`, wider than any such density, the nearest one with that mean is taken.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx

_LEAST, _MOST = -15.0, 1e5  # range of z: relative standard deviations of 0.574 and 1e-5
_STEPS = 60  # bisection steps in arcsinh z, which reach the rounding error


def parameters_of(mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return DISTMU and DISTSIGMA in Mpc, and DISTNORM in 1/Mpc^2, from means and standard deviations in Mpc, (C,) each.

    Where a mean is not a number they are infinity, one and zero, by which the format marks an unknown distance.
    """
    known = np.isfinite(mean) & np.isfinite(deviation) & (mean > 0)
    mu, sigma, norm = np.full(mean.shape, np.inf), np.ones(mean.shape), np.zeros(mean.shape)
    wanted = mean[known] ** 2 / (mean[known] ** 2 + deviation[known] ** 2)
    low, high = np.full(wanted.shape, np.arcsinh(_LEAST)), np.full(wanted.shape, np.arcsinh(_MOST))
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        above = _ratio(np.sinh(middle)) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    z = np.sinh(0.5 * (low + high))
    second, third, _ = _moments(z)
    sigma[known] = mean[known] * second / third
    mu[known] = z * sigma[known]
    norm[known] = 1 / (sigma[known] ** 2 * second * _scale(z))
    return mu, sigma, norm


def moments_of(mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the distance in Mpc, (C,) each; NaN where the distance is not known."""
    known = np.isfinite(mu)
    mean, deviation = np.full(mu.shape, np.nan), np.full(mu.shape, np.nan)
    z = np.clip(mu[known] / sigma[known], _LEAST, _MOST)
    second, third, fourth = _moments(z)
    mean[known] = sigma[known] * third / second
    deviation[known] = sigma[known] * np.sqrt(np.maximum(fourth / second - (third / second) ** 2, 0.0))
    # For large z two nearly equal squares would be subtracted: the leading order in 1/z instead.
    sharp = np.flatnonzero(known)[z > 1e3]
    deviation[sharp] = sigma[sharp]
    return mean, deviation


def _ratio(z: np.ndarray) -> np.ndarray:
    """Return the square of the mean divided by the mean of the square."""
    second, third, fourth = _moments(z)
    exact = third**2 / (second * fourth)
    # 1 - 1/z^2 + ...: for large z the difference from one would be lost by rounding.
    return np.where(z > 1e4, 1 / (1 + 1 / np.maximum(z, 1.0) ** 2), exact)


def _moments(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return J_2, J_3 and J_4, divided by J_0 where z is positive, and by the normal density at z elsewhere."""
    # The ratio of the normal density's share to itself (Mills), which decays as 1/|z|; its inverse where z is positive.
    mills = np.sqrt(np.pi / 2) * erfcx(-np.minimum(z, 0.0) / np.sqrt(2))
    positive = z > 0
    zeroth = np.where(positive, 1.0, mills)
    # phi(z) / Phi(z): it vanishes for large z.
    of_density = np.where(positive, _inverse_mills(np.maximum(z, 0.0)), 1.0)
    first = z * zeroth + of_density
    second = z * first + zeroth
    third = z * second + 2 * first
    return second, third, z * third + 3 * second


def _inverse_mills(z: np.ndarray) -> np.ndarray:
    """Return the normal density at positive z divided by its probability below z."""
    density = np.exp(-0.5 * np.minimum(z, 40.0) ** 2) / np.sqrt(2 * np.pi)
    return density / _share(z)


def _share(z: np.ndarray) -> np.ndarray:
    """Return the probability of a normal density below positive z."""
    clipped = np.minimum(z, 40.0)
    return 1 - 0.5 * erfcx(clipped / np.sqrt(2)) * np.exp(-0.5 * clipped**2)


def _scale(z: np.ndarray) -> np.ndarray:
    """Return the factor that :func:`_moments` has divided by."""
    return np.where(z > 0, _share(np.maximum(z, 0.0)), np.exp(-0.5 * np.minimum(z, 0.0) ** 2) / np.sqrt(2 * np.pi))
