"""Methods that a class or a single object replaces."""

from __future__ import annotations

import pytest
from bilby.gw.detector import get_empty_interferometer
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.kinds.recognise import has_plain_values
from bilby_flowpe.overrides import replaced
from bilby_flowpe.waves.inner_products import InnerProducts


class Base:
    def value(self) -> int:
        return 1

    def other(self) -> int:
        return 2


class Changed(Base):
    def value(self) -> int:
        return 3


class Same(Base):
    """Replaces nothing, and has a method of its own."""

    def more(self) -> int:
        return 4


def test_classes() -> None:
    assert replaced(Base(), Base, ["value", "other"]) == []
    assert replaced(Same(), Base, ["value", "other"]) == []
    assert replaced(Changed(), Base, ["value", "other"]) == ["value"]


def test_one_object() -> None:
    thing = Base()
    thing.other = lambda: 5  # type: ignore[method-assign]
    assert replaced(thing, Base, ["value", "other"]) == ["other"]
    assert replaced(Base(), Base, ["value", "other"]) == []


def test_objects_without_a_dictionary() -> None:
    class Slotted(Base):
        __slots__ = ()

    assert replaced(Slotted(), Base, ["value"]) == []
    assert replaced(3, Base, ["value"]) == ["value"]


@pytest.mark.parametrize("name", ["log_likelihood_ratio", "calculate_snrs", "get_sky_frame_parameters"])
def test_a_likelihood_changed_on_the_instance_has_no_plain_values(problem_5d: tuple, name: str) -> None:
    given = problem_5d[0]
    likelihood = GravitationalWaveTransient(given.interferometers, given.waveform_generator)
    assert has_plain_values(likelihood)
    setattr(likelihood, name, getattr(likelihood, name))
    assert not has_plain_values(likelihood)


def test_products_of_a_changed_detector_are_its_own(problem_5d: tuple) -> None:
    """The short cut for inner products is taken for Bilby's own detectors alone."""
    given = problem_5d[0]
    assert InnerProducts(given).plain
    likelihood = GravitationalWaveTransient(given.interferometers, given.waveform_generator)
    detector = get_empty_interferometer("H1")
    detector.get_detector_response = detector.get_detector_response
    likelihood.interferometers = [detector]
    assert not InnerProducts(likelihood).plain
