"""Sections of a page on the signal and on how it was found."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result
from pandas import DataFrame

from bilby_flowpe.validation.page import Page
from bilby_flowpe.validation.sections import binary, data, evaluations, noise, refinement, sky

from .test_derived import ALIGNED, result_of


def text_of(page: Page, tmp_path) -> str:
    """Words of a page, one space between them, tags left out."""
    body = page.write(tmp_path / "page.html").read_text().split("<body>")[1]
    return " ".join(re.sub("<[^>]*>", " ", body).split())


def test_source_and_signal(tmp_path) -> None:
    bands = {name: {"optimal_snr": np.full(3, value)} for name, value in (("H1", 12.0), ("L1", 5.0))}
    page = Page("event")
    binary(page, result_of(ALIGNED), bands, {"chi_eff": 0.125})
    text = text_of(page, tmp_path)
    assert "Source and signal" in text
    assert re.search(r"chi_eff \S+ \S+ to \S+ 0\.125", text)
    assert "chirp_mass_source" in text
    assert "solar masses" in text
    assert "network 13.0 (13.0 to 13.0)" in text
    # Search parameters stand in the posterior's own table.
    assert not re.search(r"\bmass_ratio\b", text)


def test_another_problem_has_no_such_section(tmp_path) -> None:
    page = Page("event")
    binary(page, result_of({"slope": np.arange(3.0)}), {}, {})
    evaluations(page, result_of({"slope": np.arange(3.0)}), {})
    assert text_of(page, tmp_path) == "event"


def test_both_kinds_of_evaluations_and_the_search(tmp_path) -> None:
    statistics = {
        "n_likelihood_evaluations": 803,
        "n_coarse_evaluations": 14120,
        "n_draws": 1330,
        "n_kept": 740,
        "coarse_efficiency": 0.99904,
        "coarse": {"source": "IMRPhenomXAS", "nodes": 32, "reference_moved": 0},
        "completeness": {"missed": 0.015, "looked": "4096 templates", "about": "of the shape of those found"},
    }
    page = Page("event")
    evaluations(page, result_of(ALIGNED), statistics)
    text = text_of(page, tmp_path)
    for words in (
        "evaluations of the likelihood 803",
        "evaluations of the coarse likelihood 14120",
        "0.9990",
        "IMRPhenomXAS, at 32 frequencies",
        "Modes were looked for by 4096 templates.",
        "of the shape of those found, would have gone unnoticed, if there is one, with a probability of 0.015.",
    ):
        assert words in text


def test_rounds_of_refinement_are_a_table(tmp_path) -> None:
    rounds = {
        "inverse_temperature": [0.0157603, 1.0],
        "efficiency": [0.0050725, 0.8641362],
        "likelihood_evaluations": [3000, 6302],
        "seconds": [0.15, 0.2],
    }
    page = Page("event")
    refinement(page, {"refinement": {"start": "prior", "rounds": rounds}})
    text = text_of(page, tmp_path)
    assert "starting from the prior" in text
    assert (
        "round inverse temperature efficiency evaluations so far seconds 1 0.0158 0.00507 3000 0.15 2 1 0.864" in text
    )


@pytest.mark.parametrize("statistics", [{}, {"refinement": {"start": "prior", "rounds": {}}}])
def test_without_rounds_and_data_nothing_is_said(statistics: dict, tmp_path) -> None:
    page = Page("event")
    refinement(page, statistics)
    data(page, result_of({"slope": np.arange(3.0)}), statistics)
    assert text_of(page, tmp_path) == "event"


@pytest.mark.parametrize(
    ("sources", "last"),
    [
        ({}, "128 psd.txt"),
        ({"H1": {"strain": "one.hdf5, two.hdf5", "noise_curve": "estimated"}}, "128 estimated one.hdf5, two.hdf5"),
    ],
)
def test_data_that_were_used(sources: dict, last: str, tmp_path) -> None:
    record = {
        "start_time": 1126259460.5,
        "duration": 4.0,
        "sampling_frequency": 128.0,
        "minimum_frequency": 20.0,
        "maximum_frequency": 60.0,
        "noise_curve": "/curves/psd.txt",
    }
    result = result_of(ALIGNED)
    result.meta_data = {"sources": sources}
    page = Page("event")
    data(page, result, {"data": {"H1": record}})
    text = text_of(page, tmp_path)
    assert text.endswith(f"H1 1126259460.5 to 1126259464.5 20 to 60 {last}")
    assert ("strain" in text) == bool(sources)


def test_another_samplers_evaluations(tmp_path) -> None:
    posterior = DataFrame({"slope": np.arange(3.0)})
    result = Result(
        label="event", posterior=posterior, priors=PriorDict({"slope": Uniform(0, 3)}), search_parameter_keys=["slope"]
    )
    result.num_likelihood_evaluations = 52000
    page = Page("event")
    evaluations(page, result, {})
    assert "evaluations of the likelihood 52000" in text_of(page, tmp_path)


def test_a_search_that_knows_nothing_says_so(tmp_path) -> None:
    page = Page("event")
    evaluations(page, result_of(ALIGNED), {"completeness": {"missed": 1.0, "looked": "900 draws", "about": ""}})
    assert "The probability that a mode was missed is not known." in text_of(page, tmp_path)


def test_the_place_on_the_sky_is_drawn_where_it_was_searched(tmp_path) -> None:
    pytest.importorskip("healpy")
    rng = np.random.default_rng(0)
    places = {"ra": 1.0 + 0.1 * rng.standard_normal(200), "dec": 0.5 + 0.1 * rng.standard_normal(200)}
    page = Page("event")
    sky(page, tmp_path / "event_result.json", result_of(places), {"ra": 1.0, "dec": 0.5})
    written = page.write(tmp_path / "page.html").read_text()
    assert written.count("data:image/png;base64,") == 1
    assert "90% area" in written


def test_a_known_place_is_not_drawn(tmp_path) -> None:
    page = Page("event")
    sky(page, tmp_path / "event_result.json", result_of({"ra": np.ones(60), "dec": np.ones(60)}), {})
    assert text_of(page, tmp_path) == "event"


def test_too_few_rows_are_no_map(tmp_path) -> None:
    page = Page("event")
    sky(page, tmp_path / "event_result.json", result_of({"ra": np.arange(3.0), "dec": np.arange(3.0) / 9}), {})
    assert "There is no map: " in text_of(page, tmp_path)


def test_noise_in_the_band_of_the_signal_and_the_page_of_other_models(tmp_path) -> None:
    scale = {"factor": 1.0681, "scatter": 0.02, "p_value": 0.0008, "low": 31.0, "high": 240.0}
    path = tmp_path / "event_result.json"
    page = Page("event")
    noise(page, path, result_of(ALIGNED), {"noise_scale": {"H1": scale}})
    text = text_of(page, tmp_path)
    assert "H1 31 to 240 1.068 ± 0.020 0.0008" in text
    # The command reads runs of bilby_pipe; for others there is the function.
    assert "bilby_flowpe.noise.compare(result, likelihood) compares" in text and "flowpe noise" not in text
    of_pipe = tmp_path / "result" / "event_result.json"
    of_pipe.parent.mkdir()
    (tmp_path / "event_config_complete.ini").touch()
    page = Page("event")
    noise(page, of_pipe, result_of(ALIGNED), {"noise_scale": {"H1": scale}})
    assert "flowpe noise event_result.json compares" in text_of(page, tmp_path)
    (tmp_path / "event_noise.html").write_text("a page")
    page = Page("event")
    noise(page, path, result_of(ALIGNED), {})
    assert "event_noise.html, beside the result, compares" in text_of(page, tmp_path)


def test_no_noise_curves_no_section(tmp_path) -> None:
    page = Page("event")
    noise(page, tmp_path / "event_result.json", result_of({"slope": np.arange(3.0)}), {})
    assert text_of(page, tmp_path) == "event"
