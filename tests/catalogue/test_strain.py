"""Events from strain."""

from __future__ import annotations

from pathlib import Path

import bilby
import numpy as np
import pytest

from bilby_flowpe.catalogue import strain
from bilby_flowpe.catalogue.event_folder import Job
from bilby_flowpe.errors import ConfigurationError, DataError
from bilby_flowpe.trigger import Trigger, segment_length


def job(**settings: object) -> Job:
    return Job("S1", "strain", "a.toml", "/", settings, "", "")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No strain is read: data of design noise, and a search that finds a signal."""
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

    monkeypatch.setattr(strain, "read_strain", read)
    monkeypatch.setattr(strain, "interferometer", made)
    monkeypatch.setattr(strain, "finest_noise_curve", lambda *_, **__: None)
    monkeypatch.setattr(strain, "search", lambda *_, **__: Trigger(1000.01239, 20.0, {"H1": 9.0}, 15.0, 27.0))
    return asked


def test_what_is_left_out_is_found(quiet: list[str]) -> None:
    settings = {"data_dir": "data", "detectors": ["H1", "L1"], "maximum_frequency": 256}
    likelihood, priors = strain.problem_of(job(**settings))
    assert quiet == ["H1", "L1"] * 2
    assert (priors["chirp_mass"].minimum, priors["chirp_mass"].maximum) == (15.0, 27.0)
    assert "mass_1" not in priors
    assert priors["geocent_time"].minimum == pytest.approx(999.912)
    # As long as the lightest signal of the prior needs.
    assert likelihood.interferometers.duration == segment_length(15.0) == 8
    assert likelihood.interferometers.start_time == pytest.approx(1000.012 + 2 - 8)
    assert np.isfinite(likelihood.log_likelihood_ratio(priors.sample()))


def test_what_is_given_is_taken(quiet: list[str]) -> None:
    settings = {
        "trigger_time": 2000.0,
        "detectors": ["L1"],
        "chirp_mass": [8, 12],
        "duration": 8,
        "maximum_frequency": 256,
    }
    likelihood, priors = strain.problem_of(job(**settings))
    assert quiet == ["L1"]
    assert priors["chirp_mass"].maximum == 12
    assert likelihood.interferometers.duration == 8
    assert likelihood.waveform_generator.waveform_arguments["waveform_approximant"] == "IMRPhenomPv2"


def test_no_signal(quiet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise DataError("nothing there")

    monkeypatch.setattr(strain, "search", none)
    with pytest.raises(DataError, match="no signal is found in H1: give trigger_time"):
        strain.problem_of(job(data_dir="data", detectors=["H1"]))
    _, priors = strain.problem_of(job(data_dir="data", detectors=["H1"], trigger_time=2000.0, maximum_frequency=256))
    assert (priors["chirp_mass"].minimum, priors["chirp_mass"].maximum) == (6.0, 100.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trigger": 3.0}, r"\[events.S1\] has unknown keys \['trigger'\]"),
        ({"trigger_time": "now"}, r"trigger_time='now'"),
        ({"chirp_mass": [3.0]}, "give the least and the largest"),
    ],
)
def test_settings_that_are_none(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        strain.config_of(job(**settings))


def test_a_folder_without_strain(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no strain file"):
        strain.problem_of(job(data_dir=str(tmp_path)))
