"""The wave that a view is about: found from afar, wherever the search for it began."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.family.binned import Binned
from bilby_flowpe.family.pivot import filtered
from bilby_flowpe.family.templates import POINTS
from tests.family.small import BODY, FREQUENCIES, climb, event, red, templates

CURVES = [red(FREQUENCIES), red(FREQUENCIES) + 1.0]


def test_the_statistic_of_the_signals_own_wave() -> None:
    gathered, phases = event(CURVES, snr=20.0)
    binned = gathered.about(phases)
    found = filtered(binned, *templates()(BODY[None]))
    assert found.values[0] == pytest.approx(200, rel=1e-3)
    assert np.abs(found.slips).max() < 1e-15
    # No other wave fits better: Schwarz's inequality, but for the sums about points.
    others = climb().bodies(np.random.default_rng(1).standard_normal((50, 4)))
    assert filtered(binned, *templates()(others)).values.max() < 200.5


def test_an_arrival_that_is_late_is_found_in_each_detector() -> None:
    gathered, phases = event(CURVES, snr=20.0)
    late = np.array([2e-3, -1.25e-3])
    data = [one * np.exp(-2j * np.pi * FREQUENCIES * by) for one, by in zip(gathered.data, late, strict=True)]
    binned = type(gathered)(gathered.frequencies, data, gathered.weights, gathered.slots, gathered.delays).about(phases)
    found = filtered(binned, *templates()(BODY[None]))
    assert found.slips[0] == pytest.approx(late, abs=1e-9)
    assert found.values[0] == pytest.approx(200, rel=0.02)


def finely(binned: Binned, bodies: np.ndarray) -> np.ndarray:
    """Log likelihood ratios at the best of times 0.02 ms apart, (N,)."""
    slips = np.arange(-4e-3, 4e-3, 2e-5)
    turns = np.exp(2j * np.pi * POINTS[:, None] * slips)
    amplitudes, phases = templates()(bodies)
    conjugates = amplitudes * np.exp(-1j * (phases - binned.phases))
    powers = [np.max(np.abs((conjugates * data) @ turns) ** 2, axis=1) for data in binned.data]
    return 0.5 * sum(power / (amplitudes**2 @ weights) for power, weights in zip(powers, binned.weights, strict=True))


def near(binned: Binned, place: np.ndarray, widths: float) -> tuple[np.ndarray, np.ndarray]:
    """Steps along the columns of the posterior's root, to either side."""
    value = float(filtered(binned, *templates()(BODY[None])).values[0])
    root = climb().root(binned, place, value)
    steps = widths * np.concatenate([root.T, -root.T])
    return steps, climb().bodies(place + steps)


def test_the_grid_of_times_costs_little() -> None:
    gathered, phases = event(CURVES, snr=12.0)
    binned = gathered.about(phases)
    _, bodies = near(binned, climb().base(BODY[None])[0], 1.0)
    apart = finely(binned, bodies) - filtered(binned, *templates()(bodies)).values
    power = binned.weights.sum(axis=0) * templates()(BODY[None])[0][0] ** 2
    spread = np.sqrt(np.average(POINTS**2, weights=power) - np.average(POINTS, weights=power) ** 2)
    # A time that is half a step of 0.25 ms off turns the phases of a wave of this bandwidth.
    most = 0.5 * 12**2 * (2 * np.pi * spread * 1.25e-4) ** 2
    assert apart.min() > -1e-3 and apart.max() < 1.1 * most


def test_the_root_is_that_of_the_statistic_itself() -> None:
    """The log likelihood ratio falls by the square of the distance in widths, over two: the metric against the statistic."""
    gathered, phases = event(CURVES, snr=12.0)
    binned = gathered.about(phases)
    place = climb().base(BODY[None])[0]
    # Near, and in the mean of both sides: the signal's own wave is no exact maximum of sums about points.
    steps, bodies = near(binned, place, 0.2)
    fallen = np.mean((finely(binned, BODY[None]) - finely(binned, bodies)).reshape(2, 4), axis=0)
    # Of the posterior that the root belongs to, the prior's part is left out.
    expected = 0.5 * (0.2**2 - np.sum(steps[:4] ** 2, axis=1))
    assert fallen == pytest.approx(expected, rel=0.15, abs=0.01)


@pytest.mark.parametrize("away", [0.0, 2.0, -4.0])
@pytest.mark.parametrize("snr", [12.0, 40.0])
def test_the_top_is_found_from_starts_that_are_some_widths_off(away: float, snr: float) -> None:
    gathered, phases = event(CURVES, snr, rng=np.random.default_rng(2))
    binned = gathered.about(phases)
    truth = climb().base(BODY[None])[0]
    own = float(filtered(binned, *templates()(BODY[None])).values[0])
    root = climb().root(binned, truth, own)
    for seed in range(5):
        start = truth + away * root @ np.array([0.5, -0.5, 0.5, 0.5])
        pivot = climb()(binned, start, np.random.default_rng(seed))
        # Of four parameters the best wave is above the truth by two in the mean; the best of some rows is not far below that.
        assert pivot.value - 0.5 * np.sum(pivot.base**2) > own - 0.5 * np.sum(truth**2) - 2.0
        np.testing.assert_allclose(climb().base(pivot.body[None])[0], pivot.base, atol=1e-6)
        assert pivot.value == pytest.approx(0.5 * np.sum(np.abs(pivot.outputs) ** 2))


def test_the_same_seed_finds_the_same() -> None:
    gathered, phases = event(CURVES, 15.0, rng=np.random.default_rng(2))
    binned, start = gathered.about(phases), climb().base(BODY[None])[0]
    one, other = (climb()(binned, start, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.body, other.body)
