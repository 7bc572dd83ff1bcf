"""Densities of whitened noise: normalised, in their limits, and by draws of what they are defined as."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.noise.densities import Gaussian, Hyperbolic, OfMedian, StudentT, of_segments

DENSITIES = [
    Gaussian(),
    StudentT(2.0),
    StudentT(4.0),
    StudentT(60.0),
    Hyperbolic(0.1),
    Hyperbolic(3.0),
    Hyperbolic(50.0),
    *(OfMedian(n) for n in (1, 2, 3, 4, 7, 8, 31, 32, 127)),
    OfMedian(16.6),
]


def integral(function, low: float) -> float:
    """Integrate to infinity, in pieces that follow the long tails."""
    edges = [low, *(low + 10.0**power for power in range(-1, 8))]
    inner = sum(quad(function, *pair, epsabs=1e-13, epsrel=1e-11)[0] for pair in pairwise(edges))
    return inner + quad(function, edges[-1], np.inf)[0]


@pytest.mark.parametrize("density", DENSITIES, ids=str)
def test_integrals_are_one_and_those_of_the_tail(density) -> None:
    def value(u: float) -> float:
        return float(np.exp(density.log_density(np.array([u]))[0]))

    assert integral(value, 0.0) == pytest.approx(1, abs=2e-5)
    for low in (0.7, 9.0):
        assert integral(value, low) == pytest.approx(float(np.exp(density.log_survival(np.array([low])))[0]), rel=1e-4)


@pytest.mark.parametrize("density", [density for density in DENSITIES if density != OfMedian(16.6)], ids=str)
def test_draws_have_the_density(density) -> None:
    """Draws have the density; those of an estimated median are powers divided by medians of powers."""
    draws = density.draw(20_000, np.random.default_rng(3))
    assert kstest(draws, lambda u: 1 - np.exp(density.log_survival(u))).pvalue > 1e-3


@pytest.mark.parametrize("density", [StudentT(1e9), Hyperbolic(1e9), OfMedian(1_000_001), OfMedian(1_000_000)], ids=str)
def test_limits_are_gaussian(density) -> None:
    u = np.array([0.0, 1e-3, 1.0, 12.0])
    np.testing.assert_allclose(density.log_density(u), -u, atol=2e-4)


def test_a_median_of_one_is_a_mean_of_one() -> None:
    u = np.geomspace(1e-4, 1e6, 30)
    np.testing.assert_allclose(OfMedian(1).log_density(u), StudentT(2).log_density(u), atol=1e-7)
    # Of two the median is the mean.
    np.testing.assert_allclose(OfMedian(2).log_density(u), StudentT(4).log_density(u), atol=1e-7)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 15, 16, 31])
def test_the_bias_is_that_which_estimates_are_divided_by(n: int) -> None:
    """PyCBC's and SciPy's: a sum of alternating terms."""
    pairs = np.arange(1, (n - 1) // 2 + 1)
    assert OfMedian(n).bias == pytest.approx(1 + np.sum(1 / (2 * pairs + 1) - 1 / (2 * pairs)), rel=1e-12)


def test_tails_keep_their_digits() -> None:
    """A line of a million times the noise's power: by the sum that the difference of digammas is."""
    density, t = OfMedian(31), 1e6
    terms = 16 + t + np.arange(16)
    expected = -np.sum(np.log(terms) - np.log(16 + np.arange(16))) + np.log(np.sum(1 / terms) / density.bias)
    assert density.log_density(np.array([t * density.bias]))[0] == pytest.approx(expected, rel=1e-9)
    assert Hyperbolic(1e6).log_density(np.array([1e-8]))[0] == pytest.approx(-1e-8 - np.log1p(1e-6), abs=1e-15)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: StudentT(0.0), "nu=0.0"),
        (lambda: StudentT(np.nan), "nu=nan"),
        (lambda: Hyperbolic(-1.0), "shape=-1.0"),
        (lambda: of_segments("mode", 8), "method='mode'"),
        (lambda: of_segments("median", 0), "segments=0"),
        (lambda: OfMedian(16.6).draw(3, np.random.default_rng(0)), "whole number"),
    ],
)
def test_what_is_no_density_is_refused(make, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        make()


def test_segments_by_their_method() -> None:
    assert of_segments("mean", 16) == StudentT(32)
    assert of_segments("median", 16) == OfMedian(16)
