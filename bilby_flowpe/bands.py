"""Whitened data of every detector, the band of a posterior's waveforms over them, and their signal-to-noise ratios."""

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
"""Signal-to-noise ratios that are kept with a band; that of the matched filter is complex."""

_FEWEST = 24  # draws of which 5% and 95% quantiles are made, at least
_QUANTILES = {"low": 0.05, "median": 0.5, "high": 0.95}

Bands = dict[str, dict[str, np.ndarray]]
"""By detector: ``times`` in GPS seconds less ``start``, ``data``, and the waveforms' ``low``, ``median`` and ``high``; all in
standard deviations of white noise but the first two. With them ``optimal_snr`` and ``matched_filter_snr``, a signal-to-noise
ratio for each waveform used, where these were made on all frequencies."""


def whitened_bands(likelihood: GravitationalWaveTransient, rows: Sequence[Row], waveforms: int = 200) -> Bands:
    """The band that 90% of a posterior's waveforms lie in, sample by sample.

    Of data of more than 16 s the window from 1.5 s before to 0.3 s after the end of the signal is kept, which costs as much for
    any length of data. Frequencies that come more than 2 s before the end are left out of these waveforms, which is not seen in
    a window that short. Where a source model has to be called on all frequencies of long data, fewer draws are used.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    rows
        Equal-weight draws, fixed parameters included.
    waveforms
        Most draws used; they are taken evenly.
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
            # Columns of few numbers each, which are next to each other, are sorted in a third of the time.
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
    """Whitened signals by waves on all frequencies of the data.

    Attributes
    ----------
    likelihood
        The user's likelihood.
    window
        Samples that are kept.
    ratios
        Of each wave made, by detector: the optimal signal-to-noise ratio, and that of the matched filter.
    """

    likelihood: GravitationalWaveTransient
    window: Window
    ratios: list[list[tuple[float, complex]]] = field(default_factory=list)

    def __call__(self, row: Row) -> list[np.ndarray] | None:
        """In the window, of each detector; ``None`` where there is no wave."""
        polarisations = waveform(self.likelihood.waveform_generator, row)
        if polarisations is None:
            return None
        signals = responses(self.likelihood, polarisations, row)
        detectors = self.likelihood.interferometers
        pairs = list(zip(detectors, signals, strict=True))
        self.ratios.append([(_optimal(*pair), complex(pair[0].matched_filter_snr(pair[1]))) for pair in pairs])
        # Copies: a view would hold the whole series.
        return [whitened(*pair)[self.window.samples].copy() for pair in pairs]


def _optimal(interferometer: Interferometer, signal: np.ndarray) -> float:
    """Optimal signal-to-noise ratio, by Bilby."""
    return float(np.sqrt(np.real(interferometer.optimal_snr_squared(signal))))


def _evenly(rows: Sequence[Row], most: int) -> list[Row]:
    """Some of the rows, evenly spaced."""
    return [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]


def save_bands(bands: Bands, path: Path) -> Path:
    """Write to a file, whole or not at all."""
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    arrays: Mapping[str, Any] = {
        f"{name}/{key}": value if key in ("start", "times") or np.iscomplexobj(value) else value.astype(np.float32)
        for name, band in bands.items()
        for key, value in band.items()
    }
    np.savez_compressed(temporary, **arrays)
    return temporary.replace(path)


def load_bands(path: Path) -> Bands:
    """The inverse of :func:`save_bands`.

    Raises
    ------
    ValueError, OSError
        If the file is none of those.
    """
    bands: Bands = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            detector, key = name.rsplit("/", 1)
            bands.setdefault(detector, {})[key] = arrays[name]
    if not bands or any({"start", "times", "data"} - set(band) for band in bands.values()):
        raise ValueError("it holds no whitened data")
    return bands
