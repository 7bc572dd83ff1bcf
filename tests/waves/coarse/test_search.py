"""The search for a reference: its statistic by hand, and a signal that is found."""

from __future__ import annotations

import numpy as np
import pytest
from bilby.gw.source import lal_binary_black_hole

from bilby_flowpe.errors import CoarseObstacle
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.coarse.search import find_reference
from tests.approximations import generator_of
from tests.waves.coarse.test_statistic import by_hand

CLOSE = 0.02  # of the statistic: templates by splines, and times half a step off


@pytest.fixture(scope="module")
def found(problem_hl):
    likelihood, priors = problem_hl
    window = priors["geocent_time"].minimum, priors["geocent_time"].maximum
    rng = np.random.default_rng(3)
    return find_reference(likelihood, PriorTransform(priors), (2,), window, rng, draws=200)


def test_the_statistic_is_that_of_whole_waves(problem_hl, found) -> None:
    likelihood, priors = problem_hl
    window = priors["geocent_time"].minimum, priors["geocent_time"].maximum
    for number in (0, 150, int(np.argmax(found.log_ratios))):
        row = {key: float(column[number]) for key, column in found.columns.items()}
        assert found.log_ratios[number] == pytest.approx(by_hand(likelihood, row, window), rel=CLOSE)


def test_a_signal_is_found(problem_hl, found) -> None:
    likelihood, _ = problem_hl
    injected = dict(likelihood.injection_parameters)
    assert found.evaluations == len(found.log_ratios) > 200
    # Phase, time and amplitude of each detector are free: nearly four parameters more than at the injection.
    assert found.log_ratio > likelihood.log_likelihood_ratio(injected) - 5
    assert found.log_ratio == found.log_ratios.max() >= found.log_ratios[:200].max()
    # Light takes 0.021 s from the Earth's centre.
    assert abs(found.reference["geocent_time"] - injected["geocent_time"]) < 0.03
    chirp = {**injected, **found.reference}
    masses = [chirp[f"mass_{n}"] for n in (1, 2)], [injected[f"mass_{n}"] for n in (1, 2)]
    found_mass, true_mass = ((a * b) ** 0.6 / (a + b) ** 0.2 for a, b in masses)
    assert abs(found_mass - true_mass) < 2.5  # solar masses: a few standard deviations


def test_no_frequency_in_common(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    likelihood.waveform_generator = generator_of(
        likelihood, lal_binary_black_hole, waveform_approximant="IMRPhenomXAS", minimum_frequency=498.0
    )
    with pytest.raises(CoarseObstacle, match="498 to 512 Hz"):
        find_reference(likelihood, PriorTransform(priors), (2,), (0.0, 1.0), np.random.default_rng(1))


def test_rows_far_from_the_best_are_named(problem_hl, found) -> None:
    """Coarse waves have to do for them, too."""
    transform = PriorTransform(problem_hl[1])
    chosen = [key for key in found.seen if key in found.columns]
    assert 0 < len(found.others) <= 4
    columns = {key: np.array([row[key] for row in (found.reference, *found.others)]) for key in transform.keys}
    moved = [transform.keys.index(key) for key in chosen]
    places = transform.to_unconstrained(columns)[:, moved]
    assert found.bank is not None
    assert np.all(found.bank.ratios(columns) > found.log_ratio - 12 - 1e-6)
    for number in range(1, len(places)):
        assert np.linalg.norm(places[:number] - places[number], axis=1).min() > 0.5
