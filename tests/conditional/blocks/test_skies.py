"""Candidates of place and time: their density, held against the prior that they cover."""

from __future__ import annotations

from dataclasses import fields

import lal
import numpy as np
import pytest
from bilby.core.prior import Cosine, Gaussian, TruncatedGaussian, Uniform
from bilby.gw.detector import get_empty_interferometer
from scipy.stats import kstest

from bilby_flowpe.conditional.blocks.arrival_times import interpolated
from bilby_flowpe.conditional.blocks.skies import Skies, SkyBlocks
from bilby_flowpe.names import DEC, RA, TIME
from bilby_flowpe.waves.detectors import Detector, reach_of

START, SPACING = 1126259460.0, 1 / 4096
WINDOW = (START + 1.98, START + 2.02)
ORIGIN = WINDOW[0] - 0.025
STEPS = int((WINDOW[1] - WINDOW[0] + 0.05) / SPACING)
PRIORS = {RA: Uniform(0, 2 * np.pi), DEC: Cosine(), TIME: Uniform(*WINDOW)}
NAMES = {1: ("H1",), 2: ("H1", "L1"), 3: ("L1", "V1", "H1")}


class OfOneRow:
    """Candidates of one row alone."""

    def __init__(self, *arguments) -> None:
        self._blocks = SkyBlocks(*arguments)

    def draw(self, exponents: np.ndarray, size: int, row: dict, rng: np.random.Generator) -> Skies:
        values = {key: np.array([value]) for key, value in row.items()}
        made = self._blocks.draw(exponents[None], size, values, rng)
        return Skies(**{field.name: getattr(made, field.name)[0] for field in fields(made)})


def proposal(names: tuple[str, ...], priors: dict | None = None) -> OfOneRow:
    detectors = tuple(Detector.from_interferometer(get_empty_interferometer(name)) for name in names)
    return OfOneRow(detectors, priors or PRIORS, dict.fromkeys(PRIORS, 0.0), ORIGIN, SPACING)


def bumps(names: tuple[str, ...], height: float) -> np.ndarray:
    """Filter outputs (D, T) that peak where a source at one place would have them."""
    times = np.arange(STEPS) * SPACING
    place = {"ra": np.array([1.2]), "dec": np.array([0.4])}
    rows = []
    for name in names:
        detector = Detector.from_interferometer(get_empty_interferometer(name))
        arrival = START + 2.003 + detector.delay(place["ra"], place["dec"], np.array([START + 2.003]))[0] - ORIGIN
        rows.append(height * np.exp(-0.5 * ((times - arrival) / 4e-4) ** 2))
    return np.array(rows)


def drawn(count: int, height: float, repeats: int = 40) -> tuple[np.ndarray, ...]:
    """Weights, places and times of many candidates."""
    names, rng = NAMES[count], np.random.default_rng(count)
    made = proposal(names)
    pieces = [made.draw(bumps(names, height), 1024, {}, rng) for _ in range(repeats)]
    return tuple(
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("log_ratio", "ra", "dec", "time")
    )


def too_far(weights: np.ndarray, values: np.ndarray, expected: float) -> float:
    """Distance of a weighted sum from what the prior says, in its error."""
    terms = weights * values
    return abs(np.mean(terms) - expected) / (np.std(terms) / len(terms) ** 0.5)


def distances(weights: np.ndarray, ra: np.ndarray, dec: np.ndarray, time: np.ndarray) -> list[float]:
    middle, width = np.mean(WINDOW), WINDOW[1] - WINDOW[0]
    offset = (time - middle) / width
    return [
        too_far(weights, np.ones(len(ra)), 1.0),
        too_far(weights, np.cos(dec) * np.cos(ra), 0.0),
        too_far(weights, np.cos(dec) * np.sin(ra), 0.0),
        too_far(weights, np.sin(dec), 0.0),
        too_far(weights, np.sin(dec) ** 2, 1 / 3),
        too_far(weights, offset, 0.0),
        too_far(weights, offset**2, 1 / 12),
        too_far(weights, offset * np.sin(dec), 0.0),
    ]


@pytest.mark.training
@pytest.mark.parametrize("height", [0.0, 4.0])
@pytest.mark.parametrize("count", NAMES)
def test_weighted_candidates_are_the_prior(count: int, height: float) -> None:
    log_ratio, *columns = drawn(count, height)
    assert max(distances(np.exp(log_ratio), *columns)) < 4


@pytest.mark.training
@pytest.mark.parametrize("count", [2, 3])
def test_a_density_without_its_jacobian_is_not(count: int) -> None:
    log_ratio, ra, dec, time = drawn(count, 4.0)
    assert max(distances(np.exp(log_ratio) * np.cos(dec), ra, dec, time)) > 8


@pytest.mark.parametrize("count", [2, 3])
def test_candidates_are_where_the_filters_say(count: int) -> None:
    """Loud enough, nine in ten lie within a few widths of the peaks in the detectors that they are drawn by."""
    names = NAMES[count]
    exponents = bumps(names, 60.0)
    made = proposal(names).draw(exponents, 2048, {}, np.random.default_rng(5))
    peaks = exponents.argmax(axis=1)
    near = np.abs(made.arrival - peaks[:, None]) * SPACING < 6e-4
    assert np.all(np.mean(near, axis=1) > 0.75)
    order = np.argsort(-exponents.max(axis=1))
    assert np.mean(near[order[0]]) > 0.85


def test_arrivals_and_responses_are_the_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    made = proposal(NAMES[3]).draw(bumps(NAMES[3], 10.0), 8, {}, np.random.default_rng(6))
    for index, name in enumerate(NAMES[3]):
        interferometer = get_empty_interferometer(name)
        for m in range(8):
            ra, dec, time = (float(column[m]) for column in (made.ra, made.dec, made.time))
            late = time + interferometer.time_delay_from_geocenter(ra, dec, time) - ORIGIN
            # GPS times have steps of 2e-7 s.
            assert made.arrival[index, m] * SPACING == pytest.approx(late, abs=5e-7)
            for mode, response in zip(("plus", "cross"), made.antenna[index, :, m], strict=True):
                assert response == pytest.approx(interferometer.antenna_response(ra, dec, time, 0.0, mode), abs=1e-6)


def test_known_places_are_kept_and_narrow_priors_drawn() -> None:
    rng, row = np.random.default_rng(7), {RA: 1.2, DEC: 0.4}
    known = proposal(NAMES[2], {TIME: PRIORS[TIME]}).draw(bumps(NAMES[2], 30.0), 512, row, rng)
    assert set(known.ra) == {1.2}
    assert set(known.dec) == {0.4}
    assert np.mean(np.exp(known.log_ratio)) == pytest.approx(1, abs=0.2)
    narrow = {RA: Uniform(1.1, 1.3), DEC: Cosine(0.3, 0.5), TIME: PRIORS[TIME]}
    around = proposal(NAMES[2], narrow).draw(bumps(NAMES[2], 30.0), 512, {}, rng)
    assert np.all((around.ra > 1.1) & (around.ra < 1.3))


@pytest.mark.training
@pytest.mark.parametrize("low", [-np.pi, np.pi, 0.3])
def test_other_turns_of_the_right_ascension(low: float) -> None:
    """Whichever interval of a turn the prior names, all of it is reached."""
    made = proposal(NAMES[2], {**PRIORS, RA: Uniform(low, low + 2 * np.pi)})
    pieces = [made.draw(bumps(NAMES[2], 4.0), 1024, {}, np.random.default_rng(seed)) for seed in range(40)]
    log_ratio, ra, dec, time = (
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("log_ratio", "ra", "dec", "time")
    )
    assert ra.min() >= low
    assert ra.max() <= low + 2 * np.pi
    assert max(distances(np.exp(log_ratio), ra, dec, time)) < 4


@pytest.mark.parametrize(
    "priors",
    [
        {RA: Uniform(0, 4 * np.pi), DEC: Cosine()},
        {RA: Gaussian(1.9, 0.5), DEC: Cosine()},
        {RA: Uniform(0, 2 * np.pi), DEC: Uniform(-np.pi / 2, 0.7 * np.pi)},
        {RA: TruncatedGaussian(1.9, 1e-3, 0, 2 * np.pi), DEC: TruncatedGaussian(-1.2, 1e-3, -1.5, 1.5)},
    ],
    ids=["two turns", "no bounds", "beyond the pole", "a point in wide bounds"],
)
def test_odd_priors_of_the_sky_are_drawn_from(priors: dict) -> None:
    made = proposal(NAMES[2], {**PRIORS, **priors}).draw(bumps(NAMES[2], 4.0), 4096, {}, np.random.default_rng(11))
    for key, column in ((RA, made.ra), (DEC, made.dec)):
        assert kstest(column, priors[key].cdf).pvalue > 1e-3
    assert np.mean(np.exp(made.log_ratio)) == pytest.approx(1, abs=0.1)


def test_detectors_at_one_site_leave_the_sky_to_the_prior() -> None:
    detector = Detector.from_interferometer(get_empty_interferometer("H1"))
    both = OfOneRow((detector, detector), PRIORS, dict.fromkeys(PRIORS, 0.0), ORIGIN, SPACING)
    exponents = np.repeat(bumps(("H1",), 5.0), 2, axis=0)
    made = [both.draw(exponents, 1024, {}, np.random.default_rng(seed)) for seed in range(20)]
    columns = (np.concatenate([getattr(piece, name) for piece in made]) for name in ("log_ratio", "ra", "dec", "time"))
    log_ratio, ra, dec, time = columns
    assert max(distances(np.exp(log_ratio), ra, dec, time)) < 4


def test_no_candidate_is_farther_than_light_travels() -> None:
    made = proposal(NAMES[2]).draw(bumps(NAMES[2], 0.0), 4096, {}, np.random.default_rng(8))
    detectors = [get_empty_interferometer(name) for name in NAMES[2]]
    travel = np.linalg.norm(detectors[0].geometry.vertex - detectors[1].geometry.vertex) / lal.C_SI
    assert np.abs(np.diff(made.arrival, axis=0)).max() * SPACING <= travel + 1e-6


def test_interpolation_of_a_wave() -> None:
    times = np.arange(200) / 4096
    wave = np.stack([np.exp(2j * np.pi * f * times) for f in (60.0, 250.0)])
    places = np.random.default_rng(9).uniform(2, 196, 100)
    exact = np.stack([np.exp(2j * np.pi * f * places / 4096) for f in (60.0, 250.0)])
    # The polynomials' remainders: 9/16 of the fourth derivative over 4!, 225/64 of the sixth over 6!, at most.
    for neighbours, remainder in ((4, 9 / 16 / 24), (6, 225 / 64 / 720)):
        made = interpolated(wave[:, None], np.stack([places, places]), neighbours)[:, 0]
        for one, other, f in zip(made, exact, (60.0, 250.0), strict=True):
            assert np.max(np.abs(one - other)) <= remainder * (2 * np.pi * f / 4096) ** neighbours * 1.01


def test_the_time_alone_needs_no_window_of_its_own() -> None:
    """If the time is known, candidates have it."""
    made = proposal(NAMES[2], {RA: PRIORS[RA], DEC: PRIORS[DEC]}).draw(
        bumps(NAMES[2], 10.0), 16, {TIME: START + 2.0}, np.random.default_rng(10)
    )
    assert set(made.time) == {START + 2.0}
    assert np.all(made.log_ratio == 0)
    detectors = tuple(Detector.from_interferometer(get_empty_interferometer(name)) for name in NAMES[3])
    assert 0.0212 < reach_of(detectors) < 0.0216


@pytest.mark.parametrize("names", [("H1", "L1", "CE"), ("CE", "H1", "L1", "V1")])
def test_a_third_detector_at_the_site_of_another_tells_nothing_of_the_angle(names: tuple[str, ...]) -> None:
    """Bilby's CE stands at the site of H1: weights average to one all the same, and no angle is preferred."""
    made, exponents = proposal(names), bumps(names, 3.0)
    drawn = [made.draw(exponents, 1024, {}, np.random.default_rng(seed)) for seed in range(20)]
    weights = np.exp(np.concatenate([one.log_ratio for one in drawn]))
    assert too_far(weights, np.ones(len(weights)), 1.0) < 4
