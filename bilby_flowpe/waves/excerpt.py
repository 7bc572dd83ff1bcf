r"""The end of a long signal, in detectors and whitened, without its waves on all frequencies of the data.

A binary of neutron stars fills 128 s of data, and a picture shows the last tenths of a second. For these few seconds
frequencies :math:`1 / P` apart will do, where the period P is a few seconds: a series that is sampled so in frequency repeats
itself in time. What came more than a period before the end would be folded into it; its frequencies are those whose group delay
is that early, and are left out. Source models have to be functions of each frequency (:mod:`.coarse.sources`), as most are.
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

BEFORE, AFTER = 1.5, 0.3  # seconds that are kept, around the time of the first row
LONG = 16.0  # seconds of data from which on a window is kept; shorter data are kept whole
_PERIOD = 4.0  # seconds at least, twice what is kept
_WHOLE, _GONE = 2.0, 3.5  # seconds before the end up to which frequencies are kept whole, and from which on left out
_TRIED = 2  # rows at which the source model is tried


@dataclass(frozen=True)
class Window:
    """Samples of the data that are kept.

    Attributes
    ----------
    first, count
        The first of them, and their number.
    """

    first: int
    count: int

    @property
    def samples(self) -> slice:
        """The samples, of a series of the whole data."""
        return slice(self.first, self.first + self.count)


def window_of(likelihood: GravitationalWaveTransient, row: Row) -> Window:
    """The window around the end of a signal; all samples of data that are not long.

    Parameters
    ----------
    likelihood
        With the data.
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
    """Whitened signals of a likelihood's detectors in a window of time; use :meth:`of`.

    Parameters
    ----------
    likelihood
        The likelihood.
    window
        The window.
    model
        Makes waves at any frequencies.
    stride
        Frequencies of the data in one step of those that are used.
    band
        Lowest and highest frequency of the waves in Hz.
    row
        Parameters of a signal, whose group delay says which frequencies come too early.
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
        # As the whole series has them (whitening.whitened): standard deviations of white noise.
        size = np.sqrt(stride * (len(every) - 1))
        self._scales = []
        for detector in likelihood.interferometers:
            mask = detector.frequency_mask[::stride][self._bins]
            variance = noise_variance(detector, slice(None, None, stride))[self._bins]
            self._scales.append(np.where(mask, size / np.sqrt(np.where(mask, variance, 1.0)), 0.0) * self._taper)
        self._samples = (window.first + np.arange(window.count)) % self._n_samples

    @classmethod
    def of(cls, likelihood: GravitationalWaveTransient, window: Window, rows: Sequence[Row]) -> Excerpt | None:
        """The excerpt of a likelihood's signals; ``None`` where waves are not to be had at some frequencies alone.

        Parameters
        ----------
        likelihood
            Any of gravitational waves at the data's own frequencies.
        window
            The window.
        rows
            All parameters of some signals.
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
        """Whitened signal in the window, of each detector, (T,) each; ``None`` where there is no wave."""
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
    """How much of each frequency is kept: all that comes in the last seconds, and nothing that would be folded into them."""
    pairs = FrequencyPairs(frequencies)
    wave = model(face_on(model.parameters(row)), pairs.both)
    if wave is None:
        return np.ones(len(frequencies))
    before = np.nan_to_num(pairs.slopes(wave[0])) / (2 * np.pi)
    share = np.clip((_GONE - before) / (_GONE - _WHOLE), 0.0, 1.0)
    # An inspiral rises in frequency: what is below a frequency that came too early came earlier.
    share = np.minimum.accumulate(share[::-1])[::-1]
    return np.sin(0.5 * np.pi * share) ** 2
