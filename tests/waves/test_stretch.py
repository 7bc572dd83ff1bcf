"""Tests of the band and the stretch of time that pilot signals need."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.waves.grid import Grid
from bilby_flowpe.waves.shifts import time_shift
from bilby_flowpe.waves.stretch import BAND_LOSS, STRETCH_LOSS, narrow_band, shorten

FS = 512.0
WHOLE = Grid(duration=8.0, start=0.0, minimum_frequency=20.0, maximum_frequency=256.0)
BAND = Grid(duration=8.0, start=0.0, minimum_frequency=20.0, maximum_frequency=208.0)


def pulses(arrival: np.ndarray, before: float, after: float, grid: Grid = WHOLE) -> np.ndarray:
    """Whitened signals (N, D, F) at 100 Hz that rise over ``before`` and fall over ``after`` seconds, both e-folding times."""
    samples = round(grid.duration * FS)
    time = np.arange(samples) / FS - arrival[..., None]
    envelope = np.exp(np.where(time < 0, time / before, -time / after))
    return np.fft.rfft(envelope * np.cos(2 * np.pi * 100 * time))[..., grid.indices].astype(np.complex64)


def kept_share(signals: np.ndarray, chosen: Grid) -> np.ndarray:
    spectrum = np.zeros((*signals.shape[:-1], round(WHOLE.duration * FS) // 2 + 1), dtype=complex)
    spectrum[..., WHOLE.indices] = signals
    cut = chosen.restrict(spectrum, WHOLE.duration)
    return np.sum(np.abs(cut) ** 2, axis=(1, 2)) / np.sum(np.abs(signals) ** 2, axis=(1, 2))


class TestNarrowBand:
    def test_cuts_where_no_signal_reaches(self):
        frequencies = WHOLE.frequencies
        top = np.linspace(60, 118, 40)
        signals = np.where(frequencies < top[:, None], 1.0 + 0j, 0)[:, None]
        band = narrow_band(signals, WHOLE)
        # The highest ends at 118 Hz: the next multiple of 16 Hz.
        assert (band.minimum_frequency, band.maximum_frequency) == (20.0, 128.0)
        assert (band.duration, band.start) == (8.0, 0.0)

    def test_never_goes_beyond_the_likelihoods_band(self):
        grid = Grid(8.0, 0.0, 20.0, 250.0)
        assert narrow_band(np.ones((5, 2, len(grid)), dtype=complex), grid) == grid

    def test_loss_is_within_the_limits(self):
        rng = np.random.default_rng(1)
        frequencies = WHOLE.frequencies
        signals = np.exp(-frequencies / rng.uniform(8, 12, size=(200, 1)))[:, None] * np.exp(2j * frequencies)
        band = narrow_band(signals, WHOLE)
        assert band.maximum_frequency < 150
        power = np.abs(signals[:, 0]) ** 2
        lost = power[:, len(band) :].sum(axis=1) / power.sum(axis=1)
        assert np.quantile(lost, 0.99) < BAND_LOSS[0]
        assert lost.mean() < BAND_LOSS[1]
        # And 32 Hz less would not do: the limits are used.
        lost = power[:, len(band) - 256 :].sum(axis=1) / power.sum(axis=1)
        assert lost.mean() > BAND_LOSS[1] or np.quantile(lost, 0.99) > BAND_LOSS[0]

    def test_every_signal_counts_whatever_its_loudness(self):
        frequencies = WHOLE.frequencies
        low, high = (np.where(frequencies < top, 1.0 + 0j, 0) for top in (60, 140))
        signals = np.stack([1000 * low] * 50 + [high] * 50)[:, None]
        assert narrow_band(signals, WHOLE).maximum_frequency == 144.0


class TestShorten:
    @pytest.mark.parametrize(("before", "after"), [(0.5, 0.02), (0.02, 0.5), (0.05, 0.05)])
    def test_holds_every_signal_wherever_it_arrives(self, before, after):
        rng = np.random.default_rng(2)
        window = (5.0, 5.4)
        arrival = rng.uniform(*window, size=(50, 2))
        chosen = shorten(pulses(arrival, before, after), arrival, window, WHOLE, BAND, FS)
        assert chosen.duration < 4
        assert (chosen.minimum_frequency, chosen.maximum_frequency) == (20.0, 208.0)
        corners = np.array([[5.0, 5.0], [5.4, 5.4], [5.0, 5.4]])
        whole_band = Grid(chosen.duration, chosen.start, 20.0, 256.0)
        # Each end of the stretch may take as much as the limit; these signals are all alike.
        assert np.all(kept_share(pulses(corners, before, after), whole_band) > 1 - 2 * STRETCH_LOSS[1])

    def test_is_no_longer_than_it_has_to_be(self):
        arrival = np.full((20, 1), 4.0)
        chosen = shorten(pulses(arrival, 0.02, 0.02), arrival, (4.0, 4.0), WHOLE, BAND, FS)
        assert chosen.duration <= 1
        assert chosen.start == pytest.approx(4 - chosen.duration / 2, abs=0.1)

    def test_a_signal_that_fills_the_segment_stays_whole(self):
        arrival = np.full((20, 1), 4.0)
        assert shorten(pulses(arrival, 3.0, 3.0), arrival, (3.9, 4.1), WHOLE, BAND, FS) == BAND

    def test_a_wide_window_stays_whole(self):
        arrival = np.random.default_rng(3).uniform(0.2, 7.8, size=(20, 1))
        assert shorten(pulses(arrival, 0.05, 0.05), arrival, (0.2, 7.8), WHOLE, BAND, FS) == BAND

    def test_a_second_stays_whole(self):
        grid = Grid(1.0, 0.0, 20.0, 200.0)
        arrival = np.full((20, 1), 0.5)
        assert shorten(pulses(arrival, 0.02, 0.02, grid), arrival, (0.5, 0.5), grid, grid, FS) == grid

    @pytest.mark.parametrize("time", [0.1, 7.9])
    def test_stays_inside_the_segment(self, time):
        arrival = np.full((20, 1), time)
        chosen = shorten(pulses(arrival, 0.02, 0.02), arrival, (time, time), WHOLE, BAND, FS)
        assert 0 <= chosen.start <= chosen.start + chosen.duration <= 8

    @pytest.mark.parametrize("sampling_frequency", [512.0, 500.0, 375.0])
    def test_is_a_whole_number_of_samples(self, sampling_frequency):
        """Otherwise the frequencies of the grid are not those of the data that were cut."""
        grid = Grid(2.0, 0.0, 20.0, 180.0)
        frequencies = grid.frequencies
        signals = np.exp(-0.5 * ((frequencies - 100) / 15) ** 2) * time_shift(grid, 1.0).numpy()
        chosen = shorten(
            np.tile(signals, (5, 1, 1)), np.full((5, 1), 1.0), (0.98, 1.02), grid, grid, sampling_frequency
        )
        assert chosen.duration < 2
        for length in (chosen.duration, chosen.start):
            assert length * sampling_frequency == pytest.approx(round(length * sampling_frequency), abs=1e-6)
