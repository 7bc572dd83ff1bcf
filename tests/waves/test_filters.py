"""Inner products of many waves at once, against those of the likelihood's own objects one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.likelihood import GravitationalWaveTransient

from bilby_flowpe.conditional.arrival import SHARE, TimedProducts
from bilby_flowpe.conditional.base import ConditionalConfig
from bilby_flowpe.conditional.closed_form import ExactConditional
from bilby_flowpe.names import PLACE, TIME
from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.waves.filters import Filters, Track
from bilby_flowpe.waves.inner_products import InnerProducts, Projection

MODES = ["plus", "cross"]


def rows_of(likelihood, transform, size: int = 7) -> list[dict[str, float]]:
    draws = transform.sample(size, np.random.default_rng(3))
    return [
        {**likelihood.injection_parameters, **{key: float(value[index]) for key, value in draws.items()}}
        for index in range(size)
    ]


@pytest.fixture(params=["5d", "8d", "hl"])
def problem(request):
    likelihood, _ = request.getfixturevalue(f"problem_{request.param}")
    return likelihood, request.getfixturevalue(f"transform_{request.param}")


@pytest.mark.parametrize("held", [True, False])
def test_products_are_those_of_one_row_at_a_time(problem, held: bool) -> None:
    """Products agree for a fixed sky position, and for a different position in every row."""
    likelihood, transform = problem
    rows = rows_of(likelihood, transform)
    place = {key: rows[0][key] for key in PLACE} if held else None
    rows = [{**row, **(place or {})} for row in rows]
    prior = transform.priors[TIME]
    filters = Filters(likelihood, (prior.minimum, prior.maximum), place)
    one = InnerProducts(likelihood)
    waves = [one.polarisations(row) for row in rows]
    times = np.array([row[TIME] for row in rows])
    found = filters.products(filters.in_bands(waves, MODES), rows, MODES, times)
    # A signal's norm is the scale that errors of an inner product have.
    for of_row, row in zip(found, rows, strict=True):
        np.testing.assert_allclose(of_row, one(row), atol=2e-7 * of_row[2])


def test_series_are_the_products_at_every_step(problem) -> None:
    likelihood, transform = problem
    rows = rows_of(likelihood, transform, 2)
    size, bins = 4096, np.array([-2, 0, 5])
    prior = transform.priors[TIME]
    filters = Filters(likelihood, (prior.minimum, prior.maximum))
    one = InnerProducts(likelihood)
    waves = filters.in_bands([one.polarisations(row) for row in rows], MODES)
    series, norms = filters.series(waves, rows, MODES, size, bins)
    spacing = float(likelihood.interferometers.duration) / size
    for of_row, norm, row in zip(series, norms, rows, strict=True):
        exact = np.array([one({**row, TIME: row[TIME] + step * spacing}) for step in bins])
        # In single precision, and GPS times have steps of 2.4e-7 s.
        np.testing.assert_allclose(of_row, exact[:, 0] + 1j * exact[:, 1], atol=2e-3 * norm**0.5 * (1 + norm**0.5))
        assert norm == pytest.approx(exact[0, 2])


def test_a_track_is_bilbys_own(problem_hl) -> None:
    """Over seconds, antenna responses to 1e-9 and arrivals to a nanosecond; a straight line would miss by more."""
    likelihood, _ = problem_hl
    row = likelihood.injection_parameters
    place = {key: row[key] for key in PLACE}
    for interferometer in likelihood.interferometers:
        projection = Projection(interferometer)
        track = Track(projection, place, (row[TIME] - 10, row[TIME] + 10), MODES)
        for step in (-9.7, -4.4, 0.3, 8.1):
            time = row[TIME] + step
            responses, arrivals = track(np.array([time]))
            own, arrival = projection.seen({**row, TIME: time}, MODES)
            np.testing.assert_allclose(responses[0], own, atol=1e-9)
            assert arrivals[0] == pytest.approx(arrival, abs=1e-9)


@pytest.mark.parametrize("keys", [("phase", TIME), ("phase", "luminosity_distance", TIME)])
def test_a_row_is_the_same_in_any_company(problem, keys: tuple[str, ...]) -> None:
    """A row has the same value to the last bit: alone, among others, in another order."""
    likelihood, transform = problem
    exact = ExactConditional(ConditionalConfig(keys, 2), transform)
    task = exact.task(likelihood)
    rows = [{**row, **exact.reference, SHARE: share} for row, share in zip(
        rows_of(likelihood, transform, 9), [0.5, 1e-4, 0.999, 0.2, 5e-4, 0.7, 0.1, 0.6, 0.3], strict=True
    )]  # fmt: skip
    alone = [task(row) for row in rows]
    np.testing.assert_array_equal(task.many(rows), alone)
    np.testing.assert_array_equal(task.many(rows[::-1])[::-1], alone)
    np.testing.assert_array_equal(evaluate(task, rows)[0], alone)


def test_failing_rows_leave_the_others_alone(problem_5d, transform_5d) -> None:
    likelihood = problem_5d[0]
    exact = ExactConditional(ConditionalConfig(("phase", TIME), 2), transform_5d)
    task = exact.task(likelihood)
    assert isinstance(task, TimedProducts)
    rows = exact.task_rows(
        [{**row, **exact.reference} for row in rows_of(likelihood, transform_5d, 6)], np.random.default_rng(1)
    )
    alone = [task(row) for row in rows]
    waves, numbers = task.products.polarisations, {row["mass_1"]: number for number, row in enumerate(rows)}

    def failing(row):
        number = numbers[row["mass_1"]]
        wave = waves(row)
        if number == 1:
            return None
        return {mode: np.where(number == 4, np.nan, series) for mode, series in wave.items()}

    task.products.polarisations = failing
    found = task.many(rows)
    assert found[1] is None and found[4] is None
    for number in (0, 2, 3, 5):
        np.testing.assert_array_equal(found[number], alone[number])
    task.products.polarisations = lambda row: None
    assert task.many(rows) == [None] * 6


class Elsewhere(GravitationalWaveTransient):
    """Has a sky of its own."""

    def get_sky_frame_parameters(self, parameters=None):
        return {**super().get_sky_frame_parameters(parameters), "ra": parameters["ra"] + 0.5}


def test_a_subclass_with_a_sky_of_its_own_is_asked(problem_5d, transform_5d) -> None:
    likelihood = Elsewhere(problem_5d[0].interferometers, problem_5d[0].waveform_generator)
    exact = ExactConditional(ConditionalConfig(("phase", TIME), 2), transform_5d)
    rows = exact.task_rows(
        [{**row, **exact.reference} for row in rows_of(problem_5d[0], transform_5d, 4)], np.random.default_rng(1)
    )
    for row, made in zip(rows, exact.task(likelihood).many(rows), strict=True):
        own = likelihood.log_likelihood_ratio({**row, "phase": 0.0, TIME: made[3]})
        assert made[0] - made[2] / 2 == pytest.approx(own, rel=1e-6, abs=1e-4)


def test_a_detectors_own_time_turns_with_the_place(problem_5d, transform_5d) -> None:
    """The sky position is not fixed if sky or time of the likelihood refer to another detector."""
    exact = ExactConditional(ConditionalConfig(("phase", TIME), 2), transform_5d)
    assert exact.task(problem_5d[0])._filters._place is not None
    for frame in ({"reference_frame": "H1L1"}, {"time_reference": "H1"}):
        likelihood = GravitationalWaveTransient(
            problem_5d[0].interferometers, problem_5d[0].waveform_generator, **frame
        )
        assert exact.task(likelihood)._filters._place is None


def test_long_windows_hold_no_parabola(problem_5d) -> None:
    likelihood, _ = problem_5d
    row = likelihood.injection_parameters
    place = {key: row[key] for key in PLACE}
    assert Filters(likelihood, (row[TIME] - 9, row[TIME] + 9), place)._place == place
    assert Filters(likelihood, (row[TIME] - 11, row[TIME] + 11), place)._place is None


def test_polarisations_are_taken_by_name(problem_hl, transform_hl) -> None:
    """Each row has the value that it has alone: in another order, without one of the others, beside others."""
    likelihood = problem_hl[0]
    exact = ExactConditional(ConditionalConfig(("phase", TIME), 2), transform_hl)
    task = exact.task(likelihood)
    rows = exact.task_rows(
        [{**row, **exact.reference} for row in rows_of(likelihood, transform_hl, 6)], np.random.default_rng(1)
    )
    waves = task.products.polarisations
    order = [["plus", "cross"], ["cross", "plus"], ["plus"], ["cross"], ["plus", "cross"], ["cross", "plus"]]
    masses = {row["mass_1"]: number for number, row in enumerate(rows)}

    def mixed(row):
        wave = waves(row)
        return {mode: wave[mode] for mode in order[masses[row["mass_1"]]]}

    task.products.polarisations = mixed
    alone = [task(row) for row in rows]
    np.testing.assert_array_equal(task.many(rows), alone)
    task.products.polarisations = waves
    for number in (1, 5):
        np.testing.assert_array_equal(task(rows[number]), alone[number])
    assert not np.array_equal(task(rows[2]), alone[2])


def test_a_draw_of_the_priors_share_has_both_densities(problem_5d, transform_5d) -> None:
    """Far from the signal the prior's share is all the density there is."""
    exact = ExactConditional(ConditionalConfig(("phase", TIME), 2), transform_5d)
    task = exact.task(problem_5d[0])
    row = {**problem_5d[0].injection_parameters, **exact.reference, SHARE: 2e-4}
    made = task(row)
    prior = transform_5d.priors[TIME]
    assert made[3] == pytest.approx(prior.rescale(0.2), abs=1e-6)
    assert made[4] == pytest.approx(np.log(1e-3) + prior.ln_prob(made[3]), abs=1e-6)
