"""The noise that a likelihood assumes: units of variance, weight and whitened series."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.detector import InterferometerList
from bilby.gw.utils import noise_weighted_inner_product

from bilby_flowpe.errors import DataError
from bilby_flowpe.waves.whitening import Whitener, noise_variance, noise_weight, whitened

START = 1126259460.0


@pytest.fixture(scope="module")
def interferometer():
    """Three seconds, so that no factor is a power of two."""
    (made,) = InterferometerList(["L1"])
    made.minimum_frequency, made.maximum_frequency = 20.0, 400.0
    made.set_strain_data_from_zero_noise(1024.0, 3.0, START)
    return made


def test_weight_is_one_over_variance_and_bilbys(interferometer) -> None:
    mask = interferometer.frequency_mask
    variance, weight = noise_variance(interferometer, mask), noise_weight(interferometer, mask)
    np.testing.assert_allclose(weight * variance, 1, rtol=1e-15)
    np.testing.assert_array_equal(noise_weight(interferometer)[mask], weight)
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((2, mask.sum())) + 1j * rng.standard_normal((2, mask.sum()))
    bilbys = noise_weighted_inner_product(one, other, interferometer.power_spectral_density_array[mask], 3.0)
    assert np.sum(one.conj() * other * weight) == pytest.approx(bilbys, rel=1e-12)


def test_noise_of_bilby_has_that_variance(interferometer) -> None:
    """The variance of 1140 bins in 40 segments is known to 0.7%."""
    mask, power = interferometer.frequency_mask, []
    for _ in range(40):
        interferometer.set_strain_data_from_power_spectral_density(1024.0, 3.0, START)
        strain = interferometer.frequency_domain_strain[mask]
        power.append(np.mean(np.abs(strain) ** 2 / (2 * noise_variance(interferometer, mask))))
    assert np.mean(power) == pytest.approx(1, abs=5 / np.sqrt(40 * mask.sum()))


def test_whitener_and_series_have_unit_variance(interferometer) -> None:
    mask = interferometer.frequency_mask
    interferometer.set_strain_data_from_power_spectral_density(1024.0, 3.0, START)
    strain = interferometer.frequency_domain_strain
    white = Whitener.of(interferometer)(strain)
    assert np.all(white[~mask] == 0)
    np.testing.assert_allclose(white[mask], (strain / np.sqrt(noise_variance(interferometer)))[mask], rtol=1e-12)
    # By Parseval's theorem, the share of the band in all frequencies.
    series = whitened(interferometer, strain)
    assert np.mean(series**2) == pytest.approx(np.sum(np.abs(white[mask]) ** 2) / (2 * (len(mask) - 1)), rel=1e-9)


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
def test_a_curve_with_a_hole_is_refused(interferometer, value: float, monkeypatch) -> None:
    curve = interferometer.power_spectral_density_array.copy()
    curve[np.flatnonzero(interferometer.frequency_mask)[5]] = value
    monkeypatch.setattr(type(interferometer), "power_spectral_density_array", property(lambda self: curve))
    with pytest.raises(DataError, match=r"L1: the power spectral density is not positive and finite at 21\.6"):
        Whitener.of(interferometer)
