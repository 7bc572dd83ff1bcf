"""Refusals and warnings about priors before they are used."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.prior import ConditionalPriorDict, ConditionalUniform, Constraint, PriorDict, Uniform

from bilby_flowpe.errors import PriorError
from bilby_flowpe.prior_checks import idle_constraints, require_conditions, require_limits


def above(reference_params, x):
    return {"minimum": x, "maximum": x + 1 / (x - 0.5)}


def beside(reference_params, x):
    return {"minimum": x, "maximum": x + 1}


def test_limits_are_numbers() -> None:
    require_limits(PriorDict({"x": Uniform(0, 1)}))
    with pytest.raises(PriorError, match=r"priors\['x'\]"):
        require_limits(PriorDict({"x": Uniform(0, np.nan)}))


def test_conditions_can_be_evaluated() -> None:
    def priors(function) -> ConditionalPriorDict:
        y = ConditionalUniform(function, name="y", minimum=0, maximum=1)
        return ConditionalPriorDict({"y": y, "x": Uniform(0, 1), "z": Constraint(0, 1)})

    require_conditions(priors(beside))
    with pytest.raises(PriorError, match=r"priors\['y'\].*\{'x': 0.5\}.*ZeroDivisionError"):
        require_conditions(priors(above))


def test_constraints_that_no_conversion_makes() -> None:
    sample = {"x": np.array([0.2, 0.4])}
    dictionary = {"x": Uniform(0, 1), "twice": Constraint(0, 1), "lost": Constraint(0, 1)}
    priors = PriorDict(dictionary, conversion_function=lambda p: {**p, "twice": 2 * p["x"]})
    assert idle_constraints(priors, sample) == ["lost"]
    assert idle_constraints(PriorDict({"x": Uniform(0, 1)}), sample) == []
