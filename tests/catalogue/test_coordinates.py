"""Volumes of coordinates of binaries, against finite differences of Bilby's own conversions."""

from __future__ import annotations

import bilby
import numpy as np
import pytest
from bilby.gw import conversion

from bilby_flowpe.catalogue.coordinates import Binaries, redshift_of
from bilby_flowpe.errors import PriorError

FIRST, SECOND, REDSHIFT = 41.0, 29.0, 0.37


def by_bilby(key: str, first: float, second: float, redshift: float) -> float:
    """Masses by Bilby, distances by astropy: Bilby's are of tables, whose slopes are good to 1e-4."""
    cosmology = bilby.gw.cosmology.get_cosmology()
    row = conversion.generate_mass_parameters({"mass_1": first, "mass_2": second})
    row |= {f"{name}_source": value / (1 + redshift) for name, value in row.items()}
    row["redshift"] = redshift
    row["luminosity_distance"] = cosmology.luminosity_distance(redshift).to_value("Mpc")
    row["comoving_distance"] = cosmology.comoving_distance(redshift).to_value("Mpc")
    return float(row[key])


@pytest.mark.parametrize(
    "keys",
    [
        ("chirp_mass", "mass_ratio", "luminosity_distance"),
        ("mass_1_source", "mass_ratio", "redshift"),
        ("chirp_mass_source", "symmetric_mass_ratio", "comoving_distance"),
        ("total_mass_source", "mass_2", "luminosity_distance"),
    ],
)
def test_volumes_are_those_of_differences(keys: tuple[str, ...]) -> None:
    base = np.array([FIRST, SECOND, REDSHIFT])
    steps = np.diag(base * 1e-5)
    slopes = [
        [(by_bilby(key, *(base + step)) - by_bilby(key, *(base - step))) / (2 * step.sum()) for step in steps]
        for key in keys
    ]
    binaries = Binaries(*(np.array([value]) for value in base))
    assert binaries.log_volume(keys)[0] == pytest.approx(np.log(abs(np.linalg.det(slopes))), abs=1e-6)
    for key in keys:
        assert binaries.value(key)[0] == pytest.approx(by_bilby(key, *base), rel=1e-6)


def test_binaries_of_any_two_masses_and_a_distance() -> None:
    truth = Binaries(np.array([FIRST, 20.0]), np.array([SECOND, 3.0]), np.array([REDSHIFT, 1.4]))
    for masses in (
        ("chirp_mass", "mass_ratio"),
        ("mass_1_source", "mass_2_source"),
        ("total_mass", "symmetric_mass_ratio"),
    ):
        for distance in ("redshift", "luminosity_distance", "comoving_distance"):
            found = Binaries.of({key: truth.value(key) for key in (*masses, distance)})
            for one, other in zip((found.mass_1, found.mass_2, found.redshift), vars(truth).values(), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-7)


def test_redshifts_are_bilbys() -> None:
    distances = np.array([30.0, 1000.0, 9000.0])
    expected = conversion.luminosity_distance_to_redshift(distances)
    np.testing.assert_allclose(redshift_of({"luminosity_distance": distances}), expected, rtol=1e-6)


def test_curved_space() -> None:
    """The luminosity distance and its slope, against astropy's own, in a cosmology whose space is not flat."""
    from astropy.cosmology import LambdaCDM

    before = bilby.gw.cosmology.get_cosmology()
    try:
        for dark in (0.2, 1.1):
            bilby.gw.cosmology.set_cosmology(cosmology := LambdaCDM(70, 0.3, dark))
            near = Binaries(np.ones(1), np.ones(1), np.array([0.8]))
            value, (_, _, slope) = near._with_gradient("luminosity_distance")
            low, middle, high = cosmology.luminosity_distance([0.7999, 0.8, 0.8001]).to_value("Mpc")
            assert value[0] == pytest.approx(middle, rel=1e-9)
            assert slope[0] == pytest.approx((high - low) / 2e-4, rel=1e-6)
    finally:
        bilby.gw.cosmology.set_cosmology(before)


def test_what_tells_no_binary() -> None:
    with pytest.raises(PriorError, match="give two of"):
        Binaries.of({"mass_ratio": np.ones(1), "redshift": np.ones(1)})
    with pytest.raises(PriorError, match="needs a distance"):
        Binaries.of({"mass_1": np.ones(1), "mass_2": np.ones(1)})
    binaries = Binaries(*np.ones((3, 1)))
    with pytest.raises(PriorError, match="not coordinates of a binary"):
        binaries.log_volume(("mass_1", "redshift"))
    with pytest.raises(PriorError, match="'chi_eff' is not a coordinate"):
        binaries.value("chi_eff")
