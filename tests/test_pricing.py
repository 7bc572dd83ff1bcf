"""Prices of a proposal: which way is cheaper, from made-up prices of a likelihood."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bilby_flowpe.pricing import Price, in_words, price_of_drawing, price_of_refinement, price_of_training

TRAINING = {"n_waveforms": 50_000, "n_effective": 5000, "training": 600.0, "measuring": 0.5}
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
    assert price_of_drawing(5000, 2e-3) == Price(25_000, 50.0)
    assert price_of_drawing(5000, 2e-3, npool=2).seconds == 25.0


def test_a_measured_efficiency_counts() -> None:
    """The quickstart makes 8001 evaluations with a network of efficiency 0.96, a pilot and comparisons included."""
    assert price_of_drawing(5000, 1e-3, efficiency=0.96) == Price(7750, 7.75)
    # An efficiency of zero on simulated events is no price without end.
    assert price_of_drawing(5000, 1e-3, efficiency=0.0).evaluations == 301_500


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01, "1 s"), (119.0, "119 s"), (600.0, "10 minutes"), (7199.0, "120 minutes"), (36_000.0, "10 hours")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_price_in_words_has_one_digit() -> None:
    assert Price(96_300, 61.0).words == "some 100000 likelihood evaluations, about 61 s"
    assert Price(40_000, math.nan).words == "some 40000 likelihood evaluations"
