"""Prices of a proposal: which way is cheaper, from made-up prices of a likelihood."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bilby_flowpe.pricing import Price, in_words, price_of_drawing, price_of_refinement, price_of_training

TRAINING = {"n_waveforms": 50_000, "n_effective": 5000, "most": 500_000, "training": 600.0, "measuring": 0.5}
REFINING = {"n_effective": 5000, "most": 500_000}


@pytest.mark.parametrize(
    ("parameters", "each", "changes", "pays"),
    [
        (2, 1e-5, {}, False),
        (15, 1e-3, {}, False),
        # 1.8e5 evaluations against 7.5e4 simulations and draws, and 900 s of the rest.
        (15, 3e-3, {}, False),
        (15, 0.1, {}, True),
        # Few parameters take fewer evaluations than a training takes simulations, be they as dear as they will.
        (3, 10.0, {}, False),
        # Coarse waves spare the user's likelihood.
        (9, 0.1, {"coarse": True}, False),
        # What nobody knows is not chosen.
        (15, math.nan, {}, False),
        (15, 0.1, {"training": None}, False),
        (15, 0.1, {"training": 36_000.0}, False),
        # The training itself is not shared by processes.
        (15, 0.2, {"npool": 16}, True),
        (15, 0.02, {"npool": 16}, False),
        (15, 0.1, {"most": 50_000}, False),
    ],
)
def test_training_pays_where_evaluations_are_many_and_dear(
    parameters: int, each: float, changes: dict[str, Any], pays: bool
) -> None:
    of_both = {"each": each, **{key: changes[key] for key in ("npool",) if key in changes}}
    refining = REFINING | of_both | {key: changes[key] for key in ("coarse", "most") if key in changes}
    training = TRAINING | of_both | {key: changes[key] for key in ("training",) if key in changes}
    assert (price_of_training(**training).seconds < price_of_refinement(parameters, **refining).seconds) is pays


def test_evaluations_grow_with_what_is_asked_for_up_to_the_budget() -> None:
    counts = [price_of_refinement(parameters, each=1e-3, **REFINING).evaluations for parameters in (2, 5, 10)]
    # Measured on a straight line and on correlated normal posteriors; the price is a rough one.
    assert counts == pytest.approx([2.3e4, 5.6e4, 1.0e5], rel=0.25)
    more = price_of_refinement(2, 20_000, 500_000, 1e-3).evaluations
    assert counts[0] < more < price_of_refinement(2, 20_000, 500_000, 1e-3).seconds / 1e-3
    assert price_of_refinement(2, 20_000, 1000, 1e-3).evaluations == 1000


def test_drawing_takes_no_fits() -> None:
    price = price_of_drawing(5000, 500_000, 2e-3)
    # From a perfect network to one with an efficiency of 0.2; examples/quickstart.py takes 8001 evaluations.
    assert (price.evaluations, price.seconds) == (25_000, 50.0)
    assert price.between is not None
    assert price.between[0] == pytest.approx((7000, 5.6))
    assert price.between[1] == pytest.approx((31_000, 62.0))
    assert price.words == "some 7000 to 40000 likelihood evaluations, about 6 to 62 s"
    assert price_of_drawing(5000, 500_000, 2e-3, npool=2).seconds == 25.0
    assert price_of_drawing(5000, 1000, 2e-3).words == "some 1000 likelihood evaluations, about 1 to 2 s"


@pytest.mark.parametrize(
    ("parameters", "evaluations", "seconds"),
    # Runs without a network, without draws that look for missed modes: correlated normal posteriors, shells, a bent ridge, a
    # ring, a spike in a broad mode, an egg box; about 2e-5 s for an evaluation.
    [
        (2, 19_409, 0.8),
        (5, 27_250, 2.5),
        (10, 51_820, 3.4),
        (2, 22_824, 4.8),
        (2, 42_682, 7.1),
        (2, 23_140, 4.3),
        (3, 38_990, 13.8),
        (2, 28_884, 7.2),
    ],
)
def test_the_range_of_a_refinement_holds(parameters: int, evaluations: int, seconds: float) -> None:
    price = price_of_refinement(parameters, each=2e-5, **REFINING)
    assert price.between is not None
    (few, short), (many, long) = price.between
    assert few <= evaluations <= many
    assert short <= seconds <= long


@pytest.mark.parametrize(
    ("parameters", "n_effective", "each", "evaluations", "seconds"),
    # Black holes with aligned spins in one, two and three detectors, and neutron stars with tides.
    [
        (4, 5000, 2.5e-3, 6390, 69.0),
        (4, 5000, 3.9e-3, 7622, 86.0),
        (4, 5000, 6.4e-3, 6459, 105.0),
        (11, 5000, 16.9e-3, 6992, 323.0),
        (11, 2000, 30.3e-3, 3038, 240.0),
    ],
)
def test_the_range_with_coarse_waves_holds(
    parameters: int, n_effective: int, each: float, evaluations: int, seconds: float
) -> None:
    price = price_of_refinement(parameters, n_effective, 500_000, each, coarse=True)
    assert price.between is not None
    (few, short), (many, long) = price.between
    assert few <= evaluations <= many
    assert short <= seconds <= long


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01, "1 s"), (119.0, "119 s"), (600.0, "10 minutes"), (7199.0, "120 minutes"), (36_000.0, "10 hours")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_price_in_words_has_one_digit() -> None:
    assert Price(96_300, 61.0).words == "some 100000 likelihood evaluations, about 61 s"
    assert Price(40_000, math.nan).words == "some 40000 likelihood evaluations"
    # The ends of a range are rounded outwards.
    both = ((14_000, 65.0), (42_000, 240.0))
    assert Price(28_000, 90.0, both).words == "some 10000 to 50000 likelihood evaluations, about 65 s to 4 minutes"
    unknown = price_of_refinement(2, 5000, 500_000, math.nan)
    assert unknown.words == "some 10000 to 50000 likelihood evaluations"
