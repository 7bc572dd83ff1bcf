"""Splines through values at nodes, against SciPy's, and the weights of their sums."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from bilby_flowpe.waves.coarse.splines import Spline, spaced

NODES = spaced(20.0, 500.0, 24)
FREQUENCIES = np.arange(80, 2001) / 4


def test_nodes() -> None:
    assert NODES[0] == 20
    assert NODES[-1] == 500
    steps = np.diff(NODES)
    assert np.all(np.diff(steps) > 0)


def test_values_and_weights() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((2, 3, 24)) + 1j * rng.standard_normal((2, 3, 24))
    factors = rng.standard_normal((5, len(FREQUENCIES))) + 1j
    spline = Spline(NODES)
    expected = CubicSpline(NODES, values, axis=-1)(FREQUENCIES)
    np.testing.assert_allclose(spline.at(FREQUENCIES, values), expected, atol=1e-11)
    sums = spline.weights(FREQUENCIES, factors)
    np.testing.assert_allclose(values @ sums.T, expected @ factors.T, atol=1e-8)


def test_refined_nodes_keep_the_old_ones() -> None:
    refined = Spline(NODES).refined()
    np.testing.assert_array_equal(refined.nodes[::2], NODES)
    assert len(refined) == 47
