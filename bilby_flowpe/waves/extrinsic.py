"""Complex factors by which distance, phase, inclination and sky position change a stored waveform in each detector."""

from __future__ import annotations

import numpy as np

from ..names import DEC, DISTANCE, INCLINATION, PHASE, PLACE, PSI, RA, TIME
from ..priors import Parameters, PriorTransform
from .detectors import Detector
from .harmonics import inclination_factors
from .symmetries import Symmetries

# Deviation of two signals, relative to the largest amplitude, below which they count as the same. Only the proposal depends on
# this; the weights correct for what is neglected.
_REFLECTION_TOLERANCE = 1e-3
_DARK = 0.02  # smallest ratio of plus to cross response at which an edge-on signal counts as visible in the detector


class Extrinsic:
    """Factors that make the signal in each detector from stored polarisations.

    Parameters
    ----------
    transform
        The prior, with the values of fixed parameters.
    detectors
        Geometry of the detectors.
    symmetries
        Parameters that change the polarisations by algebra alone.
    """

    def __init__(self, transform: PriorTransform, detectors: tuple[Detector, ...], symmetries: Symmetries) -> None:
        self.transform, self.detectors, self.symmetries = transform, detectors, symmetries

    def known(self, parameters: Parameters) -> Parameters:
        """Return ``parameters`` together with the fixed ones, as columns."""
        return with_fixed(self.transform, parameters)

    @property
    def reference_distance(self) -> float:
        """Distance of the stored waveforms in Mpc."""
        return {**self.transform.fixed, **self.transform.from_median()}[DISTANCE]

    def amplitudes(self, parameters: Parameters) -> np.ndarray:
        """Return complex factors of the stored polarisations, (N, D, P), for distance, phase, inclination and antenna."""
        known = self.known(parameters)
        size = len(known[TIME])
        scale = self.reference_distance / known[DISTANCE] + 0j
        if self.symmetries.phase_order:
            scale = scale * np.exp(1j * self.symmetries.phase_order * known[PHASE])
        plus, cross = inclination_factors(known[INCLINATION]) if self.symmetries.inclination else (1.0, 1.0)
        factors = np.empty((size, len(self.detectors), 2), dtype=np.complex128)
        for index, detector in enumerate(self.detectors):
            antenna = detector.antenna(known[RA], known[DEC], known[PSI], known[TIME])
            factors[:, index, 0] = antenna[0] * plus * scale
            factors[:, index, 1] = antenna[1] * cross * scale
        if self.symmetries.cross_ratio:
            return factors[..., :1] + self.symmetries.cross_ratio * factors[..., 1:]
        return factors

    def reflects_inclination(self, any_angle: bool) -> bool:
        """Tell whether ``theta_jn`` and ``pi - theta_jn`` give the same signal in every detector.

        Parameters
        ----------
        any_angle
            True if signals that differ by a constant phase count as the same, as they do if the phase is drawn from its
            conditional.
        """
        transform = self.transform
        if not (self.symmetries.inclination and INCLINATION in transform.independent_keys()):
            return False
        prior = transform.priors[INCLINATION]
        trial = np.linspace(prior.minimum, prior.maximum, 9)
        if not np.allclose(prior.cdf(np.pi - trial), 1 - prior.cdf(trial), atol=1e-9):
            return False
        draws = transform.sample(64, np.random.default_rng(2))
        one, other = self.amplitudes(draws), self.amplitudes({**draws, INCLINATION: np.pi - draws[INCLINATION]})
        if any_angle:
            common = np.sum(one * other.conj(), axis=(1, 2), keepdims=True)
            other = other * common / np.maximum(np.abs(common), 1e-300)
        return bool(np.max(np.abs(one - other)) <= _REFLECTION_TOLERANCE * np.max(np.abs(one)))

    def single_response(self) -> tuple[float, float] | None:
        """Return the antenna response of a single detector if only distance and inclination act through it, else ``None``."""
        transform = self.transform
        needed = {DISTANCE, INCLINATION}
        sky_fixed = all(key in transform.fixed for key in PLACE)
        if len(self.detectors) != 1 or not sky_fixed or not needed <= set(transform.independent_keys()):
            return None
        known = self.known({key: np.array([value]) for key, value in transform.from_median().items()})
        plus, cross = self.detectors[0].antenna(known[RA], known[DEC], known[PSI], known[TIME])
        # Without a plus response an edge-on signal would vanish, and the effective distance would have no upper bound.
        return (float(plus[0]), float(cross[0])) if abs(plus[0]) > _DARK * abs(cross[0]) else None


def with_fixed(transform: PriorTransform, parameters: Parameters) -> Parameters:
    """Return ``parameters`` together with the fixed ones of the prior, as columns."""
    size = len(next(iter(parameters.values())))
    return {**{key: np.full(size, value) for key, value in transform.fixed.items()}, **parameters}
