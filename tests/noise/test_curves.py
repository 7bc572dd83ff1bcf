"""Notches and factors: of the data given, in one measure, and of what is given nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.kinds.recognise import is_plain
from bilby_flowpe.noise import ScaledNoiseTransient, UncertainScaleTransient, notched, scaled

from .shared import SIGNAL, detectors, generator


def test_a_notch_leaves_bins_out_of_signal_and_noise() -> None:
    ifos = detectors()
    whole = GravitationalWaveTransient(ifos, generator())
    before = whole.noise_log_likelihood(), whole.log_likelihood_ratio(SIGNAL)
    without = GravitationalWaveTransient(notched(ifos, {"L1": [(100, 120)]}), generator())
    assert is_plain(without)
    chosen = ifos[1].frequency_mask & ~without.interferometers[1].frequency_mask
    assert np.sum(chosen) == 41
    lost = np.sum(
        2 * np.abs(ifos[1].frequency_domain_strain) ** 2 / ifos[1].power_spectral_density_array / 2, where=chosen
    )
    assert without.noise_log_likelihood() - before[0] == pytest.approx(lost, rel=1e-9)
    again = GravitationalWaveTransient(ifos, generator())
    assert (again.noise_log_likelihood(), again.log_likelihood_ratio(SIGNAL)) == before
    # A second notch is beside the first.
    twice = notched(without.interferometers, [(50, 60)])
    assert [len(ifo.strain_data.notch_list) for ifo in twice] == [1, 2]


def test_factors_keep_the_measure() -> None:
    """The density of the data under both curves: Bilby's values, and the normalisation of a Gaussian of each curve."""
    ifos = detectors()
    for factors in (1.0, 1.3, {"H1": 0.8, "L1": 1.7}):
        ours = ScaledNoiseTransient(ifos, generator(), factors)
        values = dict.fromkeys(("H1", "L1"), factors) if isinstance(factors, float) else factors
        expected = 0.0
        for ifo in ifos:
            x = ifo.frequency_domain_strain[ifo.frequency_mask]
            variance = ifo.power_spectral_density_array[ifo.frequency_mask] * ifo.duration / 4
            s = values[ifo.name]
            expected += np.sum(-(np.abs(x) ** 2) / (2 * s * variance) - np.log(s))
        assert ours.noise_log_likelihood() == pytest.approx(expected, rel=1e-10)
        plain = GravitationalWaveTransient(scaled(ifos, factors), generator())
        assert ours.log_likelihood_ratio(SIGNAL) == pytest.approx(plain.log_likelihood_ratio(SIGNAL), rel=1e-10)


def test_a_narrow_prior_is_a_known_factor() -> None:
    ifos = detectors(window=0.9)
    known = ScaledNoiseTransient(ifos, generator(), 1.0)
    free = UncertainScaleTransient(ifos, generator(), spread=1e-5)
    assert free.noise_log_likelihood() == pytest.approx(known.noise_log_likelihood(), abs=1e-3)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda ifos: notched(ifos, [(60, 50)]), "the lower first"),
        (lambda ifos: notched(ifos, {"V1": [(50, 60)]}), "V1"),
        (lambda ifos: notched(ifos, [(1, 4000)]), "no data are left"),
        (lambda ifos: scaled(ifos, -1), "factors"),
        (lambda ifos: scaled(ifos, {"H1": 1.0}), r"\['L1'\]"),
    ],
)
def test_bad_arguments(make, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        make(detectors())
