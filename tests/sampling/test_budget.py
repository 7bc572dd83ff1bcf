"""What a budget leaves, and what it says when it ends."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from bilby_flowpe.chain.meter import Meter
from bilby_flowpe.conditional.spot_check import rows_to_compare
from bilby_flowpe.sampling.budget import Budget


def target(made: int = 0, conditional: tuple[str, ...] = (), corrects: bool = False, each: float = 0.0) -> Any:
    return SimpleNamespace(
        meter=Meter(made, seconds_each=each), conditional_keys=conditional, evaluations_each=2 if corrects else 1
    )


def test_black_boxes_take_one_evaluation_a_draw() -> None:
    assert Budget(1000).evaluations_left(target(300)) == 700
    assert Budget(1000).evaluations_left(target(1300)) == 0


@pytest.mark.parametrize("corrects", [False, True])
@pytest.mark.parametrize("left", [30, 300, 3000])
def test_closed_forms_and_corrections_are_within_the_budget(corrects: bool, left: int) -> None:
    draws = Budget(5000).evaluations_left(target(5000 - left, ("phase",), corrects))
    spent = (2 if corrects else 1) * draws + rows_to_compare(draws)
    assert spent <= left + 1
    assert draws > 0 or left == 30


def test_time_bounds_the_draws() -> None:
    budget = Budget(1000, seconds=10.0)
    assert budget.evaluations_left(target(each=0.1)) <= 100
    assert budget.evaluations_left(target()) == 1000
    over = Budget(1000, seconds=1.0, began=time.monotonic() - 2)
    assert not over.in_time()
    assert over.evaluations_left(target(each=0.1)) == 0
    assert "max_time=1 s" in over.spent(target(each=0.1))
    assert "max_likelihood_evaluations=1000 (1000 made)" in Budget(1000).spent(target(1000))
