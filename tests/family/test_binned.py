"""Sums of data about fixed frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.family.binned import Binned, Shares
from bilby_flowpe.family.templates import POINTS


@pytest.mark.parametrize("spacing", [0.125, 0.25, 1.0])
def test_sums_keep_the_whole_and_its_centre_in_the_logarithm(spacing: float) -> None:
    frequencies = np.arange(15.0, 2048.0, spacing)
    rng = np.random.default_rng(1)
    values = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    summed = Shares.of(frequencies).summed(values)
    np.testing.assert_allclose(summed.sum(), values.sum(), rtol=1e-10)
    np.testing.assert_allclose(summed @ np.log(POINTS), values @ np.log(frequencies), rtol=1e-10)


def test_a_frequency_falls_to_the_two_points_beside_it() -> None:
    middle = np.sqrt(POINTS[40] * POINTS[41])
    summed = Shares.of(np.array([POINTS[0], middle, POINTS[-1]])).summed(np.array([1.0, 4.0, 9.0]))
    assert summed[[0, 40, 41, -1]] == pytest.approx([1, 2, 2, 9], abs=1e-9)
    assert np.count_nonzero(np.abs(summed) > 1e-9) == 4


def test_units_are_left_out() -> None:
    """Strain is of the order of 1e-22: in units of the largest weight nothing is lost in single precision."""
    rng = np.random.default_rng(2)
    data, weights = rng.standard_normal((2, 128)) + 0j, rng.uniform(1, 2, (2, 128))
    phases = np.linspace(0, 50, 128)
    one, other = Binned.of(data, weights, phases), Binned.of(1e23 * data, 1e46 * weights, phases)
    np.testing.assert_allclose(one.data, other.data, rtol=1e-12)
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-12)
    assert other.weights.max() == 1
    silent = Binned.of(0 * data, 0 * weights, phases)
    assert np.all(silent.data == 0) and np.all(silent.weights == 0)
