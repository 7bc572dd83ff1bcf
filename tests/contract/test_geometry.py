"""Detectors are known by where they stand and how they lie, not by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from bilby.gw.detector import Interferometer, get_empty_interferometer

from bilby_flowpe.contract.geometry import GEOMETRY, describe_geometry, match_geometry


def facts(change: Callable[[Interferometer], Any] = lambda detector: None, name: str = "L1") -> dict[str, Any]:
    detectors = [get_empty_interferometer("H1"), get_empty_interferometer(name)]
    change(detectors[1])
    return {
        "detectors": {detector.name: {} for detector in detectors},
        GEOMETRY: describe_geometry(detectors),
    }


def moved(degrees: float) -> Callable[[Interferometer], None]:
    def change(detector: Interferometer) -> None:
        detector.geometry.latitude += degrees

    return change


def turned(degrees: float) -> Callable[[Interferometer], None]:
    def change(detector: Interferometer) -> None:
        detector.geometry.xarm_azimuth += degrees
        detector.geometry.yarm_azimuth += degrees

    return change


# A degree of latitude is 111 km, and a turn by 0.01 degrees changes the tensor by 3.5e-4.
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved(20), "km"),
        (moved(0.2), "22.2 km"),
        (turned(40), "entries of its tensor"),
        (turned(0.3), "tensor differ by 0.0"),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_another_place_or_turn_is_refused(change: Callable[[Interferometer], Any], said: str, by_name: bool) -> None:
    trained = facts()
    if by_name:
        del trained[GEOMETRY]
    (finding,) = match_geometry(trained, facts(change))
    assert finding.refused
    assert finding.message.startswith(f"{GEOMETRY}.L1: ")
    assert said in finding.message


@pytest.mark.parametrize("change", [moved(0), moved(0.1), turned(0.01)])
@pytest.mark.parametrize("by_name", [False, True])
def test_the_same_place_is_none(change: Callable[[Interferometer], Any], by_name: bool) -> None:
    trained = facts()
    if by_name:
        del trained[GEOMETRY]
    assert not [*match_geometry(trained, facts(change))]


def test_a_detector_of_ones_own_is_not_known_by_name() -> None:
    def renamed(detector: Interferometer) -> None:
        detector.name = "MINE"

    trained, asked = facts(renamed), facts(renamed)
    assert not [*match_geometry(trained, asked)]
    trained = copy.deepcopy(trained)
    del trained[GEOMETRY]
    (finding,) = match_geometry(trained, asked)
    assert "geometry.MINE: not known in the training" in finding.message


def test_a_fixed_place_in_the_sky_goes_by_the_response() -> None:
    asked = facts(moved(20))
    del asked[GEOMETRY]
    assert not [*match_geometry(facts(), asked)]
