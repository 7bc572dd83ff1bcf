"""Many places for each row: few of them leave the posterior as it is, and a density that is wrong does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from bilby.core.prior import Cosine, Uniform
from bilby.gw.detector import get_empty_interferometer

from bilby_flowpe.conditional.blocks.coherent import Effort
from bilby_flowpe.conditional.coherent import CoherentConditional
from bilby_flowpe.names import DEC, RA, TIME
from bilby_flowpe.skymap.among import CoherentAmong, HarmonicsAmong, OwnSkies, summed_over
from bilby_flowpe.waves.detectors import Detector
from tests.conditional.blocks.test_skies import ORIGIN, PRIORS, SPACING, bumps
from tests.conditional.test_coherent import ALL, NO_DISTANCE, case, reference
from tests.conditional.test_harmonics import CONFIG, make  # noqa: F401

NARROW = {**PRIORS, RA: Uniform(1.0, 1.4), DEC: Cosine(0.2, 0.6)}


@pytest.mark.parametrize(
    ("names", "priors"),
    [(("H1", "L1"), PRIORS), (("L1", "V1", "H1"), PRIORS), (("H1", "L1"), NARROW), (("H1",), PRIORS)],
)
def test_density_at_places_is_that_they_were_drawn_from(names: tuple, priors: dict) -> None:
    detectors = tuple(Detector.from_interferometer(get_empty_interferometer(name)) for name in names)
    blocks = OwnSkies(detectors, priors, dict.fromkeys(priors, 0.0), ORIGIN, SPACING)
    exponents, rng = bumps(names, 12.0)[None], np.random.default_rng(1)
    own = {RA: np.array([1.2]), DEC: np.array([0.4]), TIME: np.array([ORIGIN + 0.045])}
    ra, dec, time, log_q = blocks._places(exponents, 400, own, rng)
    assert (ra[0, 0], dec[0, 0], time[0, 0]) == (1.2, 0.4, ORIGIN + 0.045)
    again = blocks.log_q(exponents, ra, dec, time)
    # GPS times are known to 2e-7 s: a few lie in the next cell of a density that is constant in cells.
    off = np.abs(again - log_q)[0, 1:]
    assert np.mean(off < 1e-4) > 0.98 and again[0, 0] == pytest.approx(log_q[0, 0])


def test_sums_and_draws_along_the_last_axis() -> None:
    log_weights = np.log(np.array([[[1.0, 3.0, 0.0, 4.0]] * 4000]) + 1e-300)
    total, drawn = summed_over(log_weights, np.random.default_rng(1))
    assert total == pytest.approx(np.log(8.0))
    assert np.bincount(drawn[0], minlength=4) / 4000 == pytest.approx([0.125, 0.375, 0.0, 0.5], abs=0.03)


def equal_weight(likelihood, conditional: CoherentConditional, row: dict, size: int, keys: tuple) -> list[dict]:
    """Draws of the posterior given the wave, all but the distance and phase."""
    rng = np.random.default_rng(4)
    task = conditional.task(likelihood)
    drawn = conditional.draw(np.array(task.many(conditional.task_rows([row] * size, rng))), rng)
    kept = rng.random(size) < np.exp(drawn.log_weight - drawn.log_weight.max())
    columns = {key: drawn.parameters[key][kept] for key in keys}
    return [{**row, **{key: float(column[i]) for key, column in columns.items()}} for i in range(int(kept.sum()))]


def offsets(blocks: CoherentAmong, row: dict, rows: list[dict]) -> np.ndarray:
    """Means over the candidates of each row, less the values of the row: functions of place and time, in their errors."""
    found = blocks.among([row] * len(rows), rows, np.random.default_rng(5))
    assert found.good.all()
    weights = np.exp(found.log_weights - found.log_weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    middle = float(np.mean([one[TIME] for one in rows]))

    def functions(ra, dec, time):
        late = (np.asarray(time) - middle) * 1e3
        return np.stack([np.sin(dec), np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), late, late**2])

    own = functions(*(np.array([one[key] for one in rows]) for key in (RA, DEC, TIME)))
    change = (weights * functions(found.ra, found.dec, found.time)).sum(axis=-1) - own
    return change.mean(axis=1) / (change.std(axis=1) / np.sqrt(len(rows)))


@pytest.mark.training
@pytest.mark.parametrize("places", [3, 24])
def test_few_candidates_leave_the_posterior_as_it_is(make_problem_hl: Callable, places: int) -> None:
    likelihood, transform = case(make_problem_hl)
    conditional = CoherentConditional(ALL, transform)
    row = reference(likelihood, conditional, 0.0)
    rows = equal_weight(likelihood, conditional, row, 300, conditional.own)
    given = replace(conditional.given(likelihood), effort=Effort(places, 3))
    assert np.max(np.abs(offsets(CoherentAmong(given), row, rows))) < 4


@pytest.mark.training
def test_a_wrong_density_of_the_own_place_is_seen(make_problem_hl: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood, transform = case(make_problem_hl)
    conditional = CoherentConditional(ALL, transform)
    row = reference(likelihood, conditional, 0.0)
    rows = equal_weight(likelihood, conditional, row, 300, conditional.own)
    right = OwnSkies.log_q
    # As if late arrivals had been likelier by e^5 a millisecond.
    late = float(np.mean([one[TIME] for one in rows]))
    monkeypatch.setattr(
        OwnSkies, "log_q", lambda self, e, ra, dec, time: right(self, e, ra, dec, time) + 5e3 * (time - late)
    )
    given = replace(conditional.given(likelihood), effort=Effort(12, 3))
    assert np.max(np.abs(offsets(CoherentAmong(given), row, rows))) > 6


@pytest.mark.training
def test_waves_of_several_modes(make: Callable) -> None:  # noqa: F811
    from bilby_flowpe.conditional.harmonics import HarmonicsConditional

    likelihood, transform = make(3000.0)
    conditional = HarmonicsConditional(CONFIG, transform)
    row = {**likelihood.injection_parameters, **conditional.reference}
    rows = equal_weight(likelihood, conditional, row, 120, (*conditional.own, "luminosity_distance", "phase"))
    given = replace(conditional.given(likelihood), effort=Effort(16, 4, 6))
    blocks = HarmonicsAmong(given, conditional.averaged_at_phase)
    assert np.max(np.abs(offsets(blocks, row, rows))) < 4


def test_inner_products_are_those_of_one_pair_of_angles(make_problem_hl: Callable) -> None:
    """With one pair of positions, that of the row, the position has the inner product of the row's signal."""
    likelihood, transform = case(make_problem_hl)
    conditional = CoherentConditional(NO_DISTANCE, transform)
    true = likelihood.injection_parameters
    row = {**true, **conditional.reference}
    given = replace(conditional.given(likelihood), effort=Effort(2, 1))
    found = CoherentAmong(given).among([row], [true], np.random.default_rng(1))
    wave = likelihood.waveform_generator.frequency_domain_strain(true)
    seen = [(one, one.get_detector_response(wave, true)) for one in likelihood.interferometers]
    norm = sum(float(one.optimal_snr_squared(signal).real) for one, signal in seen)
    assert found.norm[0, 0] == pytest.approx(norm, rel=1e-3)
    # In data without noise the inner product is the norm, too.
    assert found.kappa[0, 0] == pytest.approx(norm, rel=1e-3)
