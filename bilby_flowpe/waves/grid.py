"""Grid of frequencies and stretch of time that a network is shown.

A likelihood may have seconds of data up to kilohertz, of which a signal fills a part. The network's grid is a stretch of time
and a frequency band of the *whitened* data. By the cut the network loses a little information; the importance weights lose
none, as they use the user's own likelihood on all of the data.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """Band of frequencies over a stretch of the segment.

    Attributes
    ----------
    duration, start
        Length of the stretch, and its start counted from the start of the segment, both in seconds.
    minimum_frequency, maximum_frequency
        Band in Hz, both ends included.
    """

    duration: float
    start: float
    minimum_frequency: float
    maximum_frequency: float

    @property
    def spacing(self) -> float:
        """Frequency resolution in Hz."""
        return 1.0 / self.duration

    @property
    def indices(self) -> slice[int, int, None]:
        """Slice of the band among the multiples of :attr:`spacing`, counted from zero."""
        first = int(np.ceil(self.minimum_frequency * self.duration - 1e-9))
        return slice(first, int(np.floor(self.maximum_frequency * self.duration + 1e-9)) + 1)

    @property
    def frequencies(self) -> np.ndarray:
        """Frequencies in Hz, shape (F,)."""
        indices = self.indices
        return np.arange(indices.start, indices.stop) * self.spacing

    def __len__(self) -> int:
        return self.indices.stop - self.indices.start

    def is_whole(self, duration: float) -> bool:
        """Tell whether the grid keeps all of a segment of ``duration`` seconds."""
        return math.isclose(duration, self.duration, rel_tol=1e-5)

    def restrict(self, series: np.ndarray, duration: float) -> np.ndarray:
        """Put whitened frequency series (..., N) of a whole segment on this grid: (..., F).

        Cutting is done in time, where white noise stays white, and the result is scaled so that noise keeps its unit
        variance in each real and imaginary part.

        Parameters
        ----------
        series
            One-sided series at multiples of ``1/duration`` from zero to the Nyquist frequency, zero outside the band.
        duration
            Length of the segment in seconds.
        """
        if self.is_whole(duration):
            return series[..., self.indices]
        samples = 2 * (series.shape[-1] - 1)
        kept = round(samples * self.duration / duration)
        first = round(self.start / duration * samples)
        time_series = np.fft.irfft(series, n=samples, axis=-1)
        stretch = np.take(time_series, range(first, first + kept), axis=-1, mode="wrap")
        return np.fft.rfft(stretch, axis=-1)[..., self.indices] * np.sqrt(samples / kept)

    def to_dict(self) -> dict[str, float]:
        """Return the grid as plain values, for JSON."""
        return asdict(self)
