"""Pairs of masses."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.conversion import component_masses_to_chirp_mass, total_mass_and_mass_ratio_to_component_masses

from bilby_flowpe.family.masses import PAIRS, Masses

CHIRP, RATIO = np.array([6.0, 28.0, 80.0]), np.array([0.06, 0.7, 1.0])


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.keys[0])
def test_there_and_back(pair: Masses) -> None:
    asked = pair.asked({"chirp_mass": CHIRP, "mass_ratio": RATIO, "chi_1": np.zeros(3)})
    assert set(asked) == {*pair.keys, "chi_1"}
    columns, _ = pair.of_family(asked)
    np.testing.assert_allclose(columns["chirp_mass"], CHIRP)
    np.testing.assert_allclose(columns["mass_ratio"], RATIO)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.keys[0])
def test_jacobians_are_those_of_finite_differences(pair: Masses) -> None:
    given = np.stack(pair.from_family(CHIRP, RATIO))
    rows = []
    for index in range(2):
        step = np.zeros((2, 1))
        step[index] = 1e-6
        up, down = (np.stack(pair.to_family(*(given * (1 + sign * step)))[0]) for sign in (1, -1))
        rows.append((up - down) / (2 * step[index] * given[index]))
    numerical = np.abs(rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0])
    np.testing.assert_allclose(np.log(numerical), pair.to_family(*given)[1], atol=1e-7)


def test_values_are_bilbys() -> None:
    first, second = np.array([40.0]), np.array([25.0])
    columns, _ = Masses.of(("mass_1", "mass_2")).of_family({"mass_1": first, "mass_2": second})
    np.testing.assert_allclose(columns["chirp_mass"], component_masses_to_chirp_mass(first, second))
    asked = Masses.of(("total_mass", "mass_ratio")).asked(columns)
    again = total_mass_and_mass_ratio_to_component_masses(asked["mass_ratio"], asked["total_mass"])
    np.testing.assert_allclose(np.concatenate(again), [40, 25])


def test_the_pair_among_keys() -> None:
    assert Masses.of(("mass_2", "mass_1", "chi_1")).keys == ("mass_1", "mass_2")
    assert Masses.of(("chi_1", "mass_ratio")).keys == ("chirp_mass", "mass_ratio")


def test_a_row_has_spins_along_the_orbit_and_the_lighter_body_second() -> None:
    row = Masses.of(("mass_1", "mass_2")).row(
        {"mass_1": 20.0, "mass_2": 40.0, "a_1": 0.5, "tilt_1": 0.0, "a_2": 0.5, "tilt_2": np.pi, "phase": 1.0}
    )
    assert row["mass_ratio"] == 0.5
    assert (row["chi_1"], row["chi_2"], row["phase"]) == pytest.approx((0.5, -0.5, 1.0))
    assert row["chirp_mass"] == pytest.approx(component_masses_to_chirp_mass(20.0, 40.0))
