"""The record of the data names band, segment and noise curve of each detector."""

from __future__ import annotations

import json
from pathlib import Path

import bilby
import numpy as np
import pytest
from bilby.gw.detector import PowerSpectralDensity, get_empty_interferometer

from bilby_flowpe.waves.data_record import data_record

FREQUENCIES = np.linspace(0, 64, 129)
VALUES = np.full(129, 1e-46)


@pytest.fixture
def curves(tmp_path: Path) -> dict[str, PowerSpectralDensity]:
    files = {kind: tmp_path / f"{kind}.txt" for kind in ("psd", "asd")}
    np.savetxt(files["psd"], np.stack([FREQUENCIES, VALUES], axis=1))
    np.savetxt(files["asd"], np.stack([FREQUENCIES, np.sqrt(VALUES)], axis=1))
    return {
        str(files["psd"]): PowerSpectralDensity(psd_file=str(files["psd"])),
        str(files["asd"]): PowerSpectralDensity(asd_file=str(files["asd"])),
        "array": PowerSpectralDensity.from_power_spectral_density_array(FREQUENCIES, VALUES),
    }


def test_each_detector_has_its_own_band_and_curve(curves: dict[str, PowerSpectralDensity]) -> None:
    bilby.core.utils.random.seed(1)
    detectors = []
    for name, low, curve in zip(("H1", "L1", "V1"), (20.0, 25.0, 30.0), curves.values(), strict=True):
        detector = get_empty_interferometer(name)
        detector.minimum_frequency, detector.maximum_frequency = low, 60.0
        detector.power_spectral_density = curve
        detector.set_strain_data_from_power_spectral_density(128.0, 2.0, 1000.5)
        detectors.append(detector)
    record = data_record(detectors)
    segment = {"start_time": 1000.5, "duration": 2.0, "sampling_frequency": 128.0, "maximum_frequency": 60.0}
    for name, low, file in zip(("H1", "L1", "V1"), (20.0, 25.0, 30.0), curves, strict=True):
        assert record[name] == {**segment, "minimum_frequency": low, "noise_curve": file}
    # Plain values only: a result is written as JSON or HDF5.
    assert json.loads(json.dumps(record)) == record
