"""The user's likelihood, called as Bilby's samplers call it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import Likelihood

from bilby_flowpe.errors import DataError, SimulationError
from bilby_flowpe.likelihoods import LogLikelihood, gives_ratio


class Given(Likelihood):
    """Gives whatever it is told, a hundred below that as a ratio."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def log_likelihood(self, parameters: dict) -> Any:
        assert parameters == {"x": 1.0}
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def log_likelihood_ratio(self, parameters: dict) -> Any:
        return self.log_likelihood(parameters) - 100.0


class Holding(Likelihood):
    """Holds its parameters, as likelihoods of older versions of Bilby do."""

    def __init__(self) -> None:
        super().__init__({"x": 0.0})

    def log_likelihood(self) -> float:
        return 2 * self.parameters["x"]

    def noise_log_likelihood(self) -> float:
        return 100.0


ROW = {"x": 1.0}


@pytest.mark.parametrize("use_ratio, expected", [(False, 3.0), (True, -97.0)])
def test_value(use_ratio: bool, expected: float) -> None:
    assert LogLikelihood(Given(3.0), use_ratio)(ROW).tolist() == [expected]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("use_ratio, expected", [(False, 2.0), (True, -98.0)])
def test_a_likelihood_that_holds_its_parameters(use_ratio: bool, expected: float) -> None:
    assert LogLikelihood(Holding(), use_ratio)(ROW).tolist() == [expected]


def test_a_method_on_the_object_that_holds_its_parameters_is_given_those_of_the_row() -> None:
    class Plain(Likelihood):
        def log_likelihood(self, parameters: dict) -> float:
            return 0.0

        def noise_log_likelihood(self) -> float:
            return 100.0

    likelihood = Plain({})
    likelihood.log_likelihood = lambda: 2 * likelihood.parameters["x"]  # type: ignore[method-assign, assignment]
    assert [LogLikelihood(likelihood, True)({"x": x}).tolist() for x in (1.0, 5.0)] == [[-98.0], [-90.0]]


def test_a_method_that_is_set_on_the_object_is_the_one_called() -> None:
    likelihood = Given(3.0)
    likelihood.log_likelihood = lambda parameters: 7.0  # type: ignore[method-assign]
    assert LogLikelihood(likelihood, False)(ROW).tolist() == [7.0]


def test_not_a_number_is_no_value_and_minus_infinity_is_one() -> None:
    assert LogLikelihood(Given(math.nan), False)(ROW) is None
    assert LogLikelihood(Given(-np.inf), False)(ROW).tolist() == [-np.inf]


@pytest.mark.parametrize("answer", [None, "much", np.zeros(2)])
def test_what_is_no_real_number_is_told(answer: Any) -> None:
    with pytest.raises(DataError, match=r"of Given is .* at \{'x': 1.0\}: let it return one real number"):
        LogLikelihood(Given(answer), False)(ROW)


def test_an_infinite_likelihood_is_told() -> None:
    with pytest.raises(DataError, match=r"infinite at \{'x': 1.0\}"):
        LogLikelihood(Given(np.inf), False)(ROW)


def test_what_a_likelihood_raises_is_told_with_its_parameters() -> None:
    with pytest.raises(SimulationError, match=r"Given raised KeyError \('mass'\) at \{'x': 1.0\}"):
        LogLikelihood(Given(KeyError("mass")), False)(ROW)


def test_a_ratio_is_there_where_any_row_has_one() -> None:
    assert gives_ratio(Given(3.0), [ROW])
    assert not gives_ratio(Given(math.nan), [ROW, ROW])
