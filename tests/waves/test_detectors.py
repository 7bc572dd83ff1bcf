"""Tests of the detectors' response against Bilby's own functions, which take one position at a time."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.detector import get_empty_interferometer

from bilby_flowpe.waves.detectors import Detector, at_angle, direction, light_travel_time, sidereal_time

TIME = 1126259462.4
SIZE = 200


def sky(span: float, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "ra": rng.uniform(0, 2 * np.pi, SIZE),
        "dec": np.arcsin(rng.uniform(-1, 1, SIZE)),
        "psi": rng.uniform(0, np.pi, SIZE),
        "time": TIME + rng.uniform(-span / 2, span / 2, SIZE),
    }


# A prior on the time is a fraction of a second wide; a minute says that the sidereal time may be taken as linear in between.
@pytest.mark.parametrize("span", [0.2, 60.0])
@pytest.mark.parametrize("name", ["H1", "L1", "V1"])
class TestAgainstBilby:
    def test_antenna_response(self, name, span):
        interferometer = get_empty_interferometer(name)
        where = sky(span)
        plus, cross = Detector.from_interferometer(interferometer).antenna(**where)
        rows = list(zip(*where.values(), strict=True))
        for mode, ours in (("plus", plus), ("cross", cross)):
            theirs = [interferometer.antenna_response(ra, dec, time, psi, mode) for ra, dec, psi, time in rows]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)

    def test_time_delay(self, name, span):
        interferometer = get_empty_interferometer(name)
        where = sky(span)
        ours = Detector.from_interferometer(interferometer).delay(where["ra"], where["dec"], where["time"])
        theirs = [
            interferometer.time_delay_from_geocenter(ra, dec, time)
            for ra, dec, time in zip(where["ra"], where["dec"], where["time"], strict=True)
        ]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_the_antenna_response_is_taken_at_bilbys_reference_time():
    interferometer = get_empty_interferometer("L1")
    interferometer.reference_time = TIME - 7200.0
    where = sky(0.2)
    plus, _ = Detector.from_interferometer(interferometer).antenna(**where)
    theirs = [
        interferometer.antenna_response(ra, dec, TIME - 7200.0, psi, "plus")
        for ra, dec, psi in zip(where["ra"], where["dec"], where["psi"], strict=True)
    ]
    np.testing.assert_allclose(plus, theirs, rtol=0, atol=1e-8)


def test_a_fixed_sky_position_may_be_given_once():
    detector = Detector.from_interferometer(get_empty_interferometer("H1"))
    times = TIME + np.linspace(-1, 1, 5)
    fixed = detector.delay(np.array([1.0]), np.array([0.3]), times)
    full = detector.delay(np.full(5, 1.0), np.full(5, 0.3), times)
    np.testing.assert_array_equal(fixed, full)


def test_sidereal_time_is_lals():
    import lal

    for span, tolerance in ((0.2, 2e-11), (60.0, 1e-8)):
        times = TIME + np.linspace(0, span, 50)
        exact = [lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(time)) for time in times]
        # In double precision a GPS time is good to 2.4e-7 s, in which the Earth turns by 1.7e-11 rad, and an angle of 5751
        # turns to 7e-12. From one whole second to the next LAL itself is good to the rounding of a Julian day, 3e-9 rad.
        np.testing.assert_allclose(sidereal_time(times), exact, rtol=0, atol=tolerance)


def test_light_travel_time():
    detectors = {name: Detector.from_interferometer(get_empty_interferometer(name)) for name in ("H1", "L1", "V1")}
    assert light_travel_time(detectors["H1"], detectors["H1"]) == 0
    # 3002 km between the LIGO sites, through the Earth: 10.0 ms.
    assert light_travel_time(detectors["H1"], detectors["L1"]) == pytest.approx(0.01001, abs=2e-5)
    where = sky(0.2)
    largest = light_travel_time(detectors["H1"], detectors["V1"])
    one, other = (detectors[name].delay(where["ra"], where["dec"], where["time"]) for name in ("H1", "V1"))
    assert 0.9 * largest < np.abs(one - other).max() <= largest


def test_responses_turn_with_the_polarisation_angle():
    detector, where = Detector.from_interferometer(get_empty_interferometer("V1")), sky(0.0)
    zero = detector.antenna(**{**where, "psi": np.zeros(SIZE)})
    np.testing.assert_allclose(at_angle(where["psi"], *zero), detector.antenna(**where), rtol=0, atol=1e-12)


def test_directions_are_unit_vectors_of_the_earth():
    where = sky(0.0)
    found = direction(where["ra"], where["dec"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(np.arcsin(found[:, 2]), where["dec"])
    np.testing.assert_allclose(np.arctan2(found[:, 1], found[:, 0]) % (2 * np.pi), where["ra"])
    np.testing.assert_allclose(direction(np.array(0.0), np.array(np.pi / 2)), [0, 0, 1], atol=1e-15)
