"""Whitened data of every detector, with the band of the posterior's waveforms and their signal-to-noise ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bilby.gw.detector import Interferometer
from bilby.gw.likelihood import GravitationalWaveTransient

from .binaries import MATCHED, OPTIMAL
from .processes.parallel import Row
from .waves.excerpt import LONG, Excerpt, Window, window_of
from .waves.waveforms import responses, waveform
from .waves.whitening import whitened

__all__ = ["Bands", "whitened_bands"]

FILE = "whitened.npz"
RATIOS = (OPTIMAL, MATCHED)
"""Names of the signal-to-noise ratios that are kept with a band; that of the matched filter is complex."""

# Least number of draws from which 5% and 95% quantiles are made.
_FEWEST = 24
# Quantiles of the waveforms that bound the band: the central 90% and the median.
_QUANTILES = {"low": 0.05, "median": 0.5, "high": 0.95}

Bands = dict[str, dict[str, np.ndarray]]
"""Arrays by detector: ``start`` in GPS seconds and ``times`` in seconds from it; ``data``, and the waveforms' ``low``,
``median`` and ``high``, in standard deviations of white noise; ``optimal_snr`` and ``matched_filter_snr`` of each waveform,
if waveforms were made on all frequencies."""


def whitened_bands(likelihood: GravitationalWaveTransient, rows: Sequence[Row], waveforms: int = 200) -> Bands:
    """Return the band that contains 90% of a posterior's waveforms at every time, with the whitened data.

    For data longer than 16 s, only the window from 1.5 s before to 0.3 s after the end of the signal is kept; the cost then
    does not depend on the length of the data. Frequencies that arrive more than 2 s before the end are left out of these
    waveforms, which does not show in such a short window. If a source model has to be called on all frequencies of long data,
    fewer draws are used.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    rows
        Equal-weight draws, fixed parameters included.
    waveforms
        Largest number of draws that are used; they are chosen at even distances.
    """
    if not len(rows):
        return {}
    window = window_of(likelihood, rows[0])
    excerpt = Excerpt.of(likelihood, window, _evenly(rows, waveforms))
    if excerpt is None:
        waveforms = max(int(waveforms * min(LONG / float(likelihood.interferometers.duration), 1.0)), _FEWEST)
    whole = _Whole(likelihood, window)
    made = excerpt or whole
    found = [signals for row in _evenly(rows, waveforms) if (signals := made(row)) is not None]
    bands: Bands = {}
    for number, interferometer in enumerate(likelihood.interferometers):
        start = float(interferometer.start_time)
        band = {
            "start": np.array(start),
            "times": (np.asarray(interferometer.time_array, dtype=np.float64) - start)[window.samples],
            "data": whitened(interferometer, interferometer.frequency_domain_strain)[window.samples],
        }
        if found:
            # Contiguous columns of few numbers are sorted in a third of the time.
            curves = np.ascontiguousarray(np.transpose([signals[number] for signals in found]))
            quantiles = np.quantile(curves, list(_QUANTILES.values()), axis=1, overwrite_input=True)
            band |= dict(zip(_QUANTILES, quantiles, strict=True))
        if whole.ratios:
            optimal, matched = zip(*(of_row[number] for of_row in whole.ratios), strict=True)
            band |= {OPTIMAL: np.array(optimal), MATCHED: np.array(matched)}
        bands[interferometer.name] = band
    return bands


@dataclass(frozen=True)
class _Whole:
    """Whitened signals from waveforms on all frequencies of the data.

    Attributes
    ----------
    likelihood
        The user's likelihood.
    window
        Samples that are kept.
    ratios
        Optimal and matched-filter signal-to-noise ratio of each waveform, by detector.
    """

    likelihood: GravitationalWaveTransient
    window: Window
    ratios: list[list[tuple[float, complex]]] = field(default_factory=list)

    def __call__(self, row: Row) -> list[np.ndarray] | None:
        """Return the signal in the window, for each detector; ``None`` if there is no waveform."""
        polarisations = waveform(self.likelihood.waveform_generator, row)
        if polarisations is None:
            return None
        signals = responses(self.likelihood, polarisations, row)
        detectors = self.likelihood.interferometers
        pairs = list(zip(detectors, signals, strict=True))
        self.ratios.append([(_optimal(*pair), complex(pair[0].matched_filter_snr(pair[1]))) for pair in pairs])
        # Copies, because a view would keep the whole series in memory.
        return [whitened(*pair)[self.window.samples].copy() for pair in pairs]


def _optimal(interferometer: Interferometer, signal: np.ndarray) -> float:
    """Return the optimal signal-to-noise ratio, computed by Bilby."""
    return float(np.sqrt(np.real(interferometer.optimal_snr_squared(signal))))


def _evenly(rows: Sequence[Row], most: int) -> list[Row]:
    """Return some of the rows, evenly spaced."""
    return [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]


def save_bands(bands: Bands, path: Path) -> Path:
    """Write bands to a file, whole or not at all."""
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    arrays: Mapping[str, Any] = {
        f"{name}/{key}": value if key in ("start", "times") or np.iscomplexobj(value) else value.astype(np.float32)
        for name, band in bands.items()
        for key, value in band.items()
    }
    np.savez_compressed(temporary, **arrays)
    return temporary.replace(path)


def load_bands(path: Path) -> Bands:
    """Read bands from a file of :func:`save_bands`.

    Raises
    ------
    ValueError, OSError
        If the file is not one of these.
    """
    bands: Bands = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            detector, key = name.rsplit("/", 1)
            bands.setdefault(detector, {})[key] = arrays[name]
    if not bands or any({"start", "times", "data"} - set(band) for band in bands.values()):
        raise ValueError("it has no whitened data")
    return bands
