"""The data of an event are seen alike whatever their length, their sampling, and where the search's row is."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.family.bounds import Family
from bilby_flowpe.family.observe import gathered_of
from bilby_flowpe.family.orders import view_by_orders
from bilby_flowpe.family.view import Seen
from bilby_flowpe.names import TIME
from tests.family.small import ALIGNED, BODY, INJECTED, MERGER, PRECESSING, climb, likelihood, templates, view


@cache
def usual() -> GravitationalWaveTransient:
    return likelihood()


def seen_by(data: GravitationalWaveTransient, family: Family = ALIGNED, row: dict[str, float] = INJECTED) -> Seen:
    gathered, phases = gathered_of(data, row, templates(), (0, 1), family.highest)
    if family.precesses:
        return view_by_orders(gathered, phases, climb(), climb().base(BODY[None])[0], np.random.default_rng(1))
    return view(gathered.about(phases))


@pytest.mark.parametrize("family", [ALIGNED, PRECESSING], ids=lambda family: family.name)
@pytest.mark.parametrize(("duration", "sampling"), [(8.0, 1024.0), (4.0, 2048.0), (4.0, 4096.0), (8.0, 4096.0)])
def test_the_length_of_the_data_and_their_sampling_change_nothing(
    family: Family, duration: float, sampling: float
) -> None:
    expected = seen_by(usual(), family)
    found = seen_by(likelihood(duration, sampling), family)
    # Longer data are finer in frequency: sums begin at 20 Hz with half of a step more, a share of 0.1% of the ratio of 14, in
    # units in which the noise is one.
    assert found.snr == pytest.approx(expected.snr, rel=1e-3)
    np.testing.assert_allclose(found.features, expected.features, atol=0.03)


def test_the_ratio_and_the_wave_are_those_of_the_signal() -> None:
    data = usual()
    seen = seen_by(data)
    ratios = [interferometer.meta_data["optimal_SNR"] for interferometer in data.interferometers]
    # The grid of times and the points cost up to a few thousandths of the ratio.
    assert seen.snr == pytest.approx(np.sqrt(np.sum(np.square(ratios))), rel=0.01)
    assert seen.pivot.body[0] == pytest.approx(28.0, rel=0.05)


def test_arrivals_are_bilbys() -> None:
    data = usual()
    gathered, _ = gathered_of(data, INJECTED, templates(), (0, 1))
    delays = [
        interferometer.time_delay_from_geocenter(INJECTED["ra"], INJECTED["dec"], MERGER)
        for interferometer in data.interferometers
    ]
    # Between detectors, for the moment that is the wave's own is a convention: to two steps of the grid of times.
    assert np.diff(gathered.delays)[0] == pytest.approx(np.diff(delays)[0], abs=2.5e-4)
    assert gathered.slots == [0, 1]


def test_a_row_whose_time_is_off_leads_to_the_same_arrivals() -> None:
    gathered, _ = gathered_of(usual(), INJECTED, templates(), (0, 1))
    off, _ = gathered_of(usual(), {**INJECTED, TIME: MERGER + 0.03}, templates(), (0, 1))
    assert np.array_equal(gathered.delays, off.delays)


def test_the_band_is_the_familys_and_the_datas() -> None:
    gathered, _ = gathered_of(usual(), INJECTED, templates(), (0, 1), highest=300.0)
    for frequencies, weights in zip(gathered.frequencies, gathered.weights, strict=True):
        assert frequencies.min() == 20 and frequencies.max() == 300 and np.all(weights > 0)
