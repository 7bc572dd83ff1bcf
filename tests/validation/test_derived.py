"""Derived parameters of a posterior, held against formulas written here, and signal-to-noise ratios of a network."""

from __future__ import annotations

import bilby
import numpy as np
import pytest
from astropy import cosmology, units
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.validation import derived as derived_module
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


def test_masses_and_spins_by_their_formulas() -> None:
    derived = derived_parameters(result_of(ALIGNED))
    ratio = ALIGNED["mass_ratio"]
    total = ALIGNED["chirp_mass"] * (1 + ratio) ** 1.2 / ratio**0.6
    redshift = np.array(
        [
            cosmology.z_at_value(bilby.gw.cosmology.get_cosmology().luminosity_distance, distance * units.Mpc).value
            for distance in ALIGNED["luminosity_distance"]
        ]
    )
    # Bilby interpolates redshifts: to a part in a thousand.
    np.testing.assert_allclose(derived["redshift"], redshift, rtol=1e-3)
    np.testing.assert_allclose(derived["total_mass_source"], total / (1 + redshift), rtol=1e-3)
    np.testing.assert_allclose(derived["mass_1_source"], total / (1 + ratio) / (1 + redshift), rtol=1e-3)
    np.testing.assert_allclose(derived["chi_eff"], (ALIGNED["chi_1"] + ratio * ALIGNED["chi_2"]) / (1 + ratio))
    assert "lambda_tilde" not in derived


def test_precession_of_tilted_spins() -> None:
    """Also where the first row has none, for which Bilby 2.8 cuts those of all others to zero."""
    tilted = {key: ALIGNED[key] for key in ("chirp_mass", "mass_ratio", "luminosity_distance")}
    spins = {"a_1": np.full(3, 0.6), "a_2": np.full(3, 0.2), "tilt_1": np.array([0.0, 0.5, np.pi / 2])}
    tilted |= spins | {"tilt_2": np.zeros(3), "phi_12": np.zeros(3), "phi_jl": np.zeros(3), "theta_jn": np.full(3, 0.4)}
    tilted |= {"phase": np.zeros(3)}
    np.testing.assert_allclose(derived_parameters(result_of(tilted))["chi_p"], 0.6 * np.sin(spins["tilt_1"]))


def test_tides_have_their_common_parameter() -> None:
    stars = {"mass_1": np.full(2, 1.4), "mass_2": np.full(2, 1.4), "lambda_1": np.array([400.0, 300.0])}
    stars |= {"lambda_2": np.array([400.0, 500.0]), "luminosity_distance": np.full(2, 40.0)}
    # Of equal masses it is the mean.
    np.testing.assert_allclose(derived_parameters(result_of(stars))["lambda_tilde"], 400.0)


def test_what_the_posterior_has_is_taken_as_it_is() -> None:
    derived = derived_parameters(result_of({**ALIGNED, "redshift": np.array([0.1, 0.2, 0.3])}))
    np.testing.assert_array_equal(derived["redshift"], [0.1, 0.2, 0.3])


def test_fixed_parameters_are_of_the_priors() -> None:
    free = {key: column for key, column in ALIGNED.items() if key != "chi_2"}
    derived = derived_parameters(result_of(free, {"chi_2": 0.0}))
    ratio = ALIGNED["mass_ratio"]
    np.testing.assert_allclose(derived["chi_eff"], ALIGNED["chi_1"] / (1 + ratio))


@pytest.mark.parametrize(
    "columns",
    [{"slope": np.arange(3.0)}, {"mass_1": np.full(3, 30.0)}, {"mass": np.arange(1.0, 4.0)}],
    ids=["a line", "one mass", "another mass"],
)
def test_nothing_is_made_up_of_what_is_no_binary(columns: dict) -> None:
    assert not {"chirp_mass_source", "redshift", "chi_eff"} & {*derived_parameters(result_of(columns))}


def test_the_network_adds_squares() -> None:
    columns = {"H1_optimal_snr": np.array([3.0, 6.0]), "L1_optimal_snr": np.array([4.0, 8.0])}
    columns |= {"H1_matched_filter_snr": np.array([3j, -6.0]), "L1_matched_filter_snr": np.array([4.0, 8j])}
    ratios = signal_to_noise(result_of(columns), {})
    assert [*ratios] == ["H1", "L1", "network"]
    for kind in ("optimal_snr", "matched_filter_snr"):
        np.testing.assert_allclose(ratios["network"][kind], [5.0, 10.0])


def test_ratios_kept_beside_a_result_are_used_where_the_posterior_has_none() -> None:
    band = {"optimal_snr": np.array([7.0]), "matched_filter_snr": np.array([8.0]), "data": np.zeros(4)}
    ratios = signal_to_noise(result_of(ALIGNED), {"H1": band, "L1": {"data": np.zeros(4)}})
    assert [*ratios] == ["H1"]
    np.testing.assert_array_equal(ratios["H1"]["optimal_snr"], [7.0])


def test_many_rows_are_thinned_where_they_have_to_be_converted(monkeypatch) -> None:
    monkeypatch.setattr(derived_module, "_MOST", 5)
    many = {key: np.repeat(column, 4) for key, column in ALIGNED.items()}
    assert len(derived_parameters(result_of(many))) == 5
    few = derived_parameters(result_of(ALIGNED))
    assert {*derived_parameters(result_of(many))["chi_eff"].round(9)} <= {*few["chi_eff"].round(9)}
    assert len(derived_parameters(result_of({**many, "redshift": np.full(12, 0.1)}))) == 12
