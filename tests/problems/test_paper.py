"""The paper's problems: geometry, priors, injections, and agreement with PyCBC."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.core.utils import random as bilby_random
from bilby.gw.detector import PowerSpectralDensity, get_empty_interferometer

from bilby_flowpe.errors import ProblemError
from bilby_flowpe.problems import (
    DURATION,
    MINIMUM_FREQUENCY,
    PSD_FILE,
    SAMPLING_FREQUENCY,
    START_TIME,
    green2020,
    green2020_priors,
    overhead,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FIVE = ["mass_1", "mass_2", "luminosity_distance", "geocent_time", "phase"]
EIGHT = [*FIVE, "chi_1", "chi_2", "theta_jn"]
FREQUENCIES = np.arange(int(DURATION * SAMPLING_FREQUENCY / 2) + 1) / DURATION


@pytest.fixture(scope="module", params=[5, 8])
def problem(request):
    likelihood, priors = green2020(request.param, seed=1)
    return request.param, likelihood, priors


def valid_injection(priors):
    """A signal in the middle of the prior, search parameters alone."""
    middle = {key: priors[key].rescale(0.5) for key in priors.non_fixed_keys}
    return {**middle, "mass_1": 60.0, "mass_2": 50.0}


def draw(priors, size):
    """Draws of the constrained prior; Bilby's global generator is put back afterwards."""
    state = bilby_random.rng.bit_generator.state
    try:
        return priors.sample(size)
    finally:
        bilby_random.rng.bit_generator.state = state


def detector_response(likelihood, parameters):
    polarisations = likelihood.waveform_generator.frequency_domain_strain(parameters)
    return likelihood.interferometers[0].get_detector_response(polarisations, parameters)


def interpolation_bound(table):
    """Largest relative error of interpolating ``table``, per frequency bin.

    Two interpolations that pass through the same table and do not overshoot both stay between the neighbouring entries,
    so that they differ by no more than the step between these. (The entries around are taken in as well, since two
    copies of a table may be rounded to different digits.)
    """
    above = np.searchsorted(table.frequency_array, FREQUENCIES)
    index = np.clip(above[:, None] + np.arange(-2, 2), 0, len(table.frequency_array) - 1)
    values = table.psd_array[index]
    return values.max(axis=1) / values.min(axis=1) - 1


@pytest.mark.parametrize("detector", ["H1", "L1", "V1"])
def test_the_detector_sees_the_plus_polarisation_alone_over_the_whole_time_window(detector):
    interferometer = get_empty_interferometer(detector)
    sky = overhead(interferometer, START_TIME + 0.75)
    for time in START_TIME + np.linspace(0.65, 0.85, 21):
        plus, cross = (
            interferometer.antenna_response(sky["ra"], sky["dec"], time, sky["psi"], m) for m in ("plus", "cross")
        )
        assert abs(plus - 1) < 1e-3
        assert abs(cross) < 1e-3


def test_search_parameters_are_the_papers(problem):
    parameters, _, priors = problem
    assert sorted(priors.non_fixed_keys) == sorted(FIVE if parameters == 5 else EIGHT)


def test_every_draw_has_the_heavier_mass_first_and_merges_inside_the_window(problem):
    _, likelihood, priors = problem
    interferometer = likelihood.interferometers[0]
    draws = draw(priors, 2000)
    assert np.all(draws["mass_1"] >= draws["mass_2"])
    assert draws["mass_2"].min() >= 35
    assert draws["mass_1"].max() <= 80
    ra, dec = (float(priors[key].peak) for key in ("ra", "dec"))
    at_detector = [t - START_TIME + interferometer.time_delay_from_geocenter(ra, dec, t) for t in draws["geocent_time"]]
    # The delay changes by less than a microsecond as the Earth turns during the window.
    assert 0.65 - 1e-6 <= min(at_detector) < 0.66
    assert 0.84 < max(at_detector) <= 0.85 + 1e-6


def test_distance_is_volumetric_and_inclination_isotropic():
    _, priors = green2020(8, seed=1)
    level = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(priors["luminosity_distance"].rescale(level) ** 3, 1e9 + level * 26e9, rtol=1e-12)
    np.testing.assert_allclose(np.cos(priors["theta_jn"].rescale(level)), 1 - 2 * level, atol=1e-12)


def test_the_injection_drawn_is_complete_and_inside_the_prior(problem):
    _, likelihood, priors = problem
    injection = likelihood.injection_parameters
    assert set(injection) == {*priors.non_fixed_keys, *priors.fixed_keys}
    assert np.isfinite(priors.ln_prob({key: injection[key] for key in priors.non_fixed_keys}))
    assert np.all(priors.evaluate_constraints(dict(injection)))
    assert np.isfinite(likelihood.log_likelihood_ratio(injection))


def test_the_injection_given_is_kept_and_injected(problem):
    parameters, _, priors = problem
    given = valid_injection(priors)
    likelihood, _ = green2020(parameters, injection=given, seed=3)
    assert {key: likelihood.injection_parameters[key] for key in given} == given
    likelihood_again, _ = green2020(parameters, injection=likelihood.injection_parameters, seed=3)
    assert likelihood_again.injection_parameters == likelihood.injection_parameters
    # Same seed, another signal: what differs between the two data sets is the two signals.
    other, _ = green2020(parameters, injection={**given, "phase": 1.0}, seed=3)
    difference = strain(likelihood) - strain(other)
    signals = [detector_response(x, x.injection_parameters) for x in (likelihood, other)]
    np.testing.assert_allclose(difference, signals[0] - signals[1], atol=1e-12 * np.abs(signals[0]).max())


def strain(likelihood):
    return likelihood.interferometers[0].frequency_domain_strain


def test_same_seed_same_data_and_the_global_generators_are_left_alone():
    before = bilby_random.rng.bit_generator.state, np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two, other = (green2020(8, seed=seed)[0] for seed in (7, 7, 8))
    after = bilby_random.rng.bit_generator.state, np.random.get_state()[1].tolist()  # noqa: NPY002
    assert before == after
    assert one.injection_parameters == two.injection_parameters
    np.testing.assert_array_equal(strain(one), strain(two))
    assert one.injection_parameters != other.injection_parameters
    assert not np.array_equal(strain(one), strain(other))


@pytest.mark.training
def test_the_noise_is_white_once_divided_by_the_noise_curve():
    given = valid_injection(green2020(5, seed=0)[1])
    noise = []
    for seed in range(40):
        likelihood, _ = green2020(5, injection=given, seed=seed)
        interferometer = likelihood.interferometers[0]
        residual = strain(likelihood) - detector_response(likelihood, likelihood.injection_parameters)
        band = interferometer.frequency_mask.copy()
        band[-1] = False  # the Nyquist bin is left without noise
        whitened = (residual / interferometer.amplitude_spectral_density_array)[band] * 2 / DURATION**0.5
        noise.append(np.concatenate([whitened.real, whitened.imag]))
    noise = np.concatenate(noise)
    assert abs(noise.mean()) < 5 / len(noise) ** 0.5
    assert abs(noise.var() - 1) < 5 * (2 / len(noise)) ** 0.5


@pytest.mark.parametrize("value", [6, 0, None, "5"])
def test_another_number_of_parameters_is_refused(value):
    with pytest.raises(ProblemError, match=f"parameters={value!r}"):
        green2020(value)
    with pytest.raises(ProblemError, match=f"parameters={value!r}"):
        green2020_priors(value, get_empty_interferometer("H1"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"phase": None}, ["phase"]),
        ({"chirp_mass": 30.0}, ["chirp_mass", "30.0"]),
        ({"mass_1": 81.0}, ["mass_1", "81.0"]),
        ({"luminosity_distance": float("nan")}, ["luminosity_distance", "nan"]),
        ({"geocent_time": START_TIME}, ["geocent_time", str(START_TIME)]),
        ({"mass_1": 40.0, "mass_2": 50.0}, ["mass_1", "40.0", "mass_2", "50.0"]),
        ({"theta_jn": 0.3}, ["theta_jn", "0.3"]),
        ({"ra": 0.1}, ["ra", "0.1"]),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_a_bad_injection_is_refused_by_name_and_value(change, named):
    _, priors = green2020(5, seed=1)
    injection = {key: value for key, value in {**valid_injection(priors), **change}.items() if value is not None}
    with pytest.raises(ProblemError) as error:
        green2020(5, injection=injection)
    for text in named:
        assert text in str(error.value)


class TestPyCBC:
    """PyCBC's noise curves, norm and matched filter as referees."""

    @pytest.fixture(scope="class")
    def pycbc_psd(self):
        psd = pytest.importorskip("pycbc.psd")
        return lambda name: psd.from_string(name, len(FREQUENCIES), 1 / DURATION, MINIMUM_FREQUENCY)

    @pytest.fixture(scope="class")
    def bilby_psd(self):
        return PowerSpectralDensity(psd_file=PSD_FILE)

    def test_noise_curve_is_pycbcs_table(self, pycbc_psd, bilby_psd):
        # Measured: below 2e-5, except for 477 to 482 Hz on a suspension line (2.5e-2 at 481 Hz).
        band = (FREQUENCIES >= MINIMUM_FREQUENCY) & (FREQUENCIES < SAMPLING_FREQUENCY / 2)
        ours = bilby_psd.get_power_spectral_density_array(FREQUENCIES)
        theirs = pycbc_psd("aLIGOZeroDetHighPowerGWINC").numpy()
        difference = np.abs(ours[band] / theirs[band] - 1)
        assert np.all(difference <= interpolation_bound(bilby_psd)[band])
        assert np.median(difference) < 1e-5

    def test_pycbcs_analytic_model_of_the_curve_is_close_but_another_one(self, pycbc_psd, bilby_psd):
        # The name without GWINC is an analytic fit: measured -14.5% at 20 Hz, +4.4% at 100 Hz, no lines.
        ours, theirs = (
            bilby_psd.get_power_spectral_density_array(FREQUENCIES),
            pycbc_psd("aLIGOZeroDetHighPower").numpy(),
        )
        difference = ours[20:450] / theirs[20:450] - 1
        assert np.median(np.abs(difference)) < 0.08
        assert difference[0] == pytest.approx(-0.145, abs=0.005)

    @pytest.fixture(scope="class")
    def signal(self):
        """An eight-parameter likelihood and the same signal by PyCBC, plus polarisation, merging at the right time."""
        waveform = pytest.importorskip("pycbc.waveform")
        likelihood, _ = green2020(8, seed=5)
        true = likelihood.injection_parameters
        plus, _ = waveform.get_fd_waveform(
            approximant="IMRPhenomPv2",
            mass1=true["mass_1"],
            mass2=true["mass_2"],
            spin1z=true["chi_1"],
            spin2z=true["chi_2"],
            distance=true["luminosity_distance"],
            inclination=true["theta_jn"],
            coa_phase=true["phase"],
            f_ref=20.0,
            f_lower=MINIMUM_FREQUENCY,
            f_final=SAMPLING_FREQUENCY / 2,
            delta_f=1 / DURATION,
        )
        delay = likelihood.interferometers[0].time_delay_from_geocenter(true["ra"], true["dec"], true["geocent_time"])
        time = true["geocent_time"] - START_TIME + delay
        template = plus.copy()
        template.data[:] *= np.exp(-2j * np.pi * FREQUENCIES * time)
        return likelihood, template

    # The two differ by F+ (1 to 1e-6), the interpolation of the noise curve and PyCBC leaving out the Nyquist bin.
    TOLERANCE = 1e-5

    def test_optimal_snr_is_pycbcs_sigma(self, pycbc_psd, signal):
        from pycbc.filter import sigma

        likelihood, template = signal
        response = detector_response(likelihood, likelihood.injection_parameters)
        ours = likelihood.interferometers[0].optimal_snr_squared(response).real ** 0.5
        theirs = sigma(template, psd=pycbc_psd("aLIGOZeroDetHighPowerGWINC"), low_frequency_cutoff=MINIMUM_FREQUENCY)
        assert ours == pytest.approx(theirs, rel=self.TOLERANCE)

    def test_matched_filter_snr_is_pycbcs(self, pycbc_psd, signal):
        from pycbc.filter import matched_filter
        from pycbc.types import FrequencySeries

        likelihood, template = signal
        data = FrequencySeries(strain(likelihood), delta_f=1 / DURATION)
        series = matched_filter(
            template, data, psd=pycbc_psd("aLIGOZeroDetHighPowerGWINC"), low_frequency_cutoff=MINIMUM_FREQUENCY
        )
        response = detector_response(likelihood, likelihood.injection_parameters)
        ours = likelihood.interferometers[0].matched_filter_snr(response)
        # The template sits at the time of the signal already: no shift, and the phase agrees as well.
        assert ours == pytest.approx(series[0], rel=self.TOLERANCE)
        assert abs(series[0]) > 0.9 * np.abs(series.numpy()).max()
