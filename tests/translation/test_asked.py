"""Facts that are read from the user's likelihood and priors before they are put into another form."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from bilby.core.prior import Constraint, DeltaFunction, PriorDict, Uniform
from bilby.gw.detector.calibration import CubicSpline

from bilby_flowpe.errors import PriorError
from bilby_flowpe.kinds.gravitational_wave import GravitationalWave
from bilby_flowpe.translation.asked import Asked


def test_parameters_that_are_searched_and_fixed() -> None:
    priors = PriorDict({"a": Uniform(0, 1), "b": 2.0, "c": Constraint(0, 1), "d": DeltaFunction(3.0)})
    priors.convert_floats_to_delta_functions()
    asked = Asked(None, priors)
    assert asked.keys == ("a",)
    assert asked.fixed == {"b": 2.0, "d": 3.0}


def test_calibration_parameters_are_those_of_calibrated_detectors(problem_5d: tuple) -> None:
    likelihood, priors = copy.deepcopy(problem_5d[0]), PriorDict({"recalib_H1_amplitude_0": Uniform(-1, 1)})
    asked = Asked(likelihood, priors)
    assert asked.calibration_keys == []
    likelihood.interferometers[0].calibration_model = CubicSpline(
        "recalib_H1_", minimum_frequency=20, maximum_frequency=500, n_points=4
    )
    assert asked.calibration_keys == ["recalib_H1_amplitude_0"]


def test_what_is_integrated_out_has_the_likelihoods_prior() -> None:
    phase, jitter = Uniform(0, 2 * np.pi), Uniform(-1e-3, 1e-3)
    likelihood = SimpleNamespace(priors={"phase": phase, "geocent_time": Uniform(0, 1)})
    priors = PriorDict({"a": Uniform(0, 1), "phase": 0.0, "time_jitter": jitter})
    asked = Asked(likelihood, priors)
    assert asked.with_dropped(("phase",))["phase"] == phase
    assert "time_jitter" in asked.with_dropped(("phase",))
    assert "time_jitter" not in asked.with_dropped(("phase", "geocent_time"))
    assert priors["time_jitter"] == jitter
    for kept in (None, {"phase": DeltaFunction(0.0)}, {}):
        likelihood.priors = kept
        with pytest.raises(PriorError, match="marginalised over 'phase' but has no prior of it"):
            asked.with_dropped(("phase",))


def test_the_problem_as_it_stands(problem_5d: tuple) -> None:
    problem = Asked(*problem_5d).problem()
    assert isinstance(problem, GravitationalWave)
    assert problem.likelihood is problem_5d[0]
