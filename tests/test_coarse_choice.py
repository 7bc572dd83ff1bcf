"""Whether a run draws with coarse waves, and what it is told where it does not."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from bilby_flowpe.coarse_choice import CoarseChoice
from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.choose import conditional_of
from bilby_flowpe.kinds import problem_of

ALL = ConditionalConfig(("phase", "luminosity_distance", "geocent_time", "theta_jn", "psi", "ra", "dec"), 2)


@pytest.fixture(scope="module")
def problem(problem_hl):
    likelihood, priors = problem_hl
    return problem_of(likelihood, priors)


def test_coarse_waves_draw_the_same_parameters(problem) -> None:
    plain = conditional_of(ALL, problem.prior)
    choice = CoarseChoice(problem, True)
    drawing = choice.of(plain)
    assert drawing is not None
    assert (drawing.exact, plain.exact) == (False, True)
    assert drawing.keys == plain.keys
    assert {"source", "nodes", "error", "reference"} <= drawing.describe().keys()
    assert choice.searched is not None
    assert choice.evaluations == len(choice.searched.log_ratios) > 2000
    # A second reference needs no second search.
    again = choice.of(plain, {**drawing.describe()["reference"], "mass_ratio": 0.7})
    assert again is not None
    assert again.describe()["reference"]["mass_ratio"] == 0.7


def test_where_there_are_none(problem, caplog: pytest.LogCaptureFixture) -> None:
    plain = conditional_of(ALL, problem.prior)
    assert CoarseChoice(problem, False).of(plain) is None
    closed = conditional_of(ConditionalConfig(("phase", "luminosity_distance"), 2), problem.prior)
    assert CoarseChoice(problem, True).of(closed) is None
    known = conditional_of(replace(ALL, keys=ALL.keys[1:], phase_order=0, phase_known=True), problem.prior)
    assert CoarseChoice(problem, True).of(known) is None
    with caplog.at_level(logging.INFO, logger="bilby"):
        assert CoarseChoice(problem, "NoSuchApproximant").of(plain) is None
    assert "No coarse waves" in caplog.text
    assert "NoSuchApproximant" in caplog.text
