"""The end of a long signal from a few frequencies, against Bilby's waves on all of them."""

from __future__ import annotations

import bilby
import numpy as np
import pytest

from bilby_flowpe.waves.excerpt import AFTER, BEFORE, Excerpt, Window, window_of
from bilby_flowpe.waves.waveforms import responses, waveform
from bilby_flowpe.waves.whitening import whitened

END = 1187008882.4
RATE = 1024.0
ROW = {
    "mass_1": 1.5, "mass_2": 1.3, "chi_1": 0.02, "chi_2": -0.01, "lambda_1": 400.0, "lambda_2": 300.0, "phase": 1.0,
    "luminosity_distance": 20.0, "theta_jn": 0.4, "psi": 0.3, "ra": 1.0, "dec": 0.2, "geocent_time": END,
}  # fmt: skip


def long_problem(duration: float = 64.0, model=bilby.gw.source.lal_binary_neutron_star):
    """Two detectors without noise, and a binary of neutron stars that takes 40 s from 36 Hz on."""
    detectors = bilby.gw.detector.InterferometerList(["H1", "L1"])
    for detector in detectors:
        detector.minimum_frequency, detector.maximum_frequency = 36.0, 500.0
    detectors.set_strain_data_from_zero_noise(RATE, duration, END - duration + 2)
    generator = bilby.gw.WaveformGenerator(
        duration=duration,
        sampling_frequency=RATE,
        start_time=END - duration + 2,
        frequency_domain_source_model=model,
        parameter_conversion=bilby.gw.conversion.convert_to_lal_binary_neutron_star_parameters,
        waveform_arguments={
            "waveform_approximant": "TaylorF2",
            "reference_frequency": 36.0,
            "minimum_frequency": 36.0,
            "maximum_frequency": 500.0,
        },
    )
    return bilby.gw.GravitationalWaveTransient(detectors, generator)


@pytest.fixture(scope="module")
def likelihood():
    return long_problem()


@pytest.mark.parametrize("change", [{}, {"geocent_time": END + 0.02, "mass_1": 1.52, "theta_jn": 1.4}])
def test_window_has_the_wave_of_all_frequencies(likelihood, change) -> None:
    """The first row determines which frequencies are left out; values agree to a hundredth of the largest one."""
    row = ROW | change
    window = window_of(likelihood, ROW)
    found = Excerpt.of(likelihood, window, [ROW, row])(row)
    signals = responses(likelihood, waveform(likelihood.waveform_generator, row), row)
    for detector, signal, excerpt in zip(likelihood.interferometers, signals, found, strict=True):
        expected = whitened(detector, signal)[window.samples]
        np.testing.assert_allclose(excerpt, expected, atol=0.01 * np.abs(expected).max())
        times = (np.arange(window.count) + window.first) / RATE + float(detector.start_time)
        assert (
            abs(times[np.argmax(np.abs(excerpt))] - row["geocent_time"]) < 0.1
        )  # the loudest whitened frequencies come a little before the merger


def test_window_is_around_the_end_and_within_the_data(likelihood) -> None:
    window = window_of(likelihood, ROW)
    assert window.count == round((BEFORE + AFTER) * RATE)
    assert window.first == round((62 - BEFORE) * RATE)
    at_the_end = window_of(likelihood, {**ROW, "geocent_time": END + 1.9})
    assert at_the_end.samples.stop == 64 * RATE


def test_short_data_are_kept_whole() -> None:
    likelihood = long_problem(16.0)
    assert window_of(likelihood, ROW) == Window(0, 16 * int(RATE))


def test_none_where_waves_need_all_frequencies() -> None:
    """A model that depends on the spacing of the frequencies is no function of each."""

    def model(frequency_array, mass_1, **kwargs):
        wave = np.exp(1j * np.arange(len(frequency_array)) * mass_1)
        return {"plus": wave, "cross": 1j * wave}

    likelihood = long_problem(model=model)
    assert Excerpt.of(likelihood, window_of(likelihood, ROW), [ROW]) is None
