"""A warm analyst: from interferometers to a result, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import bilby
import bilby.core.sampler as samplers
import numpy as np
import pandas as pd
import pytest
from bilby.core.result import Result
from bilby.gw.detector import InterferometerList

from bilby_flowpe.alert import Alert
from bilby_flowpe.alert.alert import _mapped, _packages_known
from bilby_flowpe.errors import ConfigurationError, DataError

AT = 1126259462.0


def of_zeros() -> InterferometerList:
    made = InterferometerList(["H1"])
    made[0].strain_data.set_from_zero_noise(2048, 4.0, AT - 2)
    return made


@pytest.fixture(scope="module")
def cold() -> Alert:
    return Alert(warm=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"n_effectiv": 3}}, r"unknown keys \['n_effectiv'\]"),
        ({"settings": {"n_effective": "many"}}, "n_effective"),
        ({"minimum_frequency": 2000.0}, "minimum_frequency=2000.0"),
        ({"priors": "nowhere.prior"}, "no such file"),
    ],
)
def test_settings_are_checked_before_anything_is_loaded(changes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Alert(**changes)


@pytest.mark.parametrize(
    ("data", "more", "words"),
    [
        (InterferometerList(["H1"]), {"trigger_time": np.nan}, "give a GPS time in seconds"),
        (InterferometerList(["H1"]), {"duration": 4.0}, "only be given with strain"),
        (InterferometerList(["H1"]), {"detectors": ["V1"]}, r"no data of \['V1'\]: choose from \['H1'\]"),
        (of_zeros(), {"trigger_time": AT + 500}, r"H1 has data from \d+ to \d+: give data with at least 0.122 s"),
        (of_zeros(), {"trigger_time": AT + 1.95}, "on either side of the trigger"),
        ("nowhere", {"duration": 0.0}, "duration=0.0: give seconds"),
        ("nowhere", {"detectors": []}, r"detectors=\[\]: name at least one"),
        (5, {}, "data of type int"),
        ({}, {}, "data of type dict"),
    ],
)
def test_data_are_checked(cold: Alert, data, more, words: str) -> None:
    with pytest.raises(DataError, match=words):
        cold.analyse(data, **{"trigger_time": AT, **more})


def test_packages_are_listed_once_and_bilbys_function_is_back(monkeypatch) -> None:
    before = samplers.env_package_list
    with pytest.raises(ValueError), _packages_known():
        assert samplers.env_package_list is not before
        raise ValueError
    assert samplers.env_package_list is before


def test_a_posterior_without_places_has_no_map(tmp_path: Path) -> None:
    made = Result(label="x", outdir=str(tmp_path), sampler="flowpe", posterior=pd.DataFrame({"chirp_mass": [30.0]}))
    assert _mapped(made, tmp_path) is None


@pytest.mark.slow
def test_warm_run_is_the_samplers_own(tmp_path: Path) -> None:
    """The same draws as by ``run_sampler``, given the same problem and seed; a warm-up leaves Bilby's generator as it was."""
    bilby.core.utils.random.seed(7)
    state = bilby.core.utils.random.rng.bit_generator.state
    alert = Alert(maximum_frequency=512.0, settings={"sampling_seed": 5, "n_effective": 200})
    assert bilby.core.utils.random.rng.bit_generator.state == state
    data = alert._simulated()
    ours = alert.analyse(data, AT, chirp_mass=(25.0, 36.0))
    assert ours.verdict == ours.result.meta_data["run_statistics"]["verdict"]
    assert {*ours.timing()["cpu"]} == {"priors", "likelihood", "posterior", "sky map"}
    assert 1 < ours.sky_map.area(0.9) < 4000
    priors = alert._event_priors.of(AT, (25.0, 36.0))
    generator = bilby.gw.WaveformGenerator(
        duration=4.0, sampling_frequency=1024.0, start_time=AT - 2,
        frequency_domain_source_model=bilby.gw.source.lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS", "reference_frequency": 20.0, "minimum_frequency": 20.0
        },
    )  # fmt: skip
    theirs = bilby.run_sampler(
        bilby.gw.GravitationalWaveTransient(data, generator), priors, sampler="flowpe", sampling_seed=5, n_effective=200,
        n_posterior=300, progress=False, save=False, label="alert", outdir=str(tmp_path), resume=False,
    )  # fmt: skip
    assert ours.result.log_evidence == theirs.log_evidence
    assert np.array_equal(ours.result.posterior["chirp_mass"], theirs.posterior["chirp_mass"])
    # The true chirp mass, 30 solar masses, is within what the posterior allows.
    assert np.quantile(ours.result.posterior["chirp_mass"], 0.001) < 30 < ours.result.posterior["chirp_mass"].max()
