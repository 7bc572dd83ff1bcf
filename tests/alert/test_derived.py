"""Further columns of a posterior, against Bilby's own conversion."""

from __future__ import annotations

import bilby
import numpy as np
import pandas as pd
import pytest

from bilby_flowpe.alert.derived import Derived


def test_columns_are_bilbys() -> None:
    bilby.core.utils.random.seed(1)
    priors = bilby.gw.prior.BBHPriorDict(filename="aligned_spins_bbh.prior")
    rows = pd.DataFrame(priors.sample(4)).drop(columns=["mass_1", "mass_2"], errors="ignore")
    ours = Derived(priors, 20.0)(rows.copy())
    theirs = bilby.gw.conversion.generate_all_bbh_parameters(rows.assign(reference_frequency=20.0))
    for key in ("mass_1", "total_mass", "chi_eff", "chi_p", "redshift", "mass_1_source", "chirp_mass_source"):
        # The spline of the redshift is good to 1e-10, what Bilby searches for to about 1e-8.
        assert np.allclose(ours[key], theirs[key], rtol=1e-7), key


def test_distances_without_limits_are_converted_by_bilby() -> None:
    priors = bilby.core.prior.PriorDict({"luminosity_distance": bilby.core.prior.Gaussian(400, 50)})
    rows = pd.DataFrame({"chirp_mass": [30.0], "mass_ratio": [0.5], "luminosity_distance": [400.0]})
    table = Derived(priors, 20.0)(rows)
    assert table["redshift"][0] == pytest.approx(bilby.gw.conversion.luminosity_distance_to_redshift(400.0), rel=1e-9)
    assert table["total_mass"][0] == pytest.approx(table["mass_1"][0] * 1.5)
