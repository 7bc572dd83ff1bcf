"""Parameters of sky and time in a detector's frame, against Bilby's own conversion, and densities by their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bilby.core.prior import Cosine, DeltaFunction, PriorDict, Sine, Uniform
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.frames import Frame, needs_frame

START = 1126259460.0
SKY = {"ra": Uniform(0, 2 * np.pi), "dec": Cosine()}
ANGLES = {"zenith": Sine(), "azimuth": Uniform(0, 2 * np.pi)}
AT_L1 = {"L1_time": Uniform(START + 1.9, START + 2.1)}
AT_CENTRE = {"geocent_time": Uniform(START + 1.9, START + 2.1)}
FORMS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "time": ({"time_reference": "L1"}, {**SKY, **AT_L1}),
    "sky": ({"reference_frame": "H1L1"}, {**ANGLES, **AT_CENTRE}),
    "both": ({"reference_frame": "H1L1", "time_reference": "L1"}, {**ANGLES, **AT_L1}),
    "centre's time in the priors": ({"time_reference": "L1"}, {**SKY, **AT_CENTRE}),
    "right ascension in the priors": ({"reference_frame": "H1L1", "time_reference": "L1"}, {**SKY, **AT_L1}),
    "fixed right ascension": ({"reference_frame": "H1L1"}, {"ra": 1.2, "dec": -0.7, **AT_CENTRE}),
    "fixed sky": ({"time_reference": "L1"}, {"ra": 1.2, "dec": -0.7, **AT_L1}),
    "narrow": ({"reference_frame": "H1L1"}, {"zenith": Sine(0.5, 1.2), "azimuth": Uniform(0, 3), **AT_CENTRE}),
}


@pytest.fixture
def make(problem_hl: tuple) -> Any:
    def made(arguments: dict[str, str], priors: dict[str, Any]) -> tuple[GravitationalWaveTransient, PriorDict]:
        given = problem_hl[0]
        likelihood = GravitationalWaveTransient(given.interferometers, given.waveform_generator, **arguments)
        # Some other parameter stays as it is.
        return likelihood, PriorDict({"chi_1": Uniform(-1, 1), **priors})

    return made


@pytest.fixture(params=FORMS)
def case(request: pytest.FixtureRequest, make: Any) -> tuple[GravitationalWaveTransient, PriorDict, Frame]:
    likelihood, priors = make(*FORMS[request.param])
    return likelihood, priors, Frame(likelihood, priors)


def plain_draws(frame: Frame, priors: PriorDict, size: int) -> tuple[PriorTransform, dict[str, np.ndarray]]:
    transform = PriorTransform(frame.plain_priors(priors))
    return transform, transform.sample(size, np.random.default_rng(3))


def test_back_is_the_inverse_of_bilbys_conversion(case) -> None:
    likelihood, priors, frame = case
    transform, draws = plain_draws(frame, priors, 50)
    asked = frame.back(draws)
    assert set(asked) == {key for key, prior in priors.items() if not isinstance(prior, DeltaFunction)}
    np.testing.assert_array_equal(asked["chi_1"], draws["chi_1"])
    fixed = {key: float(prior.peak) for key, prior in priors.items() if isinstance(prior, DeltaFunction)}
    for index in range(50):
        row = {**fixed, **{key: float(value[index]) for key, value in asked.items()}}
        sky = likelihood.get_sky_frame_parameters(row)
        known = {**transform.fixed, **{key: float(value[index]) for key, value in draws.items()}}
        # Double precision has GPS times to 2e-7 s; angles go through sines, and LAL's sidereal time is good to 3e-9.
        assert sky["geocent_time"] == pytest.approx(known["geocent_time"], rel=0, abs=5e-7)
        assert np.cos(sky["ra"] - known["ra"]) > 1 - 1e-13
        assert sky["dec"] == pytest.approx(known["dec"], abs=1e-7)


def test_density_asked_for_is_normalised_over_the_plain_prior(case) -> None:
    _, priors, frame = case
    _, draws = plain_draws(frame, priors, 100_000)
    ratio = np.exp(frame.log_ratio(draws, frame.back(draws)))
    ratio = np.broadcast_to(ratio, (100_000,))
    error = max(float(np.std(ratio)) / np.sqrt(100_000), 1e-9)
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * error)


def test_what_is_fixed_costs_no_weight(make) -> None:
    """Nothing of sky and time is searched: one number for all rows, that of equal densities."""
    likelihood, priors = make({"time_reference": "L1"}, {"ra": 1.2, "dec": -0.7, "L1_time": START + 2.0})
    frame = Frame(likelihood, priors)
    assert (np.zeros(7) + frame.log_ratio({}, {})).tolist() == [0.0] * 7


def test_whole_sky_costs_no_weight(make) -> None:
    likelihood, priors = make(*FORMS["sky"])
    frame = Frame(likelihood, priors)
    _, draws = plain_draws(frame, priors, 1000)
    # Isotropic in one frame is isotropic in the other.
    np.testing.assert_allclose(frame.log_ratio(draws, frame.back(draws)), 0.0, atol=1e-6)


def test_no_time_asked_for_is_out_of_reach(make) -> None:
    likelihood, priors = make(*FORMS["both"])
    frame = Frame(likelihood, priors)
    time = frame.plain_priors(priors)["geocent_time"]
    asked = PriorTransform(priors).sample(2000, np.random.default_rng(1))
    for index in range(2000):
        row = {key: float(value[index]) for key, value in asked.items()}
        assert time.minimum <= likelihood.get_sky_frame_parameters(row)["geocent_time"] <= time.maximum


@pytest.mark.parametrize(
    ("arguments", "priors", "said"),
    [
        ({"time_reference": "L1"}, SKY, "lack 'L1_time'"),
        ({"time_reference": "L1"}, {**SKY, "L1_time": DeltaFunction(START + 2)}, "fix 'L1_time' while the sky"),
        ({"time_reference": "L1"}, {"ra": 1.0, "dec": Cosine(), **AT_L1}, r"fix \['ra'\]"),
        ({"reference_frame": "H1L1"}, {"zenith": 1.0, "azimuth": 2.0, **AT_CENTRE}, "fix .'zenith', 'azimuth'."),
    ],
)
def test_refusals(make, arguments: dict[str, str], priors: dict[str, Any], said: str) -> None:
    with pytest.raises(SimulationError, match=said):
        Frame(*make(arguments, priors))


def test_only_other_frames_need_one(make, problem_hl) -> None:
    assert not needs_frame(problem_hl[0])
    assert needs_frame(make(*FORMS["time"])[0])
    assert needs_frame(make(*FORMS["sky"])[0])
    assert not needs_frame(object())
