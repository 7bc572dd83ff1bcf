"""Record of the data that a likelihood of gravitational waves was given, for the result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bilby.gw.detector import Interferometer, PowerSpectralDensity

_ARRAY = "array"  # what is recorded for a PSD that was not read from a file


def data_record(interferometers: Iterable[Interferometer]) -> dict[str, dict[str, Any]]:
    """Describe the data of each detector by plain values.

    Bilby keeps the log noise evidence of the data in a result, which tells whether two results have the same data, but not
    which data they are.

    Returns
    -------
    dict
        For each detector ``start_time`` (GPS time in seconds), ``duration`` (seconds), ``sampling_frequency``,
        ``minimum_frequency`` and ``maximum_frequency`` (Hz), and ``noise_curve``, the file of the PSD or ASD, or ``"array"``
        if Bilby did not read it from a file.
    """
    return {detector.name: _record(detector) for detector in interferometers}


def _record(detector: Interferometer) -> dict[str, Any]:
    data = detector.strain_data
    return {
        "start_time": float(data.start_time),
        "duration": float(data.duration),
        "sampling_frequency": float(data.sampling_frequency),
        "minimum_frequency": float(detector.minimum_frequency),
        "maximum_frequency": float(detector.maximum_frequency),
        "noise_curve": _noise_curve(detector.power_spectral_density),
    }


def _noise_curve(curve: PowerSpectralDensity | None) -> str:
    # Bilby defines the attribute of a file only for a PSD that was read from one.
    file = getattr(curve, "psd_file", None) or getattr(curve, "asd_file", None)
    return _ARRAY if file is None else str(file)
