"""Likelihoods with a noise model: their limits, their measure, the window, and what they do not take."""

from __future__ import annotations

import inspect
import pickle

import bilby
import numpy as np
import pytest
from bilby.gw.likelihood import GravitationalWaveTransient
from gwpy.timeseries import TimeSeries

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.noise import (
    EstimatedCurveTransient,
    HyperbolicTransient,
    ScaledNoiseTransient,
    StudentTTransient,
    UncertainScaleTransient,
)
from bilby_flowpe.noise.densities import StudentT
from bilby_flowpe.waves.windows import data_mask

from .shared import RATE, SIGNAL, START, detectors, generator

NEARLY_GAUSSIAN = {
    "student t": lambda ifos, waves: StudentTTransient(ifos, waves, nu=1e9),
    "hyperbolic": lambda ifos, waves: HyperbolicTransient(ifos, waves, shape=1e9),
    "mean": lambda ifos, waves: EstimatedCurveTransient(ifos, waves, 1e8, "mean"),
    "median": lambda ifos, waves: EstimatedCurveTransient(ifos, waves, 1e8, "median"),
    "scale": lambda ifos, waves: UncertainScaleTransient(ifos, waves, spread=1e-4),
}


@pytest.mark.parametrize("window", [1.0, 0.875])
@pytest.mark.parametrize("make", NEARLY_GAUSSIAN.values(), ids=NEARLY_GAUSSIAN)
def test_in_the_limit_values_are_bilbys(make, window: float) -> None:
    """Values agree for noise alone and for signals, whichever window the data have."""
    ifos = detectors(window=window)
    plain, ours = GravitationalWaveTransient(ifos, generator()), make(ifos, generator())
    assert ours.noise_log_likelihood() == pytest.approx(plain.noise_log_likelihood(), abs=2e-3)
    for distance in (500.0, 2000.0):
        row = {**SIGNAL, "luminosity_distance": distance}
        before = dict(row)
        assert ours.log_likelihood_ratio(row) == pytest.approx(plain.log_likelihood_ratio(row), abs=2e-3)
        assert row == before
        assert ours.log_likelihood(row) == pytest.approx(plain.log_likelihood(row), abs=3e-3)


@pytest.mark.parametrize("make", NEARLY_GAUSSIAN.values(), ids=NEARLY_GAUSSIAN)
def test_the_window_of_a_series_that_was_not_yet_transformed(make) -> None:
    """Bilby knows the window's factor once it has transformed the data; who makes the first likelihood has the same values."""
    found = []
    for transformed in (False, True):
        ifos = detectors()
        for ifo in ifos:
            series = np.fft.irfft(ifo.strain_data.frequency_domain_strain)
            ifo.set_strain_data_from_gwpy_timeseries(TimeSeries(series * RATE, sample_rate=RATE, t0=START))
        if transformed:
            assert all(ifo.frequency_domain_strain is not None for ifo in ifos)
        found.append(make(ifos, generator()))
    assert found[0]._whitened[0].weight == found[1]._whitened[0].weight < 0.95
    assert found[0].noise_log_likelihood() == found[1].noise_log_likelihood()


def test_values_are_sums_of_densities_of_what_a_signal_leaves() -> None:
    """Compute the value from Bilby's own response and curve, bin by bin."""
    ifos = detectors()
    ours = StudentTTransient(ifos, generator(), nu=5)
    waves = generator().frequency_domain_strain(dict(SIGNAL))
    total = 0.0
    for ifo in ifos:
        mask = data_mask(ifo)
        left = (ifo.frequency_domain_strain - ifo.get_detector_response(waves, SIGNAL))[mask]
        half_power = 2 * np.abs(left) ** 2 / (ifo.duration * ifo.power_spectral_density_array[mask])
        total += StudentT(5.0).log_density(half_power).sum()
    assert ours.log_likelihood(SIGNAL) == pytest.approx(total, rel=1e-10)
    by_detector = ours.compute_per_detector_log_likelihood(dict(SIGNAL))
    sums = by_detector["H1_log_likelihood"] + by_detector["L1_log_likelihood"]
    assert sums == pytest.approx(ours.log_likelihood_ratio(SIGNAL), rel=1e-9)


def test_parameters_may_be_held_by_the_likelihood() -> None:
    """Parameters may be stored in the likelihood, as by Bilby's older samplers."""
    ours = StudentTTransient(detectors(), generator(), nu=5)
    value = ours.log_likelihood_ratio(SIGNAL)
    ours.parameters = dict(SIGNAL)
    assert ours.log_likelihood_ratio() == value
    assert pickle.loads(pickle.dumps(ours)).log_likelihood_ratio(SIGNAL) == value


@pytest.mark.parametrize(
    "kind",
    [StudentTTransient, HyperbolicTransient, EstimatedCurveTransient, UncertainScaleTransient, ScaledNoiseTransient],
)
def test_constructors_name_what_bilby_pipe_hands_over(kind: type) -> None:
    """It looks at the names, and leaves out the rest without a word: a frame, say."""
    names = inspect.getfullargspec(kind.__init__).args
    assert {"interferometers", "waveform_generator", "priors", "reference_frame", "time_reference"} <= {*names}
    assert "phase_marginalization" in names
    assert len({*names}) == len(names)


@pytest.mark.parametrize("flag", ["phase", "distance", "time", "calibration"])
def test_marginalisations_are_refused_with_the_way_out(flag: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{flag}_marginalization=True.*leave {flag}_marginalization out"):
        StudentTTransient(detectors(), generator(), **{f"{flag}_marginalization": True})


@pytest.mark.parametrize("make", list(NEARLY_GAUSSIAN.values())[:-1], ids=list(NEARLY_GAUSSIAN)[:-1])
def test_in_the_limit_the_power_left_is_that_of_the_plain_likelihood(make) -> None:
    from bilby_flowpe.waves.residual import residual_of

    ifos = detectors()
    plain, ours = GravitationalWaveTransient(ifos, generator()), make(ifos, generator())
    assert ours.power_left(SIGNAL) == pytest.approx(residual_of(plain, plain.log_likelihood_ratio(SIGNAL)), abs=1e-3)


def test_power_left_is_standard_normal_in_noise_of_its_own_kind_and_not_in_another() -> None:
    """Student-t noise of 4 degrees of freedom: expected of its own likelihood, far off for the Gaussian one."""
    ifos = detectors(noise=StudentT(4.0))
    found = [
        StudentTTransient(detectors(noise=StudentT(4.0), seed=seed), generator(), nu=4).power_left(SIGNAL)
        for seed in range(30)
    ]
    assert abs(np.mean(found)) < 4 / np.sqrt(30)
    assert 0.6 < np.std(found) < 1.5
    assert StudentTTransient(ifos, generator(), nu=1e6).power_left(SIGNAL) > 10


def test_bilbys_conversion_takes_them() -> None:
    """Signal-to-noise ratios of rows, as ``generate_all_bbh_parameters`` asks a likelihood for them."""
    ours = StudentTTransient(detectors(), generator(), nu=5)
    converted = bilby.gw.conversion.generate_all_bbh_parameters(dict(SIGNAL), likelihood=ours, priors=None)
    assert converted["H1_optimal_snr"] > 0


def test_slopes_of_gaussian_noise_are_one_and_of_others_those_of_calculus() -> None:
    u = np.array([0.0, 0.3, 2.0, 50.0])
    student = StudentTTransient(detectors(), generator(), nu=4.0)
    np.testing.assert_allclose(student.slope(u, 0), 1.5 / (1 + u / 2), rtol=2e-3)
    hyperbolic = HyperbolicTransient(detectors(), generator(), shape=3.0)
    np.testing.assert_allclose(hyperbolic.slope(u, 0), 1 / np.sqrt(1 + 2 * u / 3), rtol=2e-3)
    np.testing.assert_allclose(StudentTTransient(detectors(), generator(), nu=1e9).slope(u, 0), 1, rtol=1e-5)


@pytest.mark.parametrize("window", [1.0, 0.875])
def test_near_a_signal_the_plain_likelihood_of_other_curves_is_nearly_this_one(window: float) -> None:
    """In Student-t noise of few degrees of freedom, the log likelihoods near the signal differ less with other curves."""
    ifos = detectors(noise=StudentT(4.0), window=window)
    ours = StudentTTransient(ifos, generator(), nu=4.0)
    near = GravitationalWaveTransient(ours.curves_near(SIGNAL), generator())
    plain = GravitationalWaveTransient(ifos, generator())
    rng = np.random.default_rng(1)
    rows = [
        {**SIGNAL, "chirp_mass": 30 + 0.5 * x, "geocent_time": SIGNAL["geocent_time"] + 0.0005 * y}
        for x, y in rng.normal(size=(30, 2))
    ]
    wanted = np.array([ours.log_likelihood_ratio(row) for row in rows])
    off = {
        name: np.std(np.array([likelihood.log_likelihood_ratio(row) for row in rows]) - wanted)
        for name, likelihood in (("near", near), ("plain", plain))
    }
    assert off["near"] < 0.5 * off["plain"]
    assert off["near"] < 0.3 * np.std(wanted)
    # Data and curves given stay as they were.
    assert StudentTTransient(ifos, generator(), nu=4.0).log_likelihood_ratio(SIGNAL) == ours.log_likelihood_ratio(
        SIGNAL
    )
