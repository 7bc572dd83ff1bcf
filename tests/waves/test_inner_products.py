"""Inner products of a signal with the data, against Bilby's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.kinds.recognise import has_own_frequencies
from bilby_flowpe.waves.inner_products import InnerProducts, Projection
from bilby_flowpe.waves.whitening import noise_weight


class Own(GravitationalWaveTransient):
    """A likelihood with a way of its own to inner products."""

    def calculate_snrs(self, *arguments, **keywords):
        return super().calculate_snrs(*arguments, **keywords)


@pytest.mark.parametrize("own_phase", [True, False])
def test_they_are_bilbys(problem_hl, own_phase: bool) -> None:
    likelihood, _ = problem_hl
    row = dict(likelihood.injection_parameters)
    used = row if own_phase else {**row, "phase": 0.0}
    waves = likelihood.waveform_generator.frequency_domain_strain(dict(used))
    snrs = [
        likelihood.calculate_snrs(waves, ifo, return_array=False, parameters=used) for ifo in likelihood.interferometers
    ]
    real, imaginary, norm = InnerProducts(likelihood, own_phase)(row)
    # Sums of 500 to 2000 terms in double precision, in another order.
    assert real + 1j * imaginary == pytest.approx(sum(one.d_inner_h for one in snrs), rel=1e-10)
    assert norm == pytest.approx(sum(one.optimal_snr_squared.real for one in snrs), rel=1e-10)


def test_a_subclass_is_asked_itself(problem_hl) -> None:
    likelihood, _ = problem_hl
    own = Own(likelihood.interferometers, likelihood.waveform_generator)
    row = dict(likelihood.injection_parameters)
    assert InnerProducts(likelihood).plain
    assert not InnerProducts(own).plain
    np.testing.assert_allclose(InnerProducts(own)(row), InnerProducts(likelihood)(row), rtol=1e-10)
    assert has_own_frequencies(likelihood)
    assert not has_own_frequencies(own)
    assert not has_own_frequencies(object())


def test_products_of_single_polarisations_add_up(problem_hl) -> None:
    likelihood, _ = problem_hl
    interferometer = likelihood.interferometers[0]
    waves = likelihood.waveform_generator.frequency_domain_strain(dict(likelihood.injection_parameters))
    modes = [waves["plus"], waves["cross"]]
    terms, products = Projection(interferometer).of_series(modes)
    mask = interferometer.frequency_mask
    weight = noise_weight(interferometer, mask)
    for row, mode in enumerate(modes):
        by_hand = np.sum(mode[mask].conj() * interferometer.frequency_domain_strain[mask] * weight)
        assert terms[row].sum() == pytest.approx(by_hand, rel=1e-10)
        assert products[row, row].real == pytest.approx(np.sum(np.abs(mode[mask]) ** 2 * weight), rel=1e-10)


class FailingGenerator:
    duration = 1.0

    def __init__(self, result: Callable[[], dict | None]) -> None:
        self.result = result

    def frequency_domain_strain(self, parameters: dict) -> dict | None:
        return self.result()


@pytest.mark.parametrize("value", [None, np.nan], ids=["no waveform", "not a number"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_failed_waveform_has_no_inner_products(problem_5d, value):
    likelihood = problem_5d[0]
    series = np.full(513, value, dtype=complex) if value is not None else None
    strain = None if series is None else {"plus": series, "cross": series}
    failing = GravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator)
    failing.waveform_generator = FailingGenerator(lambda: strain)
    assert InnerProducts(failing)(dict(likelihood.injection_parameters)) is None
