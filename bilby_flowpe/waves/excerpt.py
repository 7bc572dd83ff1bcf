r"""The end of a long signal, whitened, in all detectors, computed without waves on all frequencies of the data.

A binary of neutron stars fills 128 s of data, and a picture shows the last tenths of a second. For a few seconds, frequencies
:math:`1 / P` apart are enough, where the period P is a few seconds: a series that is sampled so in frequency repeats itself in
time. Parts of the signal more than a period before the end would be aliased into it; their frequencies, which follow from the
group delay, are left out. The source model has to compute each frequency independently (:mod:`.coarse.sources`), as most do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient
from scipy.fft import irfft

from ..errors import CoarseObstacle, SimulationError
from ..names import TIME
from ..processes.parallel import Row
from .coarse.models import Model
from .coarse.pairs import FrequencyPairs
from .coarse.reference import face_on
from .coarse.sources import source_of
from .harmonics import POLARISATIONS
from .whitening import noise_variance

# Seconds that are kept before and after the geocentric time of the signal, enough for a picture
BEFORE, AFTER = 1.5, 0.3
LONG = 16.0  # seconds: only a window is kept of data longer than this; shorter data are kept whole
_PERIOD = 4.0  # seconds, the shortest period: about twice the window that is kept
# Seconds before the end: frequencies later than the first are kept, those earlier than the second left out, tapered in between.
_WHOLE, _GONE = 2.0, 3.5
_TRIED = 2  # rows at which the source model is tested: each takes waveforms of the whole, long data


@dataclass(frozen=True)
class Window:
    """Range of samples of the data that are kept.

    Attributes
    ----------
    first, count
        Index of the first sample, and number of samples.
    """

    first: int
    count: int

    @property
    def samples(self) -> slice:
        """Slice of the samples in a series of the whole data."""
        return slice(self.first, self.first + self.count)


def window_of(likelihood: GravitationalWaveTransient, row: Row) -> Window:
    """Return the window around the end of a signal; all samples if the data are short.

    Parameters
    ----------
    likelihood
        Likelihood with the data.
    row
        All parameters of the signal, in the likelihood's own frame.
    """
    detectors = likelihood.interferometers
    count, rate = len(detectors[0].time_array), float(detectors.sampling_frequency)
    if float(detectors.duration) <= LONG:
        return Window(0, count)
    end = {**row, **likelihood.get_sky_frame_parameters(dict(row))}[TIME] - float(detectors.start_time)
    first = int(np.clip(round((end - BEFORE) * rate), 0, count - 1))
    return Window(first, min(round((BEFORE + AFTER) * rate), count - first))


class Excerpt:
    """Whitened signals of a likelihood's detectors in a window of time; made by :meth:`of`.

    Parameters
    ----------
    likelihood
        Likelihood with the data and its detectors.
    window
        Samples that are kept.
    model
        Source model that computes waves at any frequencies.
    stride
        Number of the data's frequency steps in one step of the frequencies that are used.
    band
        Lowest and highest frequency of the waves in Hz.
    row
        Parameters of a signal, whose group delay determines the frequencies that come too early.
    """

    def __init__(
        self,
        likelihood: GravitationalWaveTransient,
        window: Window,
        model: Model,
        stride: int,
        band: tuple[float, float],
        row: Row,
    ) -> None:
        self._likelihood, self._window, self._model = likelihood, window, model
        every = likelihood.interferometers.frequency_array[::stride]
        self._bins = np.flatnonzero((every >= max(band[0], every[1])) & (every <= band[1]))
        self._frequencies = every[self._bins]
        self._n_samples = 2 * (len(every) - 1)
        self._taper = _kept(model, row, self._frequencies)
        # The same units as for the whole series (whitening.whitened): standard deviations of white noise.
        size = np.sqrt(stride * (len(every) - 1))
        self._scales = []
        for detector in likelihood.interferometers:
            mask = detector.frequency_mask[::stride][self._bins]
            variance = noise_variance(detector, slice(None, None, stride))[self._bins]
            self._scales.append(np.where(mask, size / np.sqrt(np.where(mask, variance, 1.0)), 0.0) * self._taper)
        self._samples = (window.first + np.arange(window.count)) % self._n_samples

    @classmethod
    def of(cls, likelihood: GravitationalWaveTransient, window: Window, rows: Sequence[Row]) -> Excerpt | None:
        """Return the excerpt of a likelihood's signals, or ``None`` if waves cannot be computed at a subset of frequencies.

        Parameters
        ----------
        likelihood
            Gravitational-wave likelihood that is evaluated at the frequencies of the data.
        window
            Samples that are kept.
        rows
            All parameters of some signals, at which the source model is tested.
        """
        detectors = likelihood.interferometers
        stride = int(float(detectors.duration) // _PERIOD)
        if stride < 2 or (len(detectors.frequency_array) - 1) % stride:
            return None
        try:
            source = source_of(likelihood.waveform_generator, rows[:_TRIED])
        except (CoarseObstacle, SimulationError):
            return None
        return None if source.model.on_bins else cls(likelihood, window, source.model, stride, source.band, rows[0])

    def __call__(self, row: Row) -> list[np.ndarray] | None:
        """Return the whitened signal in the window for each detector, (T,) each, or ``None`` where there is no wave."""
        wave = self._model(self._model.parameters(row), self._frequencies)
        if wave is None:
            return None
        likelihood = self._likelihood
        modes: Mapping[str, np.ndarray] = dict(zip(POLARISATIONS, wave, strict=True))
        row = {**row, **likelihood.get_sky_frame_parameters(dict(row))}
        found = []
        for detector, scale in zip(likelihood.interferometers, self._scales, strict=True):
            spectrum = np.zeros(self._n_samples // 2 + 1, dtype=complex)
            spectrum[self._bins] = detector.get_detector_response(modes, row, self._frequencies) * scale
            found.append(irfft(spectrum, overwrite_x=True)[self._samples])
        return found


def _kept(model: Model, row: Row, frequencies: np.ndarray) -> np.ndarray:
    """Return a factor for each frequency: 1 in the last seconds of the signal, 0 at times that would alias into them."""
    pairs = FrequencyPairs(frequencies)
    wave = model(face_on(model.parameters(row)), pairs.both)
    if wave is None:
        return np.ones(len(frequencies))
    before = np.nan_to_num(pairs.slopes(wave[0])) / (2 * np.pi)
    share = np.clip((_GONE - before) / (_GONE - _WHOLE), 0.0, 1.0)
    # An inspiral rises in frequency: what is below a frequency that came too early came earlier.
    share = np.minimum.accumulate(share[::-1])[::-1]
    return np.sin(0.5 * np.pi * share) ** 2
