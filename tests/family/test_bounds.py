"""Families and their priors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bilby_flowpe.family.bounds import ALIGNED, FAMILIES, Family


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_the_prior_fills_the_ranges(family: Family) -> None:
    sample = family.prior.sample(2000, np.random.default_rng(1))
    assert set(sample) == set(family.keys) == set(family.prior.keys)
    mass, ratio = sample["chirp_mass"], sample["mass_ratio"]
    assert family.chirp_mass[0] < mass.min() < 5.1 and 98 < mass.max() < family.chirp_mass[1]
    # Even in the logarithm: half of them below the geometric mean, to five times the error of a share of one half.
    assert abs(np.mean(mass < np.sqrt(np.prod(family.chirp_mass))) - 0.5) < 5 * 0.5 / np.sqrt(2000)
    assert family.mass_ratio < ratio.min() < 0.1 and ratio.max() <= 1
    assert family.precesses == ("tilt_1" in family.keys)


def test_a_family_in_plain_values() -> None:
    for family in FAMILIES.values():
        assert Family.from_dict(json.loads(json.dumps(family.to_dict()))) == family


def test_spins_along_the_orbit_of_a_family_that_precesses() -> None:
    along = FAMILIES["bbh-precessing"].along
    assert set(along.keys) == set(ALIGNED)
    spins = along.sample(2000, np.random.default_rng(2))["chi_1"]
    assert np.abs(spins).max() < 0.99
    # A magnitude that is uniform times a cosine that is: the standard deviation is a third of the largest magnitude.
    assert spins.std() == pytest.approx(0.99 / 3, rel=5 / np.sqrt(2000))
