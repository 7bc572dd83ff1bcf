"""Parameters of a binary that shape its wave, by Bilby's conversions."""

from __future__ import annotations

import numpy as np
from bilby.gw.conversion import lambda_1_lambda_2_to_lambda_tilde as combined

from bilby_flowpe.waves.binary import symmetric_mass_ratio, tide_factors, variables_of

HEAVY, LIGHT = np.array([1.4, 2.0, 1.6]), np.array([1.4, 1.1, 1.2])
FIRST, SECOND = np.array([300.0, 40.0, 900.0]), np.array([500.0, 2000.0, 0.0])


def test_the_combination_of_tides_is_bilbys() -> None:
    a, b = tide_factors(symmetric_mass_ratio(LIGHT / HEAVY, "mass_ratio"))
    np.testing.assert_allclose(a * FIRST + b * SECOND, combined(FIRST, SECOND, HEAVY, LIGHT), rtol=1e-12)


def test_variables_are_ratio_spins_along_the_orbit_and_tides() -> None:
    columns = {
        "a_1": np.array([0.4, 0.2, 0.0]),
        "tilt_1": np.array([0.0, np.pi / 2, 1.0]),
        "chi_2": np.array([0.1, -0.2, 0.3]),
    }
    columns |= {"mass_ratio": LIGHT / HEAVY, "lambda_1": FIRST, "lambda_2": SECOND}
    symmetric = HEAVY * LIGHT / (HEAVY + LIGHT) ** 2
    expected = np.stack([symmetric, [0.4, 0.0, 0.0], columns["chi_2"], combined(FIRST, SECOND, HEAVY, LIGHT)], axis=1)
    np.testing.assert_allclose(variables_of(columns), expected, atol=1e-12)


def test_what_is_fixed_is_one_of_them_and_what_is_absent_is_none() -> None:
    found = variables_of({"symmetric_mass_ratio": np.array([0.2, 0.25]), "lambda_tilde": 400.0})
    np.testing.assert_allclose(found, [[0.2, 400], [0.25, 400]])
    assert variables_of({"chirp_mass": np.ones(2)}).size == 0
