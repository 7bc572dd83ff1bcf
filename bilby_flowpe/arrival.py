r"""The time drawn by what the data say of it, given everything that shapes the signal.

One waveform and one Fourier transform give the inner product with the data at every time,

.. math:: z(\tau) = \sum_D 4 \, \Delta f \sum_f \overline{h_D(f)} \, d_D(f) \, e^{2 \pi i f \tau} / S_D(f) ,

and with it the likelihood, averaged over the phase, as a function of the time. The time is drawn from it, times the prior and
at the amplitude that suits it best where the distance is drawn, too; the inner products at that time are then made in the
ordinary way. What is drawn from needs no more than to be known: its coarseness costs efficiency and no exactness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from bilby.core.prior import Prior
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import ifft
from scipy.ndimage import map_coordinates

from .parallel import Row
from .phase import InnerProducts, Projection
from .piecewise import draw_linear

TIME, SHARE = "geocent_time", "share_of_time"
_OVERSAMPLING = 8  # steps in the shortest period of the signal: |z|^2 is smooth on their scale
_REACH = 30.0  # of the logarithm of the density below its top
_MARGIN = 3
_NODES, _NODES_PER_CELL = 256, 4
_FRACTIONS = np.linspace(0.0, 1.0, 33)
_FLOOR = -100.0  # of the log prior
_PRIOR_SHARE = 1e-3  # of times drawn from the prior: whatever the likelihood makes of the signal, none is out of reach

Profile = Callable[[float], Callable[[np.ndarray], np.ndarray]]
"""Of the squared norm: a function from moduli of the inner product (K,) to log likelihoods (K,), rising."""


class TimedProducts:
    """Task: a time, drawn, and the inner products there, ``[re, im, norm, time, log density]``; picklable.

    Rows have all parameters, a time in the prior's window and, as :data:`SHARE`, the share of the density below the time to be
    drawn.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    prior
        Of the geocentric time, of bounded support.
    profile
        Log likelihood of the inner products at the reference amplitude.
    log_scale
        What normalises the prior's density.
    """

    def __init__(
        self, likelihood: GravitationalWaveTransient, prior: Prior, profile: Profile, log_scale: float = 0.0
    ) -> None:
        self._log_scale = log_scale
        self.products = InnerProducts(likelihood)
        self._likelihood, self._prior, self._profile = likelihood, prior, profile
        self._detectors = [Projection(interferometer) for interferometer in likelihood.interferometers]
        self.middle = float(0.5 * (prior.minimum + prior.maximum))
        self._half = float(0.5 * (prior.maximum - prior.minimum))
        duration = float(likelihood.interferometers.duration)
        highest = max(detector.highest for detector in self._detectors)
        self._size = int(2 ** np.ceil(np.log2(_OVERSAMPLING * highest * duration)))
        self._spacing = duration / self._size
        reach = int(np.ceil(self._half / self._spacing)) + _MARGIN
        steps = np.arange(-reach, reach + 1)
        self._bins = steps % self._size
        self._offsets = steps * self._spacing
        # One step beyond either end is needed for interpolation, and none further may be drawn.
        allowed = np.abs(self._offsets) <= self._half + self._spacing
        # Beyond this floor, within a prior that has gaps, the prior's own share of the draws does.
        floored = np.maximum(self._log_prior_at(self._offsets), _FLOOR)
        self._log_prior = np.where(allowed, floored, -np.inf)

    def __call__(self, row: Row) -> np.ndarray | None:
        """``None`` where the waveform fails or is not a number."""
        row = {**row, TIME: self.middle}
        share = row.pop(SHARE)
        polarisations = self.products.polarisations(row)
        density = self._density(polarisations, row) if polarisations is not None else None
        if density is None:
            return None
        row[TIME], log_density = self._draw(*density, share)
        products = self.products.of(polarisations, row)
        return None if products is None else np.array([*products, row[TIME], log_density])

    def _draw(self, offsets: np.ndarray, log_density: np.ndarray, share: float) -> tuple[float, float]:
        """A time and the logarithm of the density it was drawn from."""
        rest = (share - _PRIOR_SHARE) / (1 - _PRIOR_SHARE)
        drawn, of_drawn = draw_linear(offsets[None], log_density[None], np.array([max(rest, 0.0)]))
        offset, density = float(drawn[0]), float(np.exp(of_drawn[0]))
        if rest < 0:
            offset = float(self._prior.rescale(share / _PRIOR_SHARE)) - self.middle
            height = np.exp(log_density - log_density.max())
            density = float(np.interp(offset, offsets, height / np.trapezoid(height, offsets), left=0.0, right=0.0))
        time = float(np.clip(self.middle + offset, self._prior.minimum, self._prior.maximum))
        of_prior = float(np.exp(self._log_prior_at(np.array([offset]))[0] + self._log_scale))
        return time, float(np.log((1 - _PRIOR_SHARE) * density + _PRIOR_SHARE * of_prior))

    def on_nodes(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        """Times that cover the density, (K,), and the inner products there, (K, 3)."""
        row = {**row, TIME: self.middle}
        polarisations = self.products.polarisations(row)
        times = self.middle + self._density(polarisations, row)[0]
        return times, np.array([self.products.of(polarisations, {**row, TIME: float(time)}) for time in times])

    def _density(self, polarisations: Mapping[str, np.ndarray], row: Row) -> tuple[np.ndarray, np.ndarray] | None:
        """Offsets from the middle of the prior and the log density there, (K,) each."""
        squared, norm = self._series(polarisations, row)
        top = float(squared[np.isfinite(self._log_prior)].max())
        if not np.isfinite(top):
            return None
        profile = self._profile(norm)
        log_density = np.full(len(squared), -np.inf)
        # Where the likelihood is hopeless next to its top, as far as the priors of the two can differ, it is not computed.
        worth = np.flatnonzero(squared >= self._cut(profile, top))
        log_density[worth] = self._log_prior[worth] + profile(np.sqrt(squared[worth]))
        near = np.flatnonzero(log_density > log_density[worth].max() - _REACH)
        first, last = max(near[0] - _MARGIN, 0), min(near[-1] + _MARGIN, len(squared) - 1)
        lowest = max(self._offsets[max(near[0] - 1, 0)], -self._half)
        highest = min(self._offsets[min(near[-1] + 1, len(squared) - 1)], self._half)
        if not lowest < highest:
            lowest, highest = max(highest - self._spacing, -self._half), min(lowest + self._spacing, self._half)
        nodes = np.linspace(lowest, highest, max(_NODES, _NODES_PER_CELL * (near[-1] - near[0])) + 1)
        places = (nodes - self._offsets[first]) / self._spacing
        modulus = np.sqrt(np.maximum(map_coordinates(squared[first : last + 1], [places], mode="mirror"), 0.0))
        return nodes, np.maximum(self._log_prior_at(nodes), _FLOOR) + profile(modulus)

    def _log_prior_at(self, offsets: np.ndarray) -> np.ndarray:
        # Clipped as times: the ends of the prior are not those of its middle and half width to the last digit.
        times = np.clip(self.middle + offsets, self._prior.minimum, self._prior.maximum)
        return np.asarray(self._prior.ln_prob(times))

    def _cut(self, profile: Callable[[np.ndarray], np.ndarray], top: float) -> float:
        """Squared modulus below which the density is out of reach of its top."""
        moduli = np.sqrt(top) * _FRACTIONS
        values = profile(moduli)
        hopeless = values < values[-1] - _REACH - np.ptp(self._log_prior[np.isfinite(self._log_prior)])
        return float(moduli[np.flatnonzero(hopeless)[-1]] ** 2) if hopeless.any() else 0.0

    def _series(self, polarisations: Mapping[str, np.ndarray], row: Row) -> tuple[np.ndarray, float]:
        """Squared modulus of the inner product at every step from the middle, (K,), and the squared norm."""
        row = {**row, **self._likelihood.get_sky_frame_parameters(row)}
        spectrum, norm = np.zeros(self._size, dtype=np.complex64), 0.0
        for detector in self._detectors:
            integrand, of_detector = detector.integrand(polarisations, row)
            spectrum[detector.bins] += integrand
            norm += of_detector
        series = ifft(spectrum, norm="forward", overwrite_x=True)[self._bins].astype(np.complex128)
        return series.real**2 + series.imag**2, norm
