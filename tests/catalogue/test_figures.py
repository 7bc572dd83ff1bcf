"""Tests of the figures of one event."""

from __future__ import annotations

import bilby
import numpy as np
import pytest
from bilby.core.prior import PriorDict
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.catalogue.figures import PARAMETERS, figures_of
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
    made = Result(
        label="a",
        outdir=".",
        sampler="flowpe",
        meta_data={KEY: statistics},
        priors=PriorDict(),
        search_parameter_keys=[],
    )
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
    for table in (toy, posterior(0)):
        figures = figures_of(result(table))
        assert all(figures[key] is None for key in PARAMETERS)
        assert figures["verdict"] == "none"


def test_the_ratio_of_the_network_needs_both_of_a_detector() -> None:
    table = DataFrame(
        {"H1_matched_filter_snr": [3j, 4.0], "H1_optimal_snr": [5.0, 5.0], "L1_matched_filter_snr": [9j, 9.0]}
    )
    assert figures_of(result(table))["network_snr"] == pytest.approx(3.5)
    assert figures_of(result(table[["L1_matched_filter_snr"]]))["network_snr"] is None
