r"""Errors of the calibration, drawn given the wave.

A detector sees :math:`C(f) h(f)`, and for small errors :math:`\delta` the factor is :math:`C_0 + \sum_p \delta_p D_p(f)`. The
log likelihood ratio is then quadratic in them: with the residual :math:`r = d - C_0 h` its gradient is :math:`\mathrm{Re}
\langle D_p h, r \rangle` and its curvature :math:`\mathrm{Re} \langle D_p h, D_q h \rangle`. With priors that are nearly normal
the errors, given the wave, are nearly normal, too. From that density they are drawn, a share of rows from their priors, and the
user's own likelihood weighs what was drawn: what is not linear, or not normal, costs efficiency and no exactness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import Prior
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.linalg import solve_triangular

from .own_likelihood import LogLikelihood
from .parallel import Row, seeded

_FROM_PRIOR = 0.1
_STEP = 1e-4
_ONE_SIGMA = 0.8413447460685429


class CalibrationDraw:
    """Task: errors of the calibration for a row, ``[log likelihood, log prior over density, *errors]``; picklable.

    Parameters
    ----------
    asked
        The user's likelihood, which weighs.
    plain
        The one without calibration, of the same detectors and data.
    priors
        Of the errors.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """

    def __init__(
        self, asked: Likelihood, plain: GravitationalWaveTransient, priors: Mapping[str, Prior], use_ratio: bool
    ) -> None:
        self._log_likelihood = LogLikelihood(asked, use_ratio)
        self._plain, self._priors = plain, dict(priors)
        self._keys = list(self._priors)
        self._centre, self._precision = (
            np.array(column) for column in zip(*map(_moments, priors.values()), strict=True)
        )
        self._detectors = [
            _Linear.of(calibrated, bare, self._keys, self._centre)
            for calibrated, bare in zip(asked.interferometers, plain.interferometers, strict=True)
        ]

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where the likelihood is not a number."""
        rng, row = seeded(row)
        size, priors = len(self._keys), self._priors.values()
        from_prior, shares, normal = rng.random() < _FROM_PRIOR, rng.random(size), rng.standard_normal(size)
        errors = np.array([float(prior.rescale(share)) for prior, share in zip(priors, shares, strict=True)])
        log_ratio = 0.0
        if (found := self._normal(row)) is not None:
            mean, factor = found
            if not from_prior:
                errors = mean + solve_triangular(factor, normal, lower=True, trans="T")
            log_prior = sum(float(prior.ln_prob(error)) for prior, error in zip(priors, errors, strict=True))
            away = factor.T @ (errors - mean)
            log_normal = np.sum(np.log(np.diag(factor))) - 0.5 * away @ away - 0.5 * size * np.log(2 * np.pi)
            log_density = np.logaddexp(np.log1p(-_FROM_PRIOR) + log_normal, np.log(_FROM_PRIOR) + log_prior)
            log_ratio = log_prior - log_density
        value = self._log_likelihood({**row, **dict(zip(self._keys, errors.tolist(), strict=True))})
        return None if value is None else np.array([value[0], log_ratio, *errors])

    def _normal(self, row: Row) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean of the errors and Cholesky factor of their inverse covariance; ``None`` where the waveform fails."""
        plain = self._plain
        waves = plain.waveform_generator.frequency_domain_strain(dict(row))
        if waves is None:
            return None
        precision, gradient = np.diag(self._precision), np.zeros(len(self._keys))
        for detector, interferometer in zip(self._detectors, plain.interferometers, strict=True):
            response = interferometer.get_detector_response(waves, row)[detector.mask]
            of_gradient, of_curvature = detector.terms(response)
            gradient[detector.places] += of_gradient
            precision[np.ix_(detector.places, detector.places)] += of_curvature
        if not (np.all(np.isfinite(precision)) and np.all(np.isfinite(gradient))):
            return None
        factor = np.linalg.cholesky(precision)
        shift = solve_triangular(factor, solve_triangular(factor, gradient, lower=True), lower=True, trans="T")
        return self._centre + shift, factor


@dataclass(frozen=True)
class _Linear:
    """A detector's calibration about the centre of its priors.

    Attributes
    ----------
    places
        Numbers of its errors among all, (p,).
    mask
        Of the frequencies in its band.
    factor
        At the centre, (F,).
    slopes
        Derivatives by its errors, (p, F).
    data, inverse
        Strain, and four over duration and noise power, (F,).
    """

    places: np.ndarray
    mask: np.ndarray
    factor: np.ndarray
    slopes: np.ndarray
    data: np.ndarray
    inverse: np.ndarray

    @classmethod
    def of(cls, calibrated: Interferometer, bare: Interferometer, keys: list[str], centre: np.ndarray) -> _Linear:
        mask = bare.frequency_mask
        frequencies, model = bare.frequency_array[mask], calibrated.calibration_model
        places = np.array([place for place, key in enumerate(keys) if key.startswith(model.prefix)], dtype=int)

        def factor(values: np.ndarray) -> np.ndarray:
            known = dict(zip(keys, values.tolist(), strict=True))
            return model.get_calibration_factor(frequencies, prefix=model.prefix, **known)

        at_centre = factor(centre)
        slopes = [
            (factor(centre + step) - factor(centre - step)) / (2 * _STEP) for step in _STEP * np.eye(len(keys))[places]
        ]
        return cls(
            places,
            mask,
            at_centre,
            np.array(slopes).reshape(len(places), len(frequencies)),
            bare.frequency_domain_strain[mask],
            4 / bare.duration / bare.power_spectral_density_array[mask],
        )

    def terms(self, response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (p,) and curvature (p, p) for a response without calibration errors, (F,)."""
        residual = self.data - self.factor * response
        gradient = (self.slopes.conj() @ (response.conj() * self.inverse * residual)).real
        weight = self.inverse * (response.real**2 + response.imag**2)
        parts = (self.slopes.real, self.slopes.imag)
        return gradient, sum((part * weight) @ part.T for part in parts)


def _moments(prior: Prior) -> tuple[float, float]:
    """Median and inverse variance, by quantiles."""
    low, middle, high = (float(prior.rescale(share)) for share in (1 - _ONE_SIGMA, 0.5, _ONE_SIGMA))
    return middle, (2 / (high - low)) ** 2
