"""Simulated events of both families."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.family import curves as curves_module
from bilby_flowpe.family.bounds import Family
from bilby_flowpe.family.events import Events, Simulation
from bilby_flowpe.family.precessing_events import PrecessingEvents
from tests.family.small import ALIGNED, PRECESSING


@pytest.fixture(autouse=True)
def few_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand made-up curves take some seconds."""
    monkeypatch.setattr(curves_module, "_POOL", 24)


@pytest.mark.training
@pytest.mark.parametrize(("made", "family"), [(Events, ALIGNED), (PrecessingEvents, PRECESSING)])
def test_events_are_views_and_coordinates_that_a_network_can_take(made: type, family: Family) -> None:
    events = made(family, np.random.default_rng(4))
    found = [one for _ in range(36 if made is Events else 12) for one in events()]
    assert len(found) > 30
    features = np.array([seen.features for seen, _ in found])
    coordinates = np.concatenate([target for _, target in found])
    assert np.all(np.isfinite(features)) and np.all(np.isfinite(coordinates))
    assert coordinates.shape[1] == len(family.keys)
    # As wide as posteriors are: some are far off, and most are not.
    assert np.quantile(np.abs(coordinates), 0.9) < 4
    ratios = np.array([seen.snr for seen, _ in found])
    # A maximum over noise and four parameters is above the signal's ratio by some units of one; waves of higher harmonics and
    # of precession are seen by a part of theirs.
    assert ratios.max() < 66 and np.median(ratios) > 10
    # The same seed makes the same events.
    again = made(family, np.random.default_rng(4))()
    np.testing.assert_array_equal(again[0][0].features, found[0][0].features)


def test_noise_is_in_a_band_that_users_choose() -> None:
    simulation = Simulation(ALIGNED, np.random.default_rng(8), spacing=1.0)
    frequencies, made = simulation.frequencies, [simulation.noise() for _ in range(60)]
    counts = np.array([len(noise.detectors) for noise in made])
    assert {*counts} <= {1, 2, 3} and np.mean(counts > 1) > 0.8
    lowest = [frequencies[np.any(noise.weights > 0, axis=0)][0] for noise in made]
    assert min(lowest) >= 15 and max(lowest) <= 41 and np.mean(np.array(lowest) == 20) > 0.4
    for noise in made:
        assert list(noise.detectors) == sorted({*noise.detectors})
        assert np.all(noise.weights >= 0) and np.all(np.isfinite(noise.weights))
