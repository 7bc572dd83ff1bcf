"""Priors and likelihood around a trigger."""

from __future__ import annotations

from pathlib import Path

import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.prior import BBHPriorDict

from bilby_flowpe.alert.problem import EventPriors, least_chirp_mass, likelihood_of
from bilby_flowpe.errors import ConfigurationError, DataError

AT = 1126259462.4


def test_usual_priors_about_a_search() -> None:
    usual = EventPriors()
    priors = usual.of(AT, (8.0, 16.0))
    assert (priors["chirp_mass"].minimum, priors["chirp_mass"].maximum) == (8.0, 16.0)
    assert type(priors["chirp_mass"]).__name__ == "UniformInComponentsChirpMass"
    # Bilby's limits of 5 to 100 solar masses would cut this range.
    assert not {"mass_1", "mass_2"} & {*priors}
    assert (priors["geocent_time"].minimum, priors["geocent_time"].maximum) == (AT - 0.1, AT + 0.1)
    # The next event has priors of its own, without a trace of this one.
    assert usual.of(AT + 9)["chirp_mass"].minimum == 25 and "mass_1" in usual.of(AT + 9)


def test_own_priors_keep_their_limits(tmp_path: Path) -> None:
    file = tmp_path / "own.prior"
    file.write_text("mass_1 = Constraint(5, 60)\nchirp_mass = Uniform(10, 20)\nmass_ratio = Uniform(0.2, 1)\n")
    priors = EventPriors(file, time_window=0.05).of(AT, (12.0, 14.0))
    assert "mass_1" in priors and priors["chirp_mass"].maximum == 14.0
    assert priors["geocent_time"].maximum == AT + 0.05
    given = BBHPriorDict(filename=str(file))
    EventPriors(given).of(AT, (12.0, 14.0))
    assert given["chirp_mass"].maximum == 20 and "geocent_time" not in given


@pytest.mark.parametrize(
    ("changes", "of", "words"),
    [
        ({"priors": "nowhere.prior"}, (), "no such file"),
        ({"time_window": 0.0}, (), "time_window=0.0: give seconds"),
        ({"priors": {"geocent_time": Uniform(0, 1)}}, (), "priors have geocent_time"),
        ({}, ((9.0, 9.0),), "give the least and the largest"),
        (
            {"priors": {"mass_1": Uniform(5, 9), "mass_2": Uniform(5, 9)}},
            ((9.0, 10.0),),
            "do not sample the chirp mass",
        ),
    ],
)
def test_refused(changes, of, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        EventPriors(**changes).of(AT, *of)


def test_lightest_binary() -> None:
    assert least_chirp_mass(EventPriors().of(AT, (8.0, 16.0))) == 8.0
    masses = PriorDict({"mass_1": Uniform(10, 50), "mass_2": Uniform(10, 50)})
    assert least_chirp_mass(masses) == pytest.approx(10 / 2**0.2)
    with pytest.raises(ConfigurationError, match="give a prior of the chirp mass, or the duration"):
        least_chirp_mass(PriorDict({"mass_ratio": Uniform(0.1, 1)}))


def test_likelihood_of_unlike_data() -> None:
    pair = InterferometerList(["H1", "L1"])
    for one, duration in zip(pair, (4.0, 8.0), strict=True):
        one.strain_data.set_from_zero_noise(1024, duration, AT)
    with pytest.raises(DataError, match=r"differ in duration, \[4.0, 8.0\]"):
        likelihood_of(pair, "IMRPhenomXAS", 20.0, 20.0)
    for one in pair:
        one.strain_data.set_from_zero_noise(1024, 4.0, AT)
    generator = likelihood_of(pair, "IMRPhenomXAS", 25.0, 30.0).waveform_generator
    assert (generator.duration, generator.start_time, generator.sampling_frequency) == (4.0, AT, 1024)
    assert generator.waveform_arguments == {
        "waveform_approximant": "IMRPhenomXAS",
        "reference_frequency": 30.0,
        "minimum_frequency": 20.0,
    }


def test_waves_begin_where_the_data_do() -> None:
    pair = InterferometerList(["H1", "L1"])
    for one, lowest in zip(pair, (10.0, 30.0), strict=True):
        one.strain_data.set_from_zero_noise(1024, 4.0, AT)
        one.minimum_frequency = lowest
    truth = {
        "chirp_mass": 30.0, "mass_ratio": 0.8, "chi_1": 0.0, "chi_2": 0.0, "luminosity_distance": 800.0, "theta_jn": 0.6,
        "phase": 1.0,
    }  # fmt: skip
    generator = likelihood_of(pair, "IMRPhenomXAS", 20.0, 20.0).waveform_generator
    wave, frequencies = generator.frequency_domain_strain(truth)["plus"], generator.frequency_array
    assert abs(wave[(frequencies >= 10) & (frequencies < 20)]).min() > 0
