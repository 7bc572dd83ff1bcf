"""Tests of the matches of templates and waves of the prior, against the definition on all frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.waves.coarse import matches as module
from bilby_flowpe.waves.coarse.matches import Planted
from bilby_flowpe.waves.coarse.models import Reading
from bilby_flowpe.waves.matched_filter import MatchedFilters
from tests.banks import planted, searched
from tests.shared import two_detectors

CLOSE = 0.01  # of a match: inner products at steps of two hertz


@pytest.fixture(scope="module")
def bank():
    found, *_ = searched()
    assert found.bank is not None
    return found.bank


def by_hand(template: dict[str, float], wave: dict[str, float]) -> float:
    """Compute the match from whole waves, at the best phase and time in each detector."""
    likelihood, _ = two_detectors()
    generator = likelihood.waveform_generator
    for interferometer in likelihood.interferometers:
        interferometer.set_strain_data_from_zero_noise(
            sampling_frequency=interferometer.sampling_frequency,
            duration=interferometer.duration,
            start_time=interferometer.start_time,
        )
    likelihood.interferometers.inject_signal(parameters=wave, waveform_generator=generator, raise_error=False)
    power = sum(
        float(
            np.real(one.optimal_snr_squared(one.get_detector_response(generator.frequency_domain_strain(wave), wave)))
        )
        for one in likelihood.interferometers
    )
    filters = MatchedFilters(likelihood)
    face_on = generator.frequency_domain_strain({**template, "theta_jn": 0.0, "phase": 0.0})
    series, norms = filters(face_on, np.arange(filters.size))
    return float(np.sqrt(np.sum(np.max(np.abs(series[:, 0]) ** 2, axis=1) / norms[:, 0, 0]) / power))


def test_matches_are_those_of_whole_waves(bank) -> None:
    _, transform, _ = searched()
    likelihood, _ = two_detectors()
    pair = {key: value[[0, 1]] for key, value in transform.sample(2, np.random.default_rng(11)).items()}
    rows = [{key: float(column[number]) for key, column in pair.items()} for number in range(2)]
    some = {key: column[:1] for key, column in pair.items()}
    detectors = [module.Detector.from_interferometer(one) for one in likelihood.interferometers]
    places = np.array([module._responses(detector, rows[:1]) for detector in detectors]).transpose(2, 0, 1)[:, None]
    one = Planted(
        bank.thinned, bank.waves(some), some, rows[:1], places, Reading(likelihood.waveform_generator),
        np.random.default_rng(1),
    )  # fmt: skip
    assert one.matched(bank.waves(pair)).best[0] == pytest.approx(1, abs=CLOSE)
    others = {key: column[1:] for key, column in pair.items()}
    expected = by_hand(rows[1], rows[0])
    assert expected < 0.99
    matched = one.matched(bank.waves(others))
    assert matched.best[0] == pytest.approx(expected, abs=CLOSE)
    # One place on the sky is no choice, and the loudness is Bilby's.
    assert matched.weights.tolist() == [1.0]
    polarizations = likelihood.waveform_generator.frequency_domain_strain(rows[0])
    power = sum(
        float(np.real(one.optimal_snr_squared(one.get_detector_response(polarizations, rows[0]))))
        for one in likelihood.interferometers
    )
    # Templates go without two per cent of the power.
    assert matched.loudness[0] == pytest.approx(np.sqrt(power) * rows[0]["luminosity_distance"], rel=0.02)


def test_matches_to_parts_of_a_bank_are_those_to_the_whole(bank) -> None:
    found, *_ = searched()
    waves = bank.waves({key: column[:200] for key, column in found.columns.items()})
    whole = planted().matched(waves, count=40)
    parts = planted().matched(waves[:120], count=40).joined(planted().matched(waves[120:], count=40), 120)
    assert parts.candidates.shape == whole.candidates.shape
    # Candidates are chosen by a likeness, the best of them may be another of nearly the same match.
    assert parts.best == pytest.approx(whole.best, abs=1e-3)
    assert np.mean(parts.candidates[:, 0] == whole.candidates[np.arange(40), whole.matches.argmax(axis=1)]) > 0.9


def test_what_is_not_filtered_is_not_found(bank) -> None:
    found, *_ = searched()
    waves = bank.waves({key: column[:100] for key, column in found.columns.items()})
    above = planted().matched(waves, 60.0, 20)
    whole = planted().matched(waves, 0.0, 20)
    assert whole.power == pytest.approx(1)
    assert np.all((above.power > 0) & (above.power < 1))
    assert np.all(above.found <= np.sqrt(above.power)[:, None] * (1 + 1e-5))
    assert above.loudness.tolist() == whole.loudness.tolist()


def test_more_templates_match_better(bank) -> None:
    found, *_ = searched()
    columns = {key: column[: bank.size] for key, column in found.columns.items()}
    waves = bank.waves(columns)
    shares = [planted().matched(waves[:size]).share_below(0.97) for size in (20, 200, bank.size)]
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.05
    weights = planted().matched(waves[:20]).weights
    # One over the density that each was drawn from: they average to one, to a few per cent.
    assert np.mean(weights) == pytest.approx(1, abs=0.15)
