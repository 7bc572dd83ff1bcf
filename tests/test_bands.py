"""Whitened data and waveforms: units of the noise, quantiles, file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.bands import load_bands, save_bands, whitened_bands
from bilby_flowpe.waves.excerpt import Excerpt, window_of

from .waves.test_excerpt import ROW, long_problem


@pytest.fixture(scope="module")
def bands(problem_5d) -> dict:
    likelihood, _ = problem_5d
    truth = likelihood.injection_parameters
    rows = [{**truth, "luminosity_distance": truth["luminosity_distance"] * scale} for scale in (0.9, 1.0, 1.1)]
    return whitened_bands(likelihood, rows)


def test_noise_has_unit_variance_a_sample(bands, problem_5d) -> None:
    """The residual after the true waveform has the variance of noise in the band, which is less than the whole."""
    (interferometer,) = problem_5d[0].interferometers
    (band,) = bands.values()
    left = band["data"] - band["median"]
    share = interferometer.frequency_mask.sum() / len(interferometer.frequency_mask)
    assert np.var(left) == pytest.approx(share, abs=5 * share * np.sqrt(2 / len(left)))


def test_waveform_has_the_signal_to_noise_ratio_of_bilby(bands, problem_5d) -> None:
    (interferometer,) = problem_5d[0].interferometers
    (band,) = bands.values()
    assert np.sqrt(np.sum(band["median"] ** 2)) == pytest.approx(interferometer.meta_data["optimal_SNR"], rel=1e-3)


def test_band_is_in_order(bands) -> None:
    (band,) = bands.values()
    assert np.all(band["low"] <= band["median"])
    assert np.all(band["median"] <= band["high"])
    peak = np.argmax(np.abs(band["median"]))
    assert abs(band["high"][peak] - band["low"][peak]) > 0.1 * abs(band["median"][peak])


def test_file_gives_back_what_was_written(bands, tmp_path: Path) -> None:
    path = save_bands(bands, tmp_path / "whitened.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["whitened.npz"]
    for name, band in load_bands(path).items():
        assert set(band) == set(bands[name])
        for key, values in band.items():
            np.testing.assert_allclose(values, bands[name][key], rtol=1e-6, atol=1e-5)


def test_data_whose_waveforms_fail_are_still_shown(problem_5d, monkeypatch) -> None:
    likelihood, _ = problem_5d
    monkeypatch.setattr(likelihood.waveform_generator, "frequency_domain_strain", lambda parameters: None)
    (band,) = whitened_bands(likelihood, [likelihood.injection_parameters]).values()
    assert "median" not in band
    assert len(band["data"]) == len(band["times"])


def test_long_data_are_kept_around_the_end_of_the_signal(monkeypatch) -> None:
    """Few waves are made on all frequencies, or fewer waves in all if there is no other way."""
    likelihood = long_problem()
    rows = [{**ROW, "luminosity_distance": distance} for distance in np.linspace(18.0, 22.0, 101)]
    bands = whitened_bands(likelihood, rows, waveforms=101)
    window = window_of(likelihood, ROW)
    monkeypatch.setattr(Excerpt, "of", lambda *given: None)
    counted = []
    generate = likelihood.waveform_generator.frequency_domain_strain
    monkeypatch.setattr(
        likelihood.waveform_generator, "frequency_domain_strain", lambda row: counted.append(1) or generate(row)
    )
    of_whole = whitened_bands(likelihood, rows, waveforms=101)
    assert len(counted) == 25  # 101 draws at 16 s are 25 at 64 s
    for name, band in bands.items():
        assert len(band["times"]) == len(band["data"]) == window.count
        peak = np.abs(band["median"]).max()
        for key in ("low", "median", "high"):
            np.testing.assert_allclose(band[key], of_whole[name][key], atol=0.01 * peak)
