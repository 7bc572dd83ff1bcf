"""Files of public strain: what they hold is read from their content; they join, and what is bad is no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gwpy.timeseries import StateVector, TimeSeries

from bilby_flowpe.errors import DataError
from bilby_flowpe.observed import interferometer, noise_curve
from bilby_flowpe.open_data import fetched, files_of, from_files
from tests.strain import GOOD, write_strain

RATE, START = 1024, 1126259446
NOISE = np.random.default_rng(0).standard_normal(32 * RATE)


@pytest.mark.parametrize("name", ["H-H1_LOSC_4_V1-1126259446-32.hdf5", "V1.hdf5", "strain.h5"])
def test_the_detector_is_that_of_the_content(tmp_path: Path, name: str) -> None:
    """``V1`` in a name may be a version."""
    write_strain(tmp_path / name, "H1", START, NOISE, RATE)
    np.testing.assert_array_equal(from_files("H1", START, START + 32, tmp_path).value, NOISE)
    with pytest.raises(DataError, match="no strain of V1: its strain files are of H1"):
        from_files("V1", START, START + 32, tmp_path)
    (found,), others = files_of(tmp_path)
    assert (found.detector, found.start, found.end, found.rate, others) == ("H1", START, START + 32, RATE, [])


def test_consecutive_files_join_and_gaps_are_no_numbers(tmp_path: Path) -> None:
    write_strain(tmp_path / "b.hdf5", "H1", START, NOISE[: 8 * RATE], RATE)
    write_strain(tmp_path / "a.hdf5", "H1", START + 8, NOISE[8 * RATE : 16 * RATE], RATE)
    write_strain(tmp_path / "c.hdf5", "H1", START + 20, NOISE[20 * RATE :], RATE)
    write_strain(tmp_path / "d.hdf5", "L1", START, NOISE, RATE)
    read = from_files("H1", START + 4, START + 99, tmp_path)
    assert tuple(map(float, read.span)) == (START + 4, START + 32)
    expected = NOISE[4 * RATE :].copy()
    expected[12 * RATE : 16 * RATE] = np.nan
    np.testing.assert_array_equal(read.value, expected)


def test_the_last_version_counts(tmp_path: Path) -> None:
    for version, factor in (("V1", 1.0), ("V2", 2.0)):
        write_strain(tmp_path / f"H-H1_LOSC_4_{version}.hdf5", "H1", START, factor * NOISE, RATE)
    np.testing.assert_array_equal(from_files("H1", START, START + 32, tmp_path).value, 2 * NOISE)


def test_of_two_rates_the_one_asked_for_is_read(tmp_path: Path) -> None:
    write_strain(tmp_path / "slow.hdf5", "H1", START, NOISE, RATE)
    write_strain(tmp_path / "fast.hdf5", "H1", START, np.repeat(NOISE, 4), 4 * RATE)
    for rate in (RATE, 4 * RATE):
        assert float(from_files("H1", START, START + 32, tmp_path, rate).sample_rate.value) == rate


@pytest.mark.parametrize(("bit", "name"), [(0, "DATA"), (1, "CBC_CAT1")])
def test_bad_seconds_are_not_used(
    tmp_path: Path, bit: int, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bilby_flowpe.open_data.logger.propagate", True)
    quality = np.full(32, GOOD)
    quality[20:22] &= ~(1 << bit)
    quality[25] &= ~(1 << 5)  # of the search for bursts: nothing to a binary
    write_strain(tmp_path / "a.hdf5", "H1", START, NOISE, RATE, quality)
    read = from_files("H1", START, START + 32, tmp_path)
    expected = NOISE.copy()
    expected[20 * RATE : 22 * RATE] = np.nan
    np.testing.assert_array_equal(read.value, expected)
    assert (
        f"the data quality bit {name} is not set from {START + 20} to {START + 22}: this strain is not used"
        in caplog.text
    )
    with pytest.raises(DataError, match=rf"unusable by its data quality, from {START + 20} to {START + 22}"):
        interferometer("H1", read, START + 18, 4.0, noise_curve(read, 4.0), 20.0, 512.0)
    interferometer("H1", read, START + 10, 4.0, noise_curve(read, 4.0), 20.0, 512.0)


def test_doubtful_seconds_are_told_and_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bilby_flowpe.open_data.logger.propagate", True)
    quality = np.full(32, GOOD)
    quality[3] &= ~(1 << 2)
    write_strain(tmp_path / "a.hdf5", "H1", START, NOISE, RATE, quality)
    np.testing.assert_array_equal(from_files("H1", START, START + 32, tmp_path).value, NOISE)
    assert f"CBC_CAT2 is not set from {START + 3} to {START + 4}: this strain is used nevertheless" in caplog.text


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        from_files("H1", START, START + 1, tmp_path / "none")
    with pytest.raises(DataError, match="there is no file of strain"):
        from_files("H1", START, START + 1, tmp_path)
    (tmp_path / "H1.hdf5").write_bytes(b"no strain")
    with pytest.raises(DataError, match=r"no strain of H1.*H1.hdf5 cannot be read as strain"):
        from_files("H1", START, START + 1, tmp_path)
    write_strain(tmp_path / "a.hdf5", "H1", START, NOISE, RATE)
    with pytest.raises(DataError, match=rf"no file of H1 has data.*only from {START} to {START + 32}"):
        from_files("H1", START + 40, START + 50, tmp_path)
    write_strain(tmp_path / "b.hdf5", "H1", START + 32.0003, NOISE, RATE)
    with pytest.raises(DataError, match="shifted by a fraction of a sample"):
        from_files("H1", START, START + 50, tmp_path)


def test_fetched_strain_heeds_data_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        TimeSeries, "fetch_open_data", staticmethod(lambda *_, **__: TimeSeries(NOISE, t0=START, sample_rate=RATE))
    )
    bits = np.full(32, 3)
    bits[5] = 1
    quality = StateVector(bits, bits=["data present", "passes cbc CAT1 test"], t0=START, dx=1)
    monkeypatch.setattr(StateVector, "fetch_open_data", staticmethod(lambda *_, **__: quality))
    read = fetched("H1", START, START + 32)
    assert np.isnan(read.value[5 * RATE : 6 * RATE]).all()
    assert np.isfinite(read.value).sum() == 31 * RATE

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    # Without it the strain is what there is.
    monkeypatch.setattr(StateVector, "fetch_open_data", staticmethod(unreachable))
    np.testing.assert_array_equal(fetched("H1", START, START + 32).value, NOISE)


@pytest.mark.parametrize("rate", [4096, 16384])
def test_rates_of_the_open_data_give_the_same_kind_of_data(tmp_path: Path, rate: int) -> None:
    noise = np.random.default_rng(1).standard_normal(32 * rate)
    write_strain(tmp_path / "a.hdf5", "H1", START, noise, rate)
    read = from_files("H1", 0, 2e9, tmp_path)
    curve = noise_curve(read, 4.0, method="welch", without=(START + 14, START + 18))
    made = interferometer("H1", read, START + 14, 4.0, curve, 20.0, 1024.0)
    assert (made.sampling_frequency, made.duration) == (2048, 4)
    power = np.mean(np.abs(made.whitened_frequency_domain_strain[made.frequency_mask]) ** 2) / 2
    # 4017 bins, and a curve that is good to a per cent.
    assert power == pytest.approx(0.875, abs=5 * 0.875 / 4017**0.5 + 0.01)
