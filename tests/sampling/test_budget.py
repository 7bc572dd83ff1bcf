"""The remainder of a budget, and its message when it ends."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.chain.meter import Meter
from bilby_flowpe.conditional.spot_check import rows_to_compare
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.sampling.budget import Budget
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.translation.translated import as_it_stands

PROBLEM = as_it_stands(problem_of(Likelihood(), PriorDict({"x": Uniform(0, 1)})))


def target(
    made: int = 0,
    conditional: tuple[str, ...] = (),
    corrects: bool = False,
    each: float = 0.0,
    coarse: int | None = None,
    dropped: tuple[str, ...] = (),
) -> Target:
    drawn = SimpleNamespace(
        keys=conditional,
        reference=dict.fromkeys(conditional, 0.0),
        defended=lambda share: drawn,
        exact=coarse is None,
        task=None,
    )
    translated = replace(PROBLEM, corrects=corrects, dropped=dropped)
    return Target(translated, True, drawn, meter=Meter(made, coarse or 0, seconds_each=each))


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


@pytest.mark.parametrize("dropped", [(), ("phase",)])
def test_coarse_evaluations_count_beside_those_of_the_likelihood(dropped: tuple[str, ...]) -> None:
    """Draws are not compared; those that are kept cost the likelihood, and its value where it integrates parameters out."""
    coarse = target(300, ("phase",), coarse=500, dropped=dropped)
    budget = Budget(1000)
    assert budget.left(coarse) == 200
    assert budget.evaluations_left(coarse) == budget.evaluations_left(coarse.steering(), from_prior=True) == 200
    assert coarse.evaluations_kept == 1 + len(dropped)
    assert target(300, ("phase",)).evaluations_kept == 0
    assert budget.draws_in_time(coarse) == np.inf
    assert Budget(1000, seconds=10.0).draws_in_time(target(each=0.1)) == pytest.approx(100, abs=1)
