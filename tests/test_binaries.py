"""Derived quantities of a binary, compared with formulas written here and with Bilby's own conversions."""

from __future__ import annotations

import bilby
import numpy as np
import pytest
from astropy import cosmology, units
from bilby.core.prior import DeltaFunction
from pandas import DataFrame

from bilby_flowpe.binaries import network_snr, with_derived

ALIGNED = {
    "chirp_mass": np.array([30.0, 31.0, 32.0]),
    "mass_ratio": np.array([0.5, 0.8, 1.0]),
    "chi_1": np.array([0.3, -0.2, 0.1]),
    "chi_2": np.array([0.1, 0.4, -0.6]),
    "luminosity_distance": np.array([400.0, 500.0, 3000.0]),
}


def test_masses_and_spins_by_their_formulas() -> None:
    derived = with_derived(DataFrame(ALIGNED))
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
    np.testing.assert_allclose(with_derived(DataFrame(tilted))["chi_p"], 0.6 * np.sin(spins["tilt_1"]))


def test_tides_have_their_common_parameter() -> None:
    stars = {"mass_1": np.full(2, 1.4), "mass_2": np.full(2, 1.4), "lambda_1": np.array([400.0, 300.0])}
    stars |= {"lambda_2": np.array([400.0, 500.0]), "luminosity_distance": np.full(2, 40.0)}
    # Of equal masses it is the mean.
    np.testing.assert_allclose(with_derived(DataFrame(stars))["lambda_tilde"], 400.0)


def test_what_the_posterior_has_is_taken_as_it_is() -> None:
    derived = with_derived(DataFrame({**ALIGNED, "redshift": np.array([0.1, 0.2, 0.3])}))
    np.testing.assert_array_equal(derived["redshift"], [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "columns",
    [{"slope": np.arange(3.0)}, {"mass_1": np.full(3, 30.0)}, {"mass": np.arange(1.0, 4.0)}],
    ids=["a line", "one mass", "another mass"],
)
def test_nothing_is_made_up_of_what_is_no_binary(columns: dict) -> None:
    assert not {"chirp_mass_source", "redshift", "chi_eff"} & {*with_derived(DataFrame(columns))}


def test_columns_are_bilbys() -> None:
    bilby.core.utils.random.seed(1)
    rows = DataFrame(bilby.gw.prior.BBHPriorDict(filename="precessing_spins_bbh.prior").sample(4))
    rows = rows.drop(columns=["mass_1", "mass_2"], errors="ignore")
    ours = with_derived(rows, reference_frequency=20.0)
    theirs = bilby.gw.conversion.generate_all_bbh_parameters(rows.assign(reference_frequency=20.0))
    for key in ("mass_1", "total_mass", "chi_eff", "chi_p", "redshift", "mass_1_source", "chirp_mass_source"):
        np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-9, err_msg=key)


def test_many_redshifts_are_those_of_few() -> None:
    many = DataFrame({key: np.linspace(column[0], column[-1], 1000) for key, column in ALIGNED.items()})
    few = with_derived(many.iloc[::250])
    # Bilby looks for redshifts to about 1e-8.
    np.testing.assert_allclose(with_derived(many)["redshift"].iloc[::250], few["redshift"], rtol=1e-7)


def test_spins_are_told_at_a_frequency_that_is_known() -> None:
    assert "spin_1z" not in with_derived(DataFrame(ALIGNED))
    assert "reference_frequency" not in with_derived(DataFrame(ALIGNED))
    np.testing.assert_array_equal(
        with_derived(DataFrame(ALIGNED), reference_frequency=20.0)["spin_1z"], ALIGNED["chi_1"]
    )


def test_rows_keep_their_order_and_their_index() -> None:
    table = DataFrame(ALIGNED, index=[7, 3, 5])
    derived = with_derived(table)
    assert [*derived.index] == [7, 3, 5]
    for key in table:
        np.testing.assert_array_equal(derived[key], table[key])


def test_what_is_fixed_is_of_the_priors() -> None:
    free = DataFrame({key: column for key, column in ALIGNED.items() if key != "chi_2"})
    derived = with_derived(free, {"chi_2": DeltaFunction(0.5)})
    ratio = ALIGNED["mass_ratio"]
    np.testing.assert_allclose(derived["chi_eff"], (ALIGNED["chi_1"] + ratio * 0.5) / (1 + ratio))


def test_the_network_is_one_filter_over_all_data() -> None:
    """Against sums over the data themselves."""
    rng = np.random.default_rng(2)
    waves = rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64))
    data = waves + 0.3 * (rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64)))
    optimal = np.sqrt(np.sum(np.abs(waves) ** 2, axis=1, keepdims=True))
    matched = np.sum(waves.conj() * data, axis=1, keepdims=True) / optimal
    assert network_snr(matched, optimal) == pytest.approx(abs(np.vdot(waves, data)) / np.linalg.norm(waves))
