"""Events from strain: what is left out is found, and what is given is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest

from bilby_flowpe import strain_event
from bilby_flowpe.errors import DataError
from bilby_flowpe.open_data import File
from bilby_flowpe.strain_event import StrainConfig, StrainEvent, event_from_strain
from bilby_flowpe.trigger import Trigger, segment_length


def of(**settings: Any) -> StrainEvent:
    return event_from_strain("S1", StrainConfig(**settings), Path("/"))


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the reading of strain by simulated design noise, and the search by one that finds a signal."""
    asked: list[str] = []

    def read(name: str, *_: object) -> str:
        asked.append(name)
        return name

    def made(name: str, _: object, start: float, duration: float, psd: object, low: float, high: float) -> object:
        bilby.core.utils.random.seed(1)
        ifo = bilby.gw.detector.get_empty_interferometer(name)
        ifo.minimum_frequency, ifo.maximum_frequency = low, high
        ifo.set_strain_data_from_power_spectral_density(2 * high, duration, start)
        return ifo

    files = [File(Path(f"/data/{name}-{start}.hdf5"), name, start, 16.0, 256) for name in "HL" for start in (992, 1008)]
    files = [replace(file, detector=f"{file.detector}1") for file in files]
    monkeypatch.setattr(strain_event, "files_of", lambda _: (files, []))
    monkeypatch.setattr(strain_event, "read_strain", read)
    monkeypatch.setattr(strain_event, "interferometer", made)
    monkeypatch.setattr(strain_event, "finest_noise_curve", lambda *_, **__: None)
    monkeypatch.setattr(strain_event, "search", lambda *_, **__: Trigger(1000.01239, 20.0, {"H1": 9.0}, 15.0, 27.0))
    return asked


def test_what_is_left_out_is_found(quiet: list[str]) -> None:
    found = of(data_dir="data", detectors=("H1", "L1"), maximum_frequency=256)
    likelihood, priors = found.likelihood, found.priors
    assert found.trigger_time == 1000.012
    assert found.signal is not None and found.signal.chirp_mass == 20.0
    assert quiet == ["H1", "L1"] * 2
    assert (priors["chirp_mass"].minimum, priors["chirp_mass"].maximum) == (15.0, 27.0)
    assert "mass_1" not in priors
    assert priors["geocent_time"].minimum == pytest.approx(999.912)
    # As long as the lightest signal of the prior needs.
    assert likelihood.interferometers.duration == segment_length(15.0) == 8
    assert likelihood.interferometers.start_time == pytest.approx(1000.012 + 2 - 8)
    assert np.isfinite(likelihood.log_likelihood_ratio(priors.sample()))
    # The segment of eight seconds lies in one file of sixteen, the data around it in more.
    assert found.sources == {
        "H1": {"strain": "H-992.hdf5", "noise_curve": "estimated"},
        "L1": {"strain": "L-992.hdf5", "noise_curve": "estimated"},
    }


def test_what_is_given_is_taken(quiet: list[str]) -> None:
    found = of(trigger_time=2000.0, detectors=("L1",), chirp_mass=(8, 12), duration=8, maximum_frequency=256)
    likelihood, priors = found.likelihood, found.priors
    assert (found.trigger_time, found.signal) == (2000.0, None)
    assert quiet == ["L1"]
    assert priors["chirp_mass"].maximum == 12
    assert likelihood.interferometers.duration == 8
    assert likelihood.waveform_generator.waveform_arguments["waveform_approximant"] == "IMRPhenomPv2"
    assert found.sources == {"L1": {"strain": "downloaded", "noise_curve": "estimated"}}


def test_noise_curves_of_files_are_named(quiet: list[str], tmp_path: Path) -> None:
    np.savetxt(tmp_path / "PSD_L1.txt", np.stack([np.linspace(0, 512, 4097), np.full(4097, 1e-46)], axis=1))
    found = of(
        trigger_time=1008.0, data_dir="data", detectors=("L1",), chirp_mass=(8, 12), duration=8, maximum_frequency=256,
        noise_curves=str(tmp_path),
    )  # fmt: skip
    sources = {"L1": {"strain": "L-992.hdf5, L-1008.hdf5", "noise_curve": f"{tmp_path}/PSD_L1.txt"}}
    assert found.sources == sources


def test_no_signal(quiet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise DataError("nothing there")

    monkeypatch.setattr(strain_event, "search", none)
    with pytest.raises(DataError, match="no signal was found in H1: give trigger_time"):
        of(data_dir="data", detectors=("H1",))
    priors = of(data_dir="data", detectors=("H1",), trigger_time=2000.0, maximum_frequency=256).priors
    assert (priors["chirp_mass"].minimum, priors["chirp_mass"].maximum) == (6.0, 100.0)


def test_a_folder_without_strain(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no strain file"):
        of(data_dir=str(tmp_path))
