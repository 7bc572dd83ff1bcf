"""The choice of coarse waves for a run, and its message if there are none."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from bilby.core.prior import PriorDict

from bilby_flowpe import coarse_choice
from bilby_flowpe.coarse_choice import CoarseChoice
from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.choose import DrawnBy, closed_form_of, conditional_of
from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import problem_of
from tests.waves.coarse.test_sources import chirp_with_keys, user_model

ALL = ConditionalConfig(("phase", "luminosity_distance", "geocent_time", "theta_jn", "psi", "ra", "dec"), 2)


def shaped_by_all(frequency_array, mass_1, mass_2, luminosity_distance, theta_jn, phase):
    """A wave that does not turn with the phase."""
    wave = chirp_with_keys(frequency_array, mass_1, mass_2, luminosity_distance, theta_jn, phase)
    return {mode: series * (1 + 0.5 * np.cos(phase / 2)) for mode, series in wave.items()}


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
    assert not caplog.records
    closed = conditional_of(ConditionalConfig(("phase", "luminosity_distance"), 2), problem.prior)
    for coarse, conditional, said in (
        (True, closed, "here it draws ['phase', 'luminosity_distance']"),
        ("NoSuchApproximant", plain, "NoSuchApproximant"),
    ):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="bilby"):
            assert CoarseChoice(problem, coarse).of(conditional) is None
        assert len(caplog.records) == 1
        assert "No coarse waveforms are used" in caplog.text
        assert said in caplog.text


def test_waves_that_raise_are_no_end(
    problem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run without coarse waves decides whether the likelihood's own waves can be used."""

    def raises(*_: object) -> None:
        raise SimulationError("no such mass ratio")

    monkeypatch.setattr(coarse_choice, "find_reference", raises)
    with caplog.at_level(logging.INFO, logger="bilby"):
        assert CoarseChoice(problem, True).of(conditional_of(ALL, problem.prior)) is None
    assert "no such mass ratio" in caplog.text


def test_the_symmetries_of_a_named_approximant_count(make_problem_hl) -> None:
    """Unless a network has learnt what the likelihood's own waves do not allow to draw."""
    likelihood, priors = make_problem_hl()
    user_model(likelihood, frequency_domain_source_model=shaped_by_all)
    problem = problem_of(likelihood, priors)
    own = closed_form_of(problem, DrawnBy())
    assert own.keys == ()
    assert CoarseChoice(problem, True).of(own) is None
    choice = CoarseChoice(problem, "IMRPhenomXAS")
    drawing = choice.of(own)
    assert drawing is not None
    assert {*drawing.keys} == {*ALL.keys}
    assert "IMRPhenomXAS" in drawing.describe()["source"]
    assert choice.of(own, network=True) is None


def test_a_known_phase(problem) -> None:
    """Terms are turned by it and summed."""
    priors = {**problem.prior.priors, "phase": 1.3}
    known = problem_of(problem.likelihood, PriorDict(priors))
    plain = closed_form_of(known, DrawnBy())
    drawing = CoarseChoice(known, True).of(plain)
    assert drawing is not None
    assert drawing.keys == plain.keys
    assert drawing.waves.orders == (0,)
    assert drawing.waves.coarse.orders == (2,)
