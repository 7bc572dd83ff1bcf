"""The view of a network: white noise stays white under any curve, and nothing is lost to notches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bilby_flowpe.family.binned import Binned, Shares
from bilby_flowpe.family.pivot import Pivot
from bilby_flowpe.family.templates import POINTS
from bilby_flowpe.family.view import coherent_products, polynomials
from tests.family.small import FREQUENCIES, blue, event, red, seen_of, view, weights_of

CURVES = {"red": red(FREQUENCIES), "blue": blue(FREQUENCIES)}
PRODUCTS = 20
LOST = 0.08
"""Share of the noise's square that the products may lose: see below."""


def linear_map(binned: Binned, pivot: Pivot) -> np.ndarray:
    """The products' complex coefficients for the data at every point of every detector, (10, D P)."""
    count = binned.data.size
    columns = np.empty((PRODUCTS // 2, count), dtype=complex)
    for index in range(count):
        unit = np.zeros(count, dtype=complex)
        unit[index] = 1.0
        found = coherent_products(replace(binned, data=unit.reshape(binned.data.shape)), pivot)
        columns[:, index] = found[: PRODUCTS // 2] + 1j * found[PRODUCTS // 2 :]
    return columns


@pytest.mark.parametrize("first", CURVES)
def test_noise_of_the_products_is_white(first: str) -> None:
    """Exactly, by the covariance of sums about points: no draw is made."""
    covariance = of_noise([CURVES[first], 0.5 * CURVES["red"]])
    # Each frequency is shared by two points. Where a function changes by d from one to the next, d**2 / 6 is lost of its
    # square. The highest polynomial has nine half waves over some 45 points: d**2 is (9 pi / 45)**2 = 0.4.
    assert np.abs(covariance - np.eye(PRODUCTS // 2)).max() < LOST


def test_at_the_edge_of_a_band_high_polynomials_lose_some_of_the_noise() -> None:
    """Some noise is lost if most power is within a few points of the lowest frequency; it never has a variance above one."""
    variances = np.diag(of_noise([0.5 * np.log(FREQUENCIES)])).real
    assert np.all(variances < 1 + 1e-6) and np.all(variances > 0.75)
    assert variances[:3].min() > 1 - LOST


def of_noise(curves: list[np.ndarray]) -> np.ndarray:
    """Covariance of the products of noise alone, (10, 10)."""
    binned, seen = seen_of(curves, snr=20.0)
    shares = Shares.of(FREQUENCIES)
    whole = max(shares.summed(weights_of(curve)).max() for curve in curves)
    blocks = []
    for curve in curves:
        weights = weights_of(curve) / whole
        covariance = np.zeros((len(POINTS), len(POINTS)))
        for one, of_one in ((shares.below, 1 - shares.upper), (shares.below + 1, shares.upper)):
            for other, of_other in ((shares.below, 1 - shares.upper), (shares.below + 1, shares.upper)):
                np.add.at(covariance, (one, other), weights * of_one * of_other)
        blocks.append(covariance)
    size = len(POINTS)
    coefficients = linear_map(binned, seen.pivot)
    return sum(
        coefficients[:, index * size : (index + 1) * size]
        @ block
        @ coefficients[:, index * size : (index + 1) * size].conj().T
        for index, block in enumerate(blocks)
    )


@pytest.mark.parametrize("curve", CURVES)
def test_draws_of_noise_have_mean_zero_and_unit_variance(curve: str) -> None:
    _, seen = seen_of([CURVES[curve]], snr=20.0)
    rng, number = np.random.default_rng(3), 200
    found = np.empty((number, PRODUCTS))
    for index in range(number):
        gathered, phases = event([CURVES[curve]], snr=0.0, rng=rng)
        found[index] = coherent_products(gathered.about(phases), seen.pivot)
    assert np.abs(found.mean(axis=0)).max() < 4 / np.sqrt(number)
    # Of the squares of 4000 normal numbers, less what the sums about points may lose.
    assert 1 - LOST - 4 * np.sqrt(2 / found.size) < np.mean(found**2) < 1 + 4 * np.sqrt(2 / found.size)


def test_the_wave_itself_is_in_the_first_product_alone() -> None:
    """Data that are the wave of the pivot have its signal-to-noise ratio, and nothing else."""
    binned, seen = seen_of([CURVES["red"], CURVES["blue"]], snr=25.0)
    pivot = seen.pivot
    own = Binned(binned.weights * pivot.amplitudes, binned.weights, pivot.phases)
    outputs = np.sqrt(binned.weights @ pivot.amplitudes**2)
    found = coherent_products(own, replace(pivot, outputs=outputs + 0j, slips=np.zeros(2)))
    assert found[0] == pytest.approx(np.sqrt(np.sum(outputs**2)))
    np.testing.assert_allclose(found[1:], 0, atol=1e-10)


def test_polynomials_are_orthonormal_where_there_is_power() -> None:
    power = np.exp(-((np.arange(128.0) - 50) ** 2) / 500)
    power[45:48] = 0.0
    values = polynomials(power, 10)
    np.testing.assert_allclose((values.T * power) @ values / power.sum(), np.eye(10), atol=1e-10)
    assert np.all(values[45:48] == 0)


@pytest.mark.parametrize("band", [(55.0, 65.0), (20.0, 80.0), (100.0, 512.0)])
def test_frequencies_that_are_cut_out_leave_a_view(band: tuple[float, float]) -> None:
    gathered, phases = event([CURVES["red"], CURVES["blue"]], snr=20.0, rng=np.random.default_rng(1))
    out = (band[0] <= FREQUENCIES) & (band[1] >= FREQUENCIES)
    cut = replace(
        gathered,
        data=[np.where(out, 0, data) for data in gathered.data],
        weights=[np.where(out, 0, weights) for weights in gathered.weights],
    )
    seen = view(cut.about(phases))
    assert np.all(np.isfinite(seen.features))
    assert 0 < seen.snr < 25


def test_a_louder_signal_is_seen_as_such() -> None:
    (_, quiet), (_, loud) = (seen_of([CURVES["red"]], snr) for snr in (10.0, 40.0))
    assert quiet.snr == pytest.approx(10, rel=0.01) and loud.snr == pytest.approx(40, rel=0.01)
    # The metric's widths, but for the prior's, go with the inverse of it.
    assert loud.pivot.root[0, 0] < 0.5 * quiet.pivot.root[0, 0]
