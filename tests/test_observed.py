"""Measured strain: noise curves against one that is known, cutting, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bilby.gw.detector import PowerSpectralDensity
from gwpy.timeseries import TimeSeries

from bilby_flowpe.errors import DataError
from bilby_flowpe.observed import finest_noise_curve, interferometer, noise_curve, read_strain
from tests.strain import write_strain

RATE, LENGTH, START = 2048, 256, 1126259000.0


def true_psd(frequencies: np.ndarray) -> np.ndarray:
    """Red noise with a smooth minimum, as a detector's, in 1/Hz."""
    return 1e-46 * (1 + (30 / np.maximum(frequencies, 5)) ** 6 + (frequencies / 300) ** 2)


@pytest.fixture(scope="module")
def strain() -> TimeSeries:
    rng = np.random.default_rng(4)
    frequencies = np.fft.rfftfreq(RATE * LENGTH, 1 / RATE)
    spectrum = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    series = np.fft.irfft(spectrum * np.sqrt(true_psd(frequencies) * LENGTH / 4), n=RATE * LENGTH) * RATE
    return TimeSeries(series, t0=START, sample_rate=RATE)


@pytest.mark.training
@pytest.mark.parametrize("method", ["welch", "median"])
@pytest.mark.parametrize("truncation", [None, 1.0])
def test_noise_curve_is_that_of_the_noise(strain: TimeSeries, method: str, truncation: float | None) -> None:
    curve = noise_curve(strain, 4.0, method=method, truncation=truncation)
    inside = (curve.frequency_array >= 25) & (curve.frequency_array <= 900)
    ratio = curve.psd_array[inside] / true_psd(curve.frequency_array[inside])
    # 127 half-overlapping segments, of which about 100 are as good as independent; the median has a wider scatter.
    assert np.mean(ratio) == pytest.approx(1, abs=0.03)
    assert np.std(ratio) < 0.15
    if truncation:
        rough = noise_curve(strain, 4.0, method=method).psd_array[inside] / true_psd(curve.frequency_array[inside])
        assert np.std(ratio) < np.std(rough)


def test_median_bears_a_glitch_and_mean_does_not(strain: TimeSeries) -> None:
    spoilt = strain.copy()
    spoilt.value[50 * RATE : 51 * RATE] += 1e-20 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    at = {}
    for method in ("welch", "median"):
        curve = noise_curve(spoilt, 4.0, method=method)
        near = np.abs(curve.frequency_array - 100) < 2
        at[method] = np.mean(curve.psd_array[near] / true_psd(curve.frequency_array[near]))
    assert at["median"] == pytest.approx(1, abs=0.25)
    assert at["welch"] > 3


def test_data_of_an_interferometer(strain: TimeSeries) -> None:
    psd = noise_curve(strain, 4.0)
    made = interferometer("H1", strain, START + 100.0001, 4.0, psd, 20.0, 512.0)
    assert made.strain_data.window_factor == pytest.approx(0.875, abs=2e-4)
    assert made.strain_data.roll_off == 0.4
    assert made.strain_data.start_time == START + 100  # the sample before
    assert made.sampling_frequency == 1024
    whitened = made.whitened_frequency_domain_strain[made.frequency_mask]
    # A Tukey window with 0.4 s of roll-off at either end of 4 s keeps 0.875 of the power.
    count = 2 * made.frequency_mask.sum()
    power = np.sum(np.abs(whitened) ** 2) / count
    assert power == pytest.approx(0.875, abs=5 * (2 / count) ** 0.5)


def test_what_is_refused(strain: TimeSeries) -> None:
    psd = PowerSpectralDensity(frequency_array=np.arange(1025.0), psd_array=np.ones(1025))
    with pytest.raises(DataError, match=r"16 s of usable strain, in 1 stretches, are too short.*give at least 18 s"):
        noise_curve(strain.crop(START, START + 16), 4.0)
    # Eighteen seconds in two stretches hold fewer segments.
    with pytest.raises(DataError, match="there are 6 segments, and 8 are needed"):
        noise_curve(strain.crop(START, START + 22), 4.0, without=(START + 9, START + 13))
    with pytest.raises(DataError, match="does not reach maximum_frequency=2048"):
        interferometer("H1", strain, START, 4.0, psd, 20.0, 2048.0)
    for start in (START - 1, START + LENGTH - 2):
        with pytest.raises(DataError, match="is not within"):
            interferometer("H1", strain, start, 4.0, psd)
    gap = strain.copy()
    gap.value[RATE * 100] = np.nan
    with pytest.raises(DataError, match=rf"missing, or unusable by its data quality, from {START + 100:.0f}"):
        interferometer("H1", gap, START + 98, 4.0, psd)
    with pytest.raises(DataError, match="not positive everywhere"):
        noise_curve(TimeSeries(np.zeros(RATE * 32), sample_rate=RATE), 4.0)


@pytest.mark.parametrize(("seconds", "duration"), [(32, 4.0), (12, 2.0), (5, 1.0)])
def test_segments_of_a_noise_curve_are_as_long_as_there_are_enough_of(
    strain: TimeSeries, seconds: int, duration: float
) -> None:
    short = strain.crop(START, START + seconds)
    found = finest_noise_curve(short, 8.0)
    np.testing.assert_array_equal(found.psd_array, noise_curve(short, duration).psd_array)


def test_too_little_strain_for_the_shortest_segments(strain: TimeSeries) -> None:
    with pytest.raises(DataError, match="segments of 1 s"):
        finest_noise_curve(strain.crop(START, START + 4), 4.0)


def test_gaps_are_left_out_of_a_noise_curve(strain: TimeSeries) -> None:
    gap = strain.copy()
    gap.value[RATE * 100 : RATE * 102] = np.nan
    gap.value[RATE * 200] = np.nan
    curve = noise_curve(gap, 4.0, method="welch")
    inside = (curve.frequency_array >= 25) & (curve.frequency_array <= 900)
    ratio = curve.psd_array[inside] / true_psd(curve.frequency_array[inside])
    assert np.mean(ratio) == pytest.approx(1, abs=0.03)


def test_both_sides_of_a_signal_make_the_curve_and_the_signal_does_not(strain: TimeSeries) -> None:
    """Thirty-two seconds with the event in the middle: few segments, whose inverse must not be biased."""
    short = strain.crop(START + 50, START + 82)
    loud = short.copy()
    loud.value[14 * RATE : 18 * RATE] *= 100
    signal = START + 64, START + 68
    inverse, lines = {}, 120.0
    loud.value[:] += 1e-22 * np.sin(2 * np.pi * lines * np.asarray(loud.times.value - START))
    for method in ("welch", "median"):
        curve = noise_curve(loud, 4.0, method=method, without=signal)
        away = np.abs(curve.frequency_array - lines) > 2
        inside = (curve.frequency_array >= 25) & (curve.frequency_array <= 900) & away
        ratio = curve.psd_array[inside] / true_psd(curve.frequency_array[inside])
        inverse[method] = np.mean(1 / ratio)
        assert np.std(np.log(ratio)) < 0.2
        # The line stays as narrow as it is: not smeared over its surroundings.
        there = curve.psd_array[np.abs(curve.frequency_array - lines) < 0.1] / true_psd(np.array([lines]))
        assert there > 30
        beside = np.abs(np.abs(curve.frequency_array - lines) - 1.25) < 0.1
        assert np.all(curve.psd_array[beside] < 3 * true_psd(curve.frequency_array[beside]))
    # Bins of eleven segments each would have 1.15 and 1.23.
    assert inverse == {"welch": pytest.approx(1, abs=0.05), "median": pytest.approx(1, abs=0.05)}


def test_reading_is_that_of_the_open_data(tmp_path: Path, strain: TimeSeries) -> None:
    write_strain(tmp_path / "any.hdf5", "L1", START, strain.value, RATE)
    read = read_strain("L1", START + 5, START + 20, tmp_path)
    assert tuple(map(float, read.span)) == (START + 5, START + 20)
    np.testing.assert_array_equal(read.value, strain.value[5 * RATE : 20 * RATE])
    with pytest.raises(DataError, match="no strain of H1: its strain files are of L1"):
        read_strain("H1", START + 5, START + 20, tmp_path)


def test_no_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(TimeSeries, "fetch_open_data", staticmethod(unreachable))
    with pytest.raises(DataError, match=r"cannot be downloaded \(ConnectionError: no route\): download it"):
        read_strain("H1", START, START + 1)
