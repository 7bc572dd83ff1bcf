"""The statistic of a search: by hand from whole waves, on short data and on long ones that are filtered in pieces."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bilby.core.prior import Cosine, PowerLaw, Sine, Uniform
from bilby.gw.detector import InterferometerList
from bilby.gw.likelihood import GravitationalWaveTransient
from bilby.gw.prior import BBHPriorDict
from bilby.gw.source import lal_binary_black_hole
from bilby.gw.waveform_generator import WaveformGenerator

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.coarse import matches, search
from bilby_flowpe.waves.coarse.metric import metric_of
from bilby_flowpe.waves.coarse.search import Found
from bilby_flowpe.waves.detectors import Detector, light_travel_time
from bilby_flowpe.waves.matched_filter import MatchedFilters
from tests.banks import searched as short

START, DURATION = 1187008860.0, 32.0
WINDOW = START + DURATION - 2.3, START + DURATION - 1.7
BAND = 32.0, 300.0  # Hz: the signal is 21 s long
SIGNAL = {
    "chirp_mass": 1.2, "mass_ratio": 0.8, "chi_1": 0.02, "chi_2": 0.01, "luminosity_distance": 60.0, "theta_jn": 0.4,
    "phase": 1.3, "psi": 0.4, "ra": 3.4, "dec": -0.4, "geocent_time": START + DURATION - 2,
}  # fmt: skip


def by_hand(likelihood, row: dict[str, float], window: tuple[float, float]) -> float:
    """Compute from whole waves the best pair of times that light allows, within the window at the geocentre and its reach."""
    filters = MatchedFilters(likelihood)
    wave = likelihood.waveform_generator.frequency_domain_strain({**row, "theta_jn": 0.0, "phase": 0.0})
    series, norms = filters(wave, np.arange(filters.size))
    times = filters.start + np.arange(filters.size) * filters.spacing
    inside = (times > window[0] - 0.022) & (times < window[1] + 0.022)
    powers = np.abs(series[:, 0, inside]) ** 2 / (2 * norms[:, 0, 0, None])
    first, second = (Detector.from_interferometer(ifo) for ifo in likelihood.interferometers)
    apart = np.abs(times[inside][:, None] - times[inside]) <= light_travel_time(first, second) + filters.spacing
    return float(np.max(np.where(apart, powers[0][:, None] + powers[1], 0)))


@cache
def neutron_stars(half_width: float) -> tuple[GravitationalWaveTransient, PriorTransform]:
    """A light binary in two detectors, with a chirp mass known to so many solar masses."""
    rng = np.random.default_rng(7)
    generator = WaveformGenerator(
        duration=DURATION,
        sampling_frequency=1024.0,
        start_time=START,
        frequency_domain_source_model=lal_binary_black_hole,
        waveform_arguments={
            "waveform_approximant": "IMRPhenomXAS", "reference_frequency": 50.0, "minimum_frequency": BAND[0],
            "maximum_frequency": BAND[1],
        },
    )  # fmt: skip
    interferometers = InterferometerList(["H1", "L1"])
    for interferometer in interferometers:
        interferometer.minimum_frequency, interferometer.maximum_frequency = BAND
        size = int(DURATION * 512) + 1
        asd = interferometer.power_spectral_density.get_power_spectral_density_array(np.arange(size) / DURATION) ** 0.5
        asd[~np.isfinite(asd)] = 0
        strain = (rng.standard_normal(size) + 1j * rng.standard_normal(size)) * asd * np.sqrt(DURATION / 4)
        interferometer.set_strain_data_from_frequency_domain_strain(
            strain, sampling_frequency=1024.0, duration=DURATION, start_time=START
        )
    interferometers.inject_signal(parameters=dict(SIGNAL), waveform_generator=generator, raise_error=False)
    ends = SIGNAL["chirp_mass"] - half_width, SIGNAL["chirp_mass"] + half_width
    priors = BBHPriorDict(
        dictionary={
            "chirp_mass": Uniform(*ends), "mass_ratio": Uniform(0.25, 1), "chi_1": Uniform(-0.05, 0.05),
            "chi_2": Uniform(-0.05, 0.05), "luminosity_distance": PowerLaw(2, 10, 300), "theta_jn": Sine(),
            "phase": Uniform(0, 2 * np.pi), "psi": Uniform(0, np.pi), "ra": Uniform(0, 2 * np.pi), "dec": Cosine(),
            "geocent_time": Uniform(*WINDOW),
        }
    )  # fmt: skip
    return GravitationalWaveTransient(interferometers, generator), PriorTransform(priors)


@cache
def searched(half_width: float, draws: int | None) -> Found:
    likelihood, transform = neutron_stars(half_width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_POWER_OF_LONG", 1.0)  # as waves by hand have it
        if draws is not None:
            patch.setattr(matches, "_PLANTED", 20)
        return search.find_reference(likelihood, transform, (2,), WINDOW, np.random.default_rng(3), draws=draws)


@pytest.fixture(scope="module")
def long() -> Found:
    return searched(0.003, 100)


def test_pieces_of_data_are_filtered_as_all_of_them(long) -> None:
    likelihood, transform = neutron_stars(0.003)
    assert long.bank is not None
    assert long.bank.stages[-1].statistic.shortens
    best = int(np.argmax(long.log_ratios))
    assert best >= 100  # of the rounds
    for number in (0, 1, best):
        row = {**transform.fixed, **{key: float(column[number]) for key, column in long.columns.items()}}
        # What is beyond the cut has 1.5e-3 of the root of the statistic's power at most; splines and times as for short data.
        expected = by_hand(likelihood, row, WINDOW)
        assert long.log_ratios[number] == pytest.approx(expected, abs=0.02 * expected + 0.2)


def test_short_data_are_taken_as_they_are() -> None:
    bank = short()[0].bank
    assert bank is not None
    assert not bank.stages[-1].statistic.shortens


def test_the_rounds_end_near_the_top(long) -> None:
    """No other row near the best one, at any distance, is much better."""
    _, transform = neutron_stars(0.003)
    assert long.bank is not None
    rng = np.random.default_rng(9)
    keys = ("chirp_mass", "mass_ratio", "chi_1", "chi_2")
    steps = 10.0 ** rng.uniform(-5, -1, (400, 1)) * rng.standard_normal((400, len(keys)))
    columns = {key: np.full(400, long.reference[key]) for key in transform.keys}
    columns |= {key: columns[key] * (1 + step) for key, step in zip(keys, steps.T, strict=True)}
    inside = transform.satisfies(columns) & np.isfinite(transform.log_prob(columns))
    others = long.bank.ratios({key: column[inside] for key, column in columns.items()})
    assert others.max() < long.log_ratio + 1.0
    assert long.log_ratio > long.bank.ratios({key: np.array([SIGNAL[key]]) for key in transform.keys})[0]


def test_the_metric_is_the_loss_of_power(long) -> None:
    likelihood, transform = neutron_stars(0.003)
    assert long.bank is not None
    keys = ("chirp_mass", "mass_ratio", "chi_1")
    steps = np.array([1e-5, 1e-3, 1e-3])
    # Near equal masses a step in their ratio is hardly one of the wave.
    place = {**SIGNAL, "mass_ratio": 0.5}
    rows = {key: np.full(4, place[key]) for key in transform.keys}
    for index, key in enumerate(keys):
        rows[key][1 + index] += steps[index]
    metric = metric_of(long.bank.stages[-1].drawn(rows), steps)
    assert metric is not None
    filters = MatchedFilters(likelihood)
    others = filters._projections
    make = likelihood.waveform_generator.frequency_domain_strain
    at = {**place, "theta_jn": 0.0, "phase": 0.0}
    # Steps of two thousandths of the power: to second order the loss is the metric's.
    for direction in (np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0.001, 0.3, 0.1])):
        step = direction * np.sqrt(0.002 / (direction @ metric @ direction))
        near = {**at, **{key: at[key] + one for key, one in zip(keys, step, strict=True)}}
        whole, other = make(at)["plus"], make(near)["plus"]
        spectrum = np.zeros(32 * filters.size, dtype=complex)  # times as dense as that
        norms = np.zeros(2)
        for projection in others:
            inside = projection.bins
            spectrum[inside] += projection.weights * whole[inside].conj() * other[inside]
            norms += [np.sum(projection.weights * np.abs(one[inside]) ** 2) for one in (whole, other)]
        found = np.max(np.abs(np.fft.ifft(spectrum, norm="forward"))) ** 2 / np.prod(norms)
        assert 1 - found == pytest.approx(0.002, rel=0.1)


@pytest.mark.slow
def test_a_signal_of_a_wide_prior_is_found_from_high_to_low_frequencies() -> None:
    found = searched(0.5, None)
    assert found.bank is not None
    assert len(found.bank.stages) > 1
    assert found.bank.stages[0].lowest > BAND[0] == found.bank.stages[-1].lowest
    narrow = searched(0.003, 100)
    assert found.log_ratio > narrow.log_ratio - 2
    assert abs(found.reference["chirp_mass"] - SIGNAL["chirp_mass"]) < 1e-3
    # What templates are not filtered at is not found.
    assert np.all(found.bank.matched.power < 1)
    assert np.all(found.bank.matched.found < found.bank.matched.matches)
