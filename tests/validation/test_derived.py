"""Derived parameters of a posterior, held against formulas written here, and signal-to-noise ratios of a network."""

from __future__ import annotations

import numpy as np
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.validation.derived import derived_parameters, signal_to_noise


def result_of(columns: dict, priors: dict | None = None) -> Result:
    searched = {key: Uniform(-1e10, 1e10) for key in columns} | (priors or {})
    return Result(
        label="event", posterior=DataFrame(columns), priors=PriorDict(searched), search_parameter_keys=[*columns]
    )


ALIGNED = {
    "chirp_mass": np.array([30.0, 31.0, 32.0]),
    "mass_ratio": np.array([0.5, 0.8, 1.0]),
    "chi_1": np.array([0.3, -0.2, 0.1]),
    "chi_2": np.array([0.1, 0.4, -0.6]),
    "luminosity_distance": np.array([400.0, 500.0, 3000.0]),
}


def test_fixed_parameters_are_of_the_priors() -> None:
    free = {key: column for key, column in ALIGNED.items() if key != "chi_2"}
    derived = derived_parameters(result_of(free, {"chi_2": 0.0}))
    ratio = ALIGNED["mass_ratio"]
    np.testing.assert_allclose(derived["chi_eff"], ALIGNED["chi_1"] / (1 + ratio))


def test_the_network_is_one_filter_over_all_data() -> None:
    columns = {"H1_optimal_snr": np.array([3.0, 6.0]), "L1_optimal_snr": np.array([4.0, 8.0])}
    columns |= {"H1_matched_filter_snr": np.array([3j, -6.0]), "L1_matched_filter_snr": np.array([4.0, 8j])}
    ratios = signal_to_noise(result_of(columns), {})
    assert [*ratios] == ["H1", "L1", "network"]
    np.testing.assert_allclose(ratios["H1"]["matched_filter_snr"], [3.0, 6.0])
    np.testing.assert_allclose(ratios["network"]["optimal_snr"], [5.0, 10.0])
    # One filter: |3j * 3 + 4 * 4| / 5, and the like.
    np.testing.assert_allclose(ratios["network"]["matched_filter_snr"], [np.hypot(9, 16) / 5, np.hypot(36, 64) / 10])


def test_columns_of_the_network_are_not_a_detector() -> None:
    columns = {"H1_optimal_snr": np.array([3.0]), "network_optimal_snr": np.array([7.0])}
    assert [*signal_to_noise(result_of(columns), {})] == ["H1"]


def test_ratios_kept_beside_a_result_are_used_where_the_posterior_has_none() -> None:
    band = {"optimal_snr": np.array([7.0]), "matched_filter_snr": np.array([8.0]), "data": np.zeros(4)}
    ratios = signal_to_noise(result_of(ALIGNED), {"H1": band, "L1": {"data": np.zeros(4)}})
    assert [*ratios] == ["H1"]
    np.testing.assert_array_equal(ratios["H1"]["optimal_snr"], [7.0])
