r"""Inner products of a signal with the data, :math:`\langle h, d \rangle`, and with itself, as the likelihood has them.

With the noise-weighted product :math:`\langle a, b \rangle = (4 / T) \sum_f \overline{a(f)} \, b(f) / S(f)`, summed over
detectors, the log likelihood ratio is :math:`\mathrm{Re} \langle h, d \rangle - \langle h, h \rangle / 2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.detector.calibration import Recalibrate
from bilby.gw.likelihood import GravitationalWaveTransient

from ..names import DEC, PHASE, PSI, RA, TIME
from ..overrides import replaced
from ..processes.parallel import Row
from .waveforms import waveform
from .whitening import noise_weight


class InnerProducts:
    """Task that returns complex inner product with the data and squared norm, ``[re, im, norm]``; it can be pickled.

    If the likelihood computes inner products from polarisations as Bilby does, they are computed here, faster; the methods of a
    subclass that does it differently are called.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    own_phase
        True if the products are those at a row's own phase; at phase zero otherwise.
    """

    def __init__(self, likelihood: GravitationalWaveTransient, own_phase: bool = False) -> None:
        self.likelihood = likelihood
        self._phase: Row = {} if own_phase else {PHASE: 0.0}
        plain = not replaced(likelihood, GravitationalWaveTransient, _LIKELIHOOD_METHODS) and all(
            type(ifo.calibration_model) is Recalibrate and not replaced(ifo, Interferometer, _DETECTOR_METHODS)
            for ifo in likelihood.interferometers
        )
        self._detectors = [Projection(ifo) for ifo in likelihood.interferometers] if plain else None

    @property
    def plain(self) -> bool:
        """True if the likelihood computes its inner products as Bilby does."""
        return self._detectors is not None

    def __call__(self, row: Row) -> np.ndarray | None:
        """Return the products of one row, or ``None`` where the waveform fails or is not a number."""
        polarisations = self.polarisations(row)
        return None if polarisations is None else self.of(polarisations, row)

    def polarisations(self, row: Row) -> Mapping[str, np.ndarray] | None:
        """Return the polarisations at phase zero, or at the row's own phase; ``None`` where the waveform fails."""
        return waveform(self.likelihood.waveform_generator, {**row, **self._phase})

    def of(self, polarisations: Mapping[str, np.ndarray], row: Row) -> np.ndarray | None:
        """Return the inner products of these polarisations, or ``None`` where they are not a number."""
        likelihood = self.likelihood
        row = {**row, **self._phase}
        row.update(likelihood.get_sky_frame_parameters(row))
        inner, norm = 0j, 0.0
        if self._detectors is not None:
            for detector in self._detectors:
                of_detector = detector(polarisations, row)
                inner, norm = inner + of_detector[0], norm + of_detector[1]
        else:
            for interferometer in likelihood.interferometers:
                snrs = likelihood.calculate_snrs(polarisations, interferometer, return_array=False, parameters=row)
                inner, norm = inner + complex(snrs.d_inner_h), norm + float(snrs.optimal_snr_squared)
        products = np.array([inner.real, inner.imag, norm])
        return products if np.all(np.isfinite(products)) else None


_LIKELIHOOD_METHODS = ("calculate_snrs", "_compute_full_waveform")
_DETECTOR_METHODS = ("get_detector_response", "antenna_response", "inner_product", "optimal_snr_squared")


class Projection:
    """Inner products in one detector, as Bilby computes them; what depends on the data alone is computed once.

    Parameters
    ----------
    interferometer
        Interferometer with its data.

    Attributes
    ----------
    interferometer
        The interferometer.
    bins
        Frequencies in the detector's band, in units of one over the duration, (F,).
    highest
        Highest of these frequencies, in Hz.
    start
        GPS time at which the segment starts.
    weights
        Noise weight at these frequencies in Hz^2, (F,).
    """

    def __init__(self, interferometer: Interferometer) -> None:
        self.interferometer = interferometer
        self._mask = interferometer.frequency_mask
        frequencies = interferometer.frequency_array[self._mask]
        self.bins, self.highest = np.flatnonzero(self._mask), float(frequencies[-1])
        whole = slice(int(self.bins[0]), int(self.bins[-1]) + 1)
        self._band = whole if self._mask[whole].all() else self._mask
        self._turn = -2 * np.pi * frequencies
        self.weights = noise_weight(interferometer, self._mask)
        self._data = interferometer.frequency_domain_strain[self._mask] * self.weights
        self.start = interferometer.strain_data.start_time

    def __call__(self, polarisations: Mapping[str, np.ndarray], row: Row) -> tuple[complex, float]:
        """Return the complex inner product of the signal with the data, and its squared norm."""
        response, arrival = self.seen(row, list(polarisations))
        signals, norms = self.signals(
            self.in_band([polarisations], list(polarisations)), np.array([response]), np.array([arrival])
        )
        return complex(self.terms(signals)[0].sum()), float(norms[0])

    def in_band(self, waves: Sequence[Mapping[str, np.ndarray]], modes: Sequence[str]) -> np.ndarray:
        """Return polarisations of waves in the detector's band, (N, P, F); zero where a wave lacks a polarisation."""
        in_band = np.zeros((len(waves), len(modes), len(self.bins)), dtype=np.complex128)
        for of_wave, wave in zip(in_band, waves, strict=True):
            for number, mode in enumerate(modes):
                if mode in wave:
                    of_wave[number] = wave[mode][self._band]
        return in_band

    def seen(self, row: Row, modes: Sequence[str]) -> tuple[list[float], float]:
        """Return the antenna response to each polarisation, and the arrival time in seconds since the segment's start."""
        interferometer, time = self.interferometer, row[TIME]
        sky = row[RA], row[DEC]
        antenna_time = time if interferometer.reference_time is None else interferometer.reference_time
        response = [interferometer.antenna_response(*sky, antenna_time, row[PSI], mode) for mode in modes]
        # The difference of the two GPS times first, which is small, to keep its digits.
        return response, (time - self.start) + interferometer.time_delay_from_geocenter(*sky, time)

    def signals(
        self, in_band: np.ndarray, responses: np.ndarray, arrivals: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return signals (N, F) and squared norms (N,) from polarisations (N, P, F), responses (N, P), arrivals (N,)."""
        angles = self._turn * arrivals[:, None]
        shift = np.empty(angles.shape, dtype=np.complex128)
        np.cos(angles, out=shift.real)
        np.sin(angles, out=shift.imag)
        signals = np.zeros_like(shift)
        for number in range(in_band.shape[1]):
            signals += in_band[:, number] * responses[:, number, None]
        norms = ((signals.real**2 + signals.imag**2) * self.weights).sum(axis=1)
        signals *= shift
        return signals, norms

    def terms(self, signals: np.ndarray) -> np.ndarray:
        """Return terms (N, F) whose sums over frequency are the inner products of signals (N, F) with the data."""
        return signals.conj() * self._data

    def of_series(self, series: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return terms of the inner products with the data, (N, F), and inner products of series with each other, (N, N)."""
        in_band = np.stack([one[self._mask] for one in series])
        return in_band.conj() * self._data, (in_band.conj() * self.weights) @ in_band.T
