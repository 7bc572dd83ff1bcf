"""The network's grid: bins, time shifts in double precision, and cutting that keeps white noise white."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from bilby_flowpe.waves.grid import Grid
from bilby_flowpe.waves.shifts import time_shift

WHOLE = Grid(duration=4.0, start=0.0, minimum_frequency=20.0, maximum_frequency=512.0)


def test_frequencies_are_the_multiples_of_the_spacing_in_the_band_ends_included():
    np.testing.assert_array_equal(WHOLE.frequencies, np.arange(80, 2049) / 4)
    assert len(WHOLE) == 1969
    assert WHOLE.spacing == 0.25
    # 20.1 Hz is no multiple of 1/4 Hz, nor is 0.3 x 10 exactly 3 in binary.
    assert Grid(4.0, 0.0, 20.1, 30.2).frequencies[[0, -1]].tolist() == [20.25, 30.0]
    assert Grid(10.0, 0.0, 0.3, 0.7).indices == slice(3, 8)


@pytest.mark.parametrize("delay", [0.0, 1e-4, -0.0123, 3.987654, 1e3])
def test_shift_is_the_exponential_in_double_precision(delay):
    exact = np.exp(-2j * np.pi * WHOLE.frequencies * delay)
    shift = time_shift(WHOLE, delay)
    assert shift.dtype == torch.complex64
    # A product of two numbers rounded to 6e-8 each: the angle itself (2 pi 512 Hz 1e3 s = 3e6) would be lost in float32.
    np.testing.assert_allclose(shift.numpy(), exact, atol=3e-7)


def test_shift_takes_delays_of_any_shape():
    delay = np.random.default_rng(0).uniform(-1, 1, size=(3, 2))
    shift = time_shift(WHOLE, delay)
    assert shift.shape == (3, 2, len(WHOLE))
    torch.testing.assert_close(shift[2, 1], time_shift(WHOLE, torch.tensor(delay[2, 1])))


def test_a_short_grid_is_shifted_as_well():
    """Fewer frequencies than a block of the decomposition, and a number that is no multiple of it."""
    for grid in (Grid(1.0, 0.0, 20.0, 25.0), Grid(1.0, 0.0, 20.0, 90.0)):
        np.testing.assert_allclose(
            time_shift(grid, 0.3).numpy(), np.exp(-2j * np.pi * grid.frequencies * 0.3), atol=3e-7, rtol=0
        )


def test_restrict_to_the_whole_segment_takes_the_band():
    series = np.arange(2 * 2049).reshape(2, 2049) + 1j
    np.testing.assert_array_equal(WHOLE.restrict(series, 4.0), series[:, 80:])


def test_restrict_is_a_cut_in_time():
    rng = np.random.default_rng(1)
    time_series = rng.standard_normal(4096)
    grid = Grid(duration=1.0, start=1.5, minimum_frequency=30.0, maximum_frequency=400.0)
    restricted = grid.restrict(np.fft.rfft(time_series), 4.0)
    by_hand = np.fft.rfft(time_series[1536:2560])[30:401] * 2
    np.testing.assert_allclose(restricted, by_hand, atol=1e-10)


def test_a_pulse_keeps_its_energy_and_its_time_relative_to_the_stretch():
    whole = Grid(4.0, 0.0, 0.0, 512.0)
    grid = Grid(1.0, 1.5, 0.0, 512.0)
    envelope = np.exp(-0.5 * ((np.arange(2049) / 4 - 150) / 15) ** 2)  # 10 ms long
    pulse = envelope * time_shift(whole, 2.1).numpy()
    cut = grid.restrict(pulse, 4.0)
    assert np.sum(np.abs(cut) ** 2) == pytest.approx(np.sum(np.abs(pulse) ** 2), rel=1e-6)
    expected = 2 * np.exp(-0.5 * ((grid.frequencies - 150) / 15) ** 2) * np.exp(-2j * np.pi * grid.frequencies * 0.6)
    np.testing.assert_allclose(cut, expected, atol=1e-6)


def test_white_noise_stays_white():
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((400, 2049)) + 1j * rng.standard_normal((400, 2049))
    noise[:, [0, -1]] = noise[:, [0, -1]].real * 2**0.5
    grid = Grid(duration=0.5, start=3.2, minimum_frequency=20.0, maximum_frequency=500.0)
    cut = grid.restrict(noise, 4.0)
    parts = np.concatenate([cut.real, cut.imag], axis=1)
    covariance = parts.T @ parts / len(parts)
    # Each entry of a sample covariance of N rows scatters by 1/sqrt(N), on the diagonal by sqrt(2/N).
    assert np.abs(covariance - np.eye(len(covariance))).max() < 6 * (2 / len(parts)) ** 0.5
    assert np.mean(np.diag(covariance)) == pytest.approx(1, abs=5 * (2 / parts.size) ** 0.5)


def test_a_stretch_past_the_end_goes_on_at_the_start():
    """The discrete Fourier transform is circular."""
    time_series = np.random.default_rng(3).standard_normal(64)
    cut = Grid(duration=0.5, start=0.75, minimum_frequency=2.0, maximum_frequency=30.0).restrict(
        np.fft.rfft(time_series), 1.0
    )
    joined = np.concatenate([time_series[48:], time_series[:16]])
    np.testing.assert_allclose(cut, np.fft.rfft(joined)[1:16] * 2**0.5, atol=1e-12)


def test_plain_values():
    assert Grid(**json.loads(json.dumps(WHOLE.to_dict()))) == WHOLE
