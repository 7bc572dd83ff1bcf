"""Terms of waves: modes of one order where a model lets them be chosen and they turn together, calls at several phases else."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.source import lal_binary_black_hole

from bilby_flowpe.waves.coarse.models import twin
from bilby_flowpe.waves.coarse.terms import ByModes, ByPhases, OneTerm, terms_from
from tests.approximations import generator_of

FREQUENCIES = np.linspace(20.0, 480.0, 30)
ORDERS = (1, 2, 3, 4)
SPINS = {"a_1": 0.7, "a_2": 0.4, "tilt_1": 1.1, "tilt_2": 0.6, "phi_12": 1.7, "phi_jl": 0.3}


@pytest.fixture
def row(problem_hl) -> dict[str, float]:
    injected = problem_hl[0].injection_parameters
    return {**{key: value for key, value in injected.items() if not key.startswith("chi")}, **SPINS}


def model_of(problem, approximant: str, **more):
    generator = generator_of(problem[0], lal_binary_black_hole, waveform_approximant=approximant, **more)
    made = twin(generator)
    assert made is not None
    return made


@pytest.mark.parametrize("approximant", ["IMRPhenomXPHM", "IMRPhenomHM"])
def test_groups_of_modes_are_the_fourier_components_of_the_phase(problem_hl, row, approximant: str) -> None:
    if approximant == "IMRPhenomHM":
        row |= {"tilt_1": 0.0, "tilt_2": 0.0}
    model = model_of(problem_hl, approximant)
    terms = terms_from(model, ORDERS, [row], FREQUENCIES)
    assert isinstance(terms, ByModes)
    parameters = model.parameters(row)
    found = terms(parameters, FREQUENCIES)
    expected = ByPhases(model, ORDERS)(parameters, FREQUENCIES)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_modes_of_the_users_are_kept(problem_hl, row) -> None:
    """Two orders have two terms, which make the whole wave."""
    model = model_of(problem_hl, "IMRPhenomXPHM", mode_array=[[2, 2], [2, -2], [3, 3], [3, -3]])
    terms = terms_from(model, (2, 3), [row], FREQUENCIES)
    assert isinstance(terms, ByModes)
    assert terms.groups == (((2, 2), (2, -2)), ((3, 3), (3, -3)))
    found = terms(model.parameters(row), FREQUENCIES)
    whole = model({**model.parameters(row), "phase": 0.0}, FREQUENCIES)
    np.testing.assert_allclose(found.sum(axis=0), whole, rtol=0, atol=1e-6 * np.abs(whole).max())


def test_orders_of_the_wrong_sign_are_not_made_of_modes(problem_hl, row) -> None:
    model = model_of(problem_hl, "IMRPhenomXPHM")
    assert isinstance(terms_from(model, (-1, -2, -3, -4), [row], FREQUENCIES), ByPhases)
    assert isinstance(terms_from(model, (2, -2), [row], FREQUENCIES), ByPhases)


def test_no_order_is_a_wave_at_its_own_phase(problem_hl, row) -> None:
    model = model_of(problem_hl, "IMRPhenomXPHM")
    terms = terms_from(model, (), [row], FREQUENCIES)
    assert isinstance(terms, OneTerm)
    assert terms.orders == (0,)
    parameters = model.parameters(row)
    np.testing.assert_array_equal(terms(parameters, FREQUENCIES)[0], model(parameters, FREQUENCIES))
