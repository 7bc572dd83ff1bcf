"""Noise curves that networks are trained on."""

from __future__ import annotations

from pathlib import Path

import bilby.gw.detector
import numpy as np
import pytest

from bilby_flowpe.family.curves import _BILBY, _HELD_OUT, _LALSIMULATION, Curves, all_published, published

WIDE = np.linspace(15.0, 2048.0, 400)


@pytest.mark.parametrize("name", [*_BILBY, *_LALSIMULATION, *_HELD_OUT])
def test_published_curves_are_those_of_strain(name: str) -> None:
    curve = published(name, WIDE)
    assert np.all(np.isfinite(curve))
    # Between the best of designs and the steep wall of the first runs: amplitudes of 1e-25 to 1e-17 per root Hz.
    assert -115 < curve.min() < -102 and curve.max() < -78


def test_a_published_curve_is_the_files() -> None:
    known, asd = np.loadtxt(Path(bilby.gw.detector.__file__).parent / "noise_curves/Aplus_asd.txt", unpack=True)
    inside = (known > 20) & (known < 2000)
    np.testing.assert_allclose(published("Aplus_asd", known[inside]), 2 * np.log(asd[inside]))


def test_curves_held_out_are_no_curves_of_the_training() -> None:
    assert not {*_HELD_OUT} & {*_BILBY, *_LALSIMULATION}
    assert len(all_published(WIDE, held_out=True)) == len(_HELD_OUT)
    assert len(all_published(WIDE, held_out=False)) == len(_BILBY) + len(_LALSIMULATION)


def test_drawn_curves_are_those_and_changes_of_them() -> None:
    frequencies = np.linspace(15.0, 1024.0, 500)
    curves, rng = Curves(frequencies, np.random.default_rng(1)), np.random.default_rng(2)
    drawn = curves.draw(200, rng)
    assert drawn.shape == (200, 500) and np.all(np.isfinite(drawn))
    known = all_published(frequencies, held_out=False)
    # A scale apart, one in four is as published: to five times the error of a share of 200.
    shapes = drawn - drawn.mean(axis=1, keepdims=True)
    apart = np.abs(shapes[:, None] - (known - known.mean(axis=1, keepdims=True))[None]).max(axis=2).min(axis=1)
    assert abs(np.mean(apart < 0.01) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 200)
    assert np.median(apart) > 0.1
