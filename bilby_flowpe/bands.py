"""Whitened data of every detector, and the band of a posterior's waveforms over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bilby.gw.likelihood import GravitationalWaveTransient

from .processes.parallel import Row
from .waves.waveforms import responses, waveform
from .waves.whitening import whitened

__all__ = ["Bands", "whitened_bands"]

FILE = "whitened.npz"
_QUANTILES = {"low": 0.05, "median": 0.5, "high": 0.95}

Bands = dict[str, dict[str, np.ndarray]]
"""By detector: ``times`` in GPS seconds less ``start``, ``data``, and the waveforms' ``low``, ``median`` and ``high``; all in
standard deviations of white noise but the first two."""


def whitened_bands(likelihood: GravitationalWaveTransient, rows: Sequence[Row], waveforms: int = 200) -> Bands:
    """The band that 90% of a posterior's waveforms lie in, sample by sample.

    Parameters
    ----------
    likelihood
        The user's likelihood.
    rows
        Equal-weight draws, fixed parameters included.
    waveforms
        Most draws used; they are taken evenly.
    """
    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(waveforms, len(rows))).astype(int))]
    curves: dict[str, list[np.ndarray]] = {ifo.name: [] for ifo in likelihood.interferometers}
    for row in chosen:
        polarisations = waveform(likelihood.waveform_generator, row)
        if polarisations is None:
            continue
        signals = responses(likelihood, polarisations, row)
        for interferometer, signal in zip(likelihood.interferometers, signals, strict=True):
            curves[interferometer.name].append(whitened(interferometer, signal))
    bands: Bands = {}
    for interferometer in likelihood.interferometers:
        start = float(interferometer.start_time)
        band = {
            "start": np.array(start),
            "times": np.asarray(interferometer.time_array, dtype=np.float64) - start,
            "data": whitened(interferometer, interferometer.frequency_domain_strain),
        }
        if curves[interferometer.name]:
            quantiles = np.quantile(curves[interferometer.name], list(_QUANTILES.values()), axis=0)
            band |= dict(zip(_QUANTILES, quantiles, strict=True))
        bands[interferometer.name] = band
    return bands


def save_bands(bands: Bands, path: Path) -> Path:
    """Write to a file, whole or not at all."""
    temporary = path.with_name(f".{path.stem}.tmp.npz")
    arrays: Mapping[str, Any] = {
        f"{name}/{key}": value if key in ("start", "times") else value.astype(np.float32)
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
