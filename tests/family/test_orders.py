"""Views of events that precess: harmonics, detector by detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bilby_flowpe.family.orders import ORDERS, Gathered, view_by_orders
from bilby_flowpe.family.view import Seen
from tests.family.small import BODY, FREQUENCIES, climb, event, red, view

PRODUCTS = sum(count for _, count in ORDERS)
BLOCK = 5 + 2 * PRODUCTS
"""Features of a detector: whether it is there, its ratio, delay, phase (2), and products."""


def seen_by_orders(gathered: Gathered, phases: np.ndarray) -> Seen:
    return view_by_orders(gathered, phases, climb(), climb().base(BODY[None])[0], np.random.default_rng(1))


def blocks(seen: Seen) -> np.ndarray:
    """Features of each of three detectors, (3, 5 + 2 J)."""
    return seen.features[-3 * BLOCK :].reshape(3, BLOCK)


def test_detectors_stand_in_their_places() -> None:
    gathered, phases = event([red(FREQUENCIES), red(FREQUENCIES) + 1], snr=20.0)
    apart = replace(gathered, slots=[0, 2], delays=np.array([0.01, 0.018]))
    found = blocks(seen_by_orders(apart, phases))
    assert list(found[:, 0]) == [1, 0, 1]
    assert np.all(found[1] == 0)
    ratio = np.exp(0.5)  # of the signals: the second curve is higher by a factor of e
    assert found[0, 1] / found[2, 1] == pytest.approx(ratio, rel=1e-3)
    # Delays from the loudest, in units of 10 ms.
    assert found[[0, 2], 2] == pytest.approx([0.0, 0.8], abs=1e-6)


def test_the_shared_part_is_that_of_aligned_spins() -> None:
    gathered, phases = event([red(FREQUENCIES)] * 2, snr=20.0, rng=np.random.default_rng(3))
    whole, shared = seen_by_orders(gathered, phases).features, view(gathered.about(phases)).features
    assert len(whole) == len(shared) + 3 * BLOCK
    np.testing.assert_allclose(whole[: len(shared)], shared, atol=1e-5)


def test_the_second_order_at_each_detector_sums_to_the_coherent_product() -> None:
    """The data of two equal detectors are at different phases."""
    gathered, phases = event([red(FREQUENCIES)] * 2, snr=20.0)
    gathered = replace(gathered, data=[gathered.data[0], gathered.data[1] * np.exp(0.7j)])
    seen = seen_by_orders(gathered, phases)
    found = blocks(seen)
    coherent = seen.features[-3 * BLOCK - 20 : -3 * BLOCK]
    count = ORDERS[0][1]
    of_both = (found[0, 5 : 5 + count] + found[1, 5 : 5 + count]) / np.sqrt(2)
    np.testing.assert_allclose(of_both[:4], coherent[:4], atol=0.02)
    assert np.arctan2(found[1, 4], found[1, 3]) - np.arctan2(found[0, 4], found[0, 3]) == pytest.approx(0.7, abs=1e-3)


def test_half_a_turn_of_the_orbit_changes_nothing() -> None:
    """The second order has the sign of both; odd orders are taken with the sign that makes the third one positive."""
    gathered, phases = event([red(FREQUENCIES)] * 2, snr=20.0, rng=np.random.default_rng(3))
    turned = replace(gathered, data=[-data for data in gathered.data])
    one, other = seen_by_orders(gathered, phases), seen_by_orders(turned, phases)
    count = len(ORDERS)
    assert count == 4
    first, second = blocks(one), blocks(other)
    # The sign of the data is half a turn of the phase of the second order: its products do not change.
    np.testing.assert_allclose(first[:2, 5 : 5 + 8], second[:2, 5 : 5 + 8], atol=1e-4)
    np.testing.assert_allclose(first[:2, :5], second[:2, :5], atol=1e-4)


def test_a_detector_without_data_leaves_a_view() -> None:
    gathered, phases = event([red(FREQUENCIES)] * 2, snr=20.0, rng=np.random.default_rng(3))
    silent = replace(
        gathered,
        data=[gathered.data[0], 0 * gathered.data[1]],
        weights=[gathered.weights[0], 0 * gathered.weights[1]],
    )
    assert np.all(np.isfinite(seen_by_orders(silent, phases).features))
