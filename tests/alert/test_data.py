"""Data of an alert: cut around the trigger, with a noise curve of what came before it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bilby.gw.detector import InterferometerList, PowerSpectralDensity
from gwpy.timeseries import TimeSeries

from bilby_flowpe.alert.data import as_interferometers, cut, strain_of
from bilby_flowpe.errors import DataError
from tests.strain import smooth_curve, stationary, write_strain

RATE, START, SECONDS = 1024, 1126259000.0, 64
BAND = 20.0, 500.0
TRIGGER = START + 40.0


@pytest.fixture(scope="module")
def strain() -> dict[str, TimeSeries]:
    rng = np.random.default_rng(3)
    return {
        name: TimeSeries(stationary(SECONDS, RATE, rng), t0=START, sample_rate=RATE, name=name) for name in ("H1", "L1")
    }


def inside(curve: PowerSpectralDensity) -> np.ndarray:
    frequencies = np.arange(25.0, 450.0, 0.5)
    return np.asarray(curve.get_power_spectral_density_array(frequencies)) / smooth_curve(frequencies)


def test_trigger_is_two_seconds_before_the_end(strain) -> None:
    data = cut(strain, TRIGGER, 4.0, BAND)
    assert [one.name for one in data] == ["H1", "L1"]
    for one in data:
        assert one.start_time + one.duration == pytest.approx(TRIGGER + 2, abs=1 / RATE)
        assert (one.minimum_frequency, one.maximum_frequency) == BAND
        # 18 segments of 4 s before the event, smoothed: the mean of all bins is known to a few per cent.
        assert np.mean(inside(one.power_spectral_density)) == pytest.approx(1, abs=0.08)


def test_curve_is_of_the_time_before_the_event(strain) -> None:
    louder = strain["H1"].copy()
    louder.value[int(42 * RATE) :] *= 10
    (one,) = cut({"H1": louder}, TRIGGER, 4.0, BAND)
    (quiet,) = cut({"H1": strain["H1"]}, TRIGGER, 4.0, BAND)
    assert np.array_equal(one.power_spectral_density.psd_array, quiet.power_spectral_density.psd_array)


def test_both_sides_where_too_little_came_before(strain) -> None:
    (one,) = cut({"H1": strain["H1"]}, START + 5.0, 4.0, BAND)
    assert np.mean(inside(one.power_spectral_density)) == pytest.approx(1, abs=0.1)
    with pytest.raises(DataError, match=r"H1: the strain gives no PSD .*give noise_curves, or more strain"):
        cut({"H1": strain["H1"].crop(START + 36, START + 43)}, TRIGGER, 4.0, BAND)


def test_curves_that_are_given(strain, tmp_path: Path) -> None:
    frequencies = np.arange(0.0, 513.0)
    file = tmp_path / "PSD_H1.txt"
    np.savetxt(file, np.stack([frequencies, 2 * smooth_curve(frequencies)], axis=1))
    own = PowerSpectralDensity(frequency_array=frequencies, psd_array=3 * smooth_curve(frequencies))
    data = cut(strain, TRIGGER, 4.0, BAND, {"H1": file, "L1": own})
    assert [np.median(inside(one.power_spectral_density)) for one in data] == pytest.approx([2, 3], rel=1e-3)
    with pytest.raises(DataError, match=r"no file 'nowhere\.txt'"):
        cut(strain, TRIGGER, 4.0, BAND, {"H1": "nowhere.txt"})
    with pytest.raises(DataError, match=r"noise_curves names \['V1'\], but the strain is of \['H1', 'L1'\]"):
        cut(strain, TRIGGER, 4.0, BAND, {"V1": file})


def test_strain_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("H1", "L1"):
        write_strain(tmp_path / f"{name}.hdf5", name, START, stationary(32, RATE, rng), RATE)
    assert {*strain_of(tmp_path, START + 20)} == {"H1", "L1"}
    assert {*strain_of(tmp_path, START + 20, ["L1"])} == {"L1"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no strain file"):
        strain_of(tmp_path / "empty", START + 20)


def test_what_are_interferometers() -> None:
    pair = InterferometerList(["H1", "L1"])
    assert as_interferometers(pair) == pair
    assert [one.name for one in as_interferometers(list(pair)[:1])] == ["H1"]
    assert [one.name for one in as_interferometers(pair[1])] == ["L1"]
    for other in ("folder", {"H1": 1}, [], [1, 2], Path("x")):
        assert as_interferometers(other) is None
