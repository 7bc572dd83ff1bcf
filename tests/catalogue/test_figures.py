"""One event in figures."""

from __future__ import annotations

import bilby
import numpy as np
import pytest
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.catalogue.figures import PARAMETERS, figures_of, network_snr, with_derived
from bilby_flowpe.results import KEY


def posterior(size: int = 400) -> DataFrame:
    rng = np.random.default_rng(1)
    return DataFrame(
        {
            "chirp_mass": rng.normal(30, 1, size),
            "mass_ratio": rng.uniform(0.5, 1, size),
            "chi_1": rng.uniform(-0.5, 0.5, size),
            "chi_2": rng.uniform(-0.5, 0.5, size),
            "luminosity_distance": rng.uniform(500, 2000, size),
        }
    )


def result(table: DataFrame, **statistics: object) -> Result:
    made = Result(label="a", outdir=".", sampler="flowpe", meta_data={KEY: statistics})
    made.posterior = table
    made.log_evidence, made.log_evidence_err, made.log_bayes_factor = -100.0, 0.1, 20.0
    return made


def test_figures_are_those_of_the_posterior() -> None:
    table = posterior()
    figures = figures_of(
        result(table, verdict="check", reasons=["one", "two"], efficiency=0.1, n_likelihood_evaluations=7)
    )
    low, middle, high = np.quantile(table["chirp_mass"], [0.05, 0.5, 0.95])
    assert (figures["chirp_mass_05"], figures["chirp_mass"], figures["chirp_mass_95"]) == (low, middle, high)
    assert (figures["verdict"], figures["reason"], figures["efficiency"]) == ("check", "one", 0.1)
    assert (figures["ln_evidence"], figures["n_evaluations"], figures["n_posterior"]) == (-100.0, 7.0, 400)
    redshifts = bilby.gw.conversion.luminosity_distance_to_redshift(table["luminosity_distance"].to_numpy())
    assert figures["redshift"] == pytest.approx(np.median(redshifts), rel=1e-6)
    ratio = table["mass_ratio"]
    spin = (table["chi_1"] + ratio * table["chi_2"]) / (1 + ratio)
    assert figures["chi_eff"] == pytest.approx(np.median(spin), abs=1e-9)
    first = table["chirp_mass"] * (1 + ratio) ** 0.2 / ratio**0.6
    assert figures["mass_1_source"] == pytest.approx(np.median(first / (1 + redshifts)), rel=1e-6)
    assert figures["network_snr"] is None


def test_what_has_no_masses_or_no_rows_has_no_figures_of_them() -> None:
    toy = DataFrame({"x": [1.0, 2.0]})
    assert with_derived(toy) is toy
    for table in (toy, posterior(0)):
        figures = figures_of(result(table))
        assert all(figures[key] is None for key in PARAMETERS)
        assert figures["verdict"] == "none"


def test_the_ratio_of_the_network_is_that_of_one_filter() -> None:
    """Against sums over the data themselves."""
    rng = np.random.default_rng(2)
    waves = rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64))
    data = waves + 0.3 * (rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64)))
    norms = np.sum(np.abs(waves) ** 2, axis=1)
    inner = np.sum(waves.conj() * data, axis=1)
    table = DataFrame(
        {f"{name}_matched_filter_snr": [inner[i] / norms[i] ** 0.5] for i, name in enumerate(("H1", "L1"))}
        | {f"{name}_optimal_snr": [norms[i] ** 0.5] for i, name in enumerate(("H1", "L1"))}
    )
    assert network_snr(table) == pytest.approx(abs(np.vdot(waves, data)) / np.linalg.norm(waves))
    assert network_snr(DataFrame({"H1_matched_filter_snr": [1j]})) is None
