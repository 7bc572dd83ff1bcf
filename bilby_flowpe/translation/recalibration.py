r"""Calibration errors, drawn given the wave.

A detector records :math:`C(f) h(f)`. The errors have normal coordinates :math:`u`, in which their prior is a standard
normal density. For small errors the factor is :math:`C_0 + \sum_p u_p D_p(f)`, and the log likelihood ratio is
quadratic in them: with the residual :math:`r = d - C_0 h` its gradient is :math:`\mathrm{Re} \langle D_p h, r \rangle`
and its curvature :math:`\mathrm{Re} \langle D_p h, D_q h \rangle`. Given the wave, the errors are therefore nearly
normal. They are drawn from this density, and for a share of rows from their priors; the user's own likelihood weighs
the draws. Nonlinear effects cost efficiency, but the weights stay exact. No density of a prior is needed, and no draw
is outside the prior.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import DiscreteValues, Prior
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.linalg import solve_triangular
from scipy.special import ndtr

from ..likelihoods import LogLikelihood
from ..processes.parallel import Row, seeded
from ..waves.waveforms import waveform
from ..waves.whitening import noise_weight

_FROM_PRIOR = 0.1
"""Share of rows whose errors are drawn from their priors: it bounds weights at ten times those of the prior, and costs
at most a tenth of the efficiency."""

_LEAST = 1e-15  # least probability of the prior below a draw and above it: quantiles of exactly 0 and 1 may be infinite


class CalibrationDraw:
    """Task that draws calibration errors for a row: ``[log likelihood, log prior over density, *errors]``; picklable.

    Parameters
    ----------
    asked
        The user's likelihood, which gives the weight.
    plain
        The likelihood without calibration errors, for the same detectors and data.
    priors
        Priors of the sampled errors.
    fixed
        Values of all fixed parameters, fixed errors included.
    use_ratio
        Whether likelihoods are given as ratios to that of noise alone.
    """

    def __init__(
        self,
        asked: Likelihood,
        plain: GravitationalWaveTransient,
        priors: Mapping[str, Prior],
        fixed: Row,
        use_ratio: bool,
    ) -> None:
        self._log_likelihood = LogLikelihood(asked, use_ratio)
        self._plain, self._priors = plain, dict(priors)
        self._detectors = [
            _Linear.of(calibrated, bare, self._priors, fixed)
            for calibrated, bare in zip(asked.interferometers, plain.interferometers, strict=True)
        ]

    def __call__(self, row: Row) -> np.ndarray | None:
        """Draw errors for a row and evaluate the likelihood; return ``None`` if it is not a number."""
        rng, row = seeded(row)
        from_prior, u = rng.random() < _FROM_PRIOR, rng.standard_normal(len(self._priors))
        log_ratio = 0.0
        if (found := self._normal(row)) is not None:
            mean, factor = found
            if not from_prior:
                u = mean + solve_triangular(factor, u, lower=True, trans="T")
            away = factor.T @ (u - mean)
            # Both are normal densities with the same constant, which is left out.
            log_prior, log_normal = -0.5 * u @ u, np.sum(np.log(np.diag(factor))) - 0.5 * away @ away
            log_ratio = log_prior - np.logaddexp(np.log1p(-_FROM_PRIOR) + log_normal, np.log(_FROM_PRIOR) + log_prior)
        errors = _errors(self._priors, u)
        value = self._log_likelihood({**row, **errors})
        return None if value is None else np.array([value[0], log_ratio, *errors.values()])

    def _normal(self, row: Row) -> tuple[np.ndarray, np.ndarray] | None:
        """Return mean and Cholesky factor of the inverse covariance of the coordinates; ``None`` if the waveform fails."""
        plain = self._plain
        waves = waveform(plain.waveform_generator, row)
        if waves is None:
            return None
        precision, gradient = np.eye(len(self._priors)), np.zeros(len(self._priors))
        for detector, interferometer in zip(self._detectors, plain.interferometers, strict=True):
            response = interferometer.get_detector_response(waves, row)[detector.mask]
            of_gradient, of_curvature = detector.terms(response)
            gradient[detector.places] += of_gradient
            precision[np.ix_(detector.places, detector.places)] += of_curvature
        if not (np.all(np.isfinite(precision)) and np.all(np.isfinite(gradient))):
            return None
        factor = np.linalg.cholesky(precision)
        shift = solve_triangular(factor, solve_triangular(factor, gradient, lower=True), lower=True, trans="T")
        return shift, factor


@dataclass(frozen=True)
class _Linear:
    """A detector's calibration, linearised at the medians of the priors.

    Attributes
    ----------
    places
        Indices of its errors among all, (p,).
    mask
        Mask of the frequencies in its band.
    factor
        Calibration factor at the medians, (F,).
    slopes
        Derivatives of the factor by the coordinates, from one standard deviation below to one above the median, (p, F).
    data, inverse
        Strain, and the weight of each frequency in an inner product, (F,).
    """

    places: np.ndarray
    mask: np.ndarray
    factor: np.ndarray
    slopes: np.ndarray
    data: np.ndarray
    inverse: np.ndarray

    @classmethod
    def of(cls, calibrated: Interferometer, bare: Interferometer, priors: Mapping[str, Prior], fixed: Row) -> _Linear:
        mask = bare.frequency_mask
        # A copy, because models remember their last errors.
        frequencies, model = bare.frequency_array[mask], copy.deepcopy(calibrated.calibration_model)
        # Curves chosen by an index have no derivative: the index is drawn from the prior.
        places = [
            place
            for place, (key, prior) in enumerate(priors.items())
            if key.startswith(model.prefix) and not isinstance(prior, DiscreteValues)
        ]

        def factor(u: np.ndarray) -> np.ndarray:
            errors = {**fixed, **_errors(priors, u)}
            return model.get_calibration_factor(frequencies, prefix=model.prefix, **errors)

        units = np.eye(len(priors))[places]
        return cls(
            np.array(places, dtype=int),
            mask,
            factor(np.zeros(len(priors))),
            np.array([(factor(unit) - factor(-unit)) / 2 for unit in units]).reshape(len(places), len(frequencies)),
            bare.frequency_domain_strain[mask],
            noise_weight(bare, mask),
        )

    def terms(self, response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient (p,) and curvature (p, p) for a response without calibration errors, (F,)."""
        residual = self.data - self.factor * response
        gradient = (self.slopes.conj() @ (response.conj() * self.inverse * residual)).real
        weight = self.inverse * (response.real**2 + response.imag**2)
        parts = (self.slopes.real, self.slopes.imag)
        return gradient, sum((part * weight) @ part.T for part in parts)


def _errors(priors: Mapping[str, Prior], u: np.ndarray) -> Row:
    """Return the errors at normal coordinates (n,)."""
    shares = np.clip(ndtr(u), _LEAST, 1 - _LEAST)
    return {key: float(prior.rescale(share)) for (key, prior), share in zip(priors.items(), shares, strict=True)}
