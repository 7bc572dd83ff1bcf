"""Summary data against sums over all frequencies, whatever the length of the data."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.waves.coarse.norms import Norms
from bilby_flowpe.waves.coarse.splines import Spline, spaced
from bilby_flowpe.waves.coarse.summary import DetectorBins, Steps, series_weights


def made(duration: float) -> tuple[DetectorBins, np.ndarray]:
    """Noise in a band with a notch, and phases of two terms."""
    rng = np.random.default_rng(4)
    bins = np.arange(int(20 * duration), int(100 * duration))
    bins = bins[(bins < 50 * duration) | (bins > 52 * duration)]
    frequencies = bins / duration
    data = rng.standard_normal(len(bins)) + 1j * rng.standard_normal(len(bins))
    return DetectorBins(bins, frequencies, data, 1 / frequencies), np.stack([frequencies, 30 * np.log(frequencies)])


@pytest.mark.parametrize(("duration", "first"), [(2.0, 700), (64.0, 30000), (64.0, -40)])
def test_series(duration: float, first: int) -> None:
    """Short data are summed as they are, long ones on fewer frequencies; steps before the segment are those at its end."""
    detector, phases = made(duration)
    steps = Steps(first, 50, int(duration * 512), duration)
    spline = Spline(spaced(20.0, 100.0, 12))
    found = series_weights(detector, spline, phases, steps)
    splines = spline.at(detector.frequencies, np.eye(12))
    times = (first + np.arange(50)) * duration / steps.in_segment
    turns = np.exp(2j * np.pi * np.outer(detector.frequencies, times))
    expected = np.stack([(splines * (detector.data * np.exp(-1j * phase))) @ turns for phase in phases])
    # Single precision, and 6e-7 of the largest of interpolation.
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


def test_norms() -> None:
    """Products of two splines that are themselves smooth: here of polynomials of first degree, exactly."""
    detector, phases = made(2.0)
    spline = Spline(spaced(20.0, 100.0, 12))
    rng = np.random.default_rng(5)
    slopes, levels = rng.standard_normal((2, 3, 2, 2, 1)) + 1j * rng.standard_normal((2, 3, 2, 2, 1))
    norms = Norms.of([detector, detector], spline, [phases, phases])(levels + slopes * spline.nodes / 100)
    terms = (levels + slopes * detector.frequencies / 100) * np.exp(1j * phases)[:, None]
    stacked = terms.reshape(3, 4, -1)
    expected = np.einsum("naf,nbf,f->nab", stacked.conj(), stacked, detector.weights)
    np.testing.assert_allclose(norms, np.stack([expected, expected], axis=1), rtol=1e-10, atol=1e-10)
