"""Coarse waves against whole ones: inner products with the data at every time of a window, and with each other."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from bilby.core.prior import DeltaFunction
from bilby.gw.source import lal_binary_black_hole

from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.waves.coarse import build
from bilby_flowpe.waves.coarse.build import coarse_waves
from bilby_flowpe.waves.coarse.coarse_waves import CoarseWaves
from bilby_flowpe.waves.harmonics import harmonics
from bilby_flowpe.waves.matched_filter import MatchedFilters
from tests.approximations import generator_of

RELATIVE = 1e-3  # of the largest product: nodes, and multibanding in the whole waves alone


def compare(coarse: CoarseWaves, likelihood, row: dict[str, float], tolerance: float = RELATIVE) -> None:
    """Hold one row's series and norms against those of whole waves on the same steps."""
    values, good = coarse.waves([row])
    assert good.all()
    series, norms = coarse.series(values)[0], coarse.norms(values)[0]
    filters = MatchedFilters(likelihood)
    steps = (round((coarse.start - filters.start) / filters.spacing) + np.arange(coarse.n_times)) % filters.size
    waves = harmonics(likelihood.waveform_generator, row, coarse.orders)
    stacked = np.concatenate([waves[order] for order in coarse.orders])
    for index, (expected, products) in enumerate(filters.of_series(stacked, steps)):
        found = series[index].reshape(len(stacked), -1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())
        np.testing.assert_allclose(norms[index], products, rtol=0, atol=tolerance * np.abs(products).max())


@pytest.mark.parametrize(
    ("approximant", "orders", "spins"),
    [
        ("IMRPhenomXAS", (2,), {}),
        ("IMRPhenomXHM", (1, 2, 3, 4), {}),
        (
            "IMRPhenomXPHM",
            (1, 2, 3, 4),
            {"a_1": 0.7, "a_2": 0.4, "tilt_1": 1.1, "tilt_2": 0.6, "phi_12": 1.7, "phi_jl": 0.3},
        ),
    ],
)
def test_as_whole_waves(make_problem_hl, approximant: str, orders: tuple[int, ...], spins: dict) -> None:
    likelihood, priors = make_problem_hl()
    likelihood.waveform_generator = generator_of(likelihood, lal_binary_black_hole, waveform_approximant=approximant)
    reference = dict(likelihood.injection_parameters)
    if spins:
        for key in ("chi_1", "chi_2"):
            reference.pop(key)
            priors.pop(key)
        reference |= spins
        priors.update({key: DeltaFunction(value) for key, value in spins.items()})
    time = priors["geocent_time"]
    coarse = coarse_waves(likelihood, PriorTransform(priors), orders, reference, (time.minimum, time.maximum))
    assert coarse.error < 0.05
    for row in (reference, {**reference, "mass_1": 40.0, "theta_jn": 1.0, "phase": 0.2}):
        compare(coarse, likelihood, row)


def test_each_detector_has_its_own_band_and_notches(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    first, second = likelihood.interferometers
    first.minimum_frequency, second.maximum_frequency = 35.0, 300.0
    second.strain_data.notch_list = [(59.0, 61.0), (118.0, 122.0)]
    likelihood.waveform_generator = generator_of(
        likelihood, lal_binary_black_hole, waveform_approximant="IMRPhenomXAS", minimum_frequency=25.0
    )
    reference, time = dict(likelihood.injection_parameters), priors["geocent_time"]
    coarse = coarse_waves(likelihood, PriorTransform(priors), (2,), reference, (time.minimum, time.maximum))
    assert coarse.nodes[0] == 25
    assert coarse.nodes[-1] == 500
    compare(coarse, likelihood, {**reference, "mass_1": 36.0})


def test_a_term_alone_and_rows_without_a_wave(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    likelihood.waveform_generator = generator_of(
        likelihood, lal_binary_black_hole, waveform_approximant="IMRPhenomXHM", catch_waveform_errors=True
    )
    reference, time = dict(likelihood.injection_parameters), priors["geocent_time"]
    window = time.minimum, time.maximum
    coarse = coarse_waves(likelihood, PriorTransform(priors), (1, 2, 3, 4), reference, window, size=32)
    values, good = coarse.waves([reference, {**reference, "chi_1": 1.5}, {**reference, "theta_jn": 0.0}])
    assert good.tolist() == [True, False, True]
    assert not values[1].any()
    whole = coarse.series(values)
    np.testing.assert_allclose(coarse.series(values, [1])[:, :, 0], whole[:, :, 1], atol=1e-5 * np.abs(whole).max())


def test_a_cross_polarisation_in_proportion_costs_nothing_and_changes_nothing(make_problem_hl) -> None:
    """Face on, it is a number times the plus polarisation: among other rows it is made like theirs."""
    likelihood, priors = make_problem_hl()
    reference, time = dict(likelihood.injection_parameters), priors["geocent_time"]
    window = time.minimum, time.maximum
    coarse = coarse_waves(likelihood, PriorTransform(priors), (2,), reference, window, size=32)
    values, _ = coarse.waves([{**reference, "theta_jn": 0.0}, {**reference, "theta_jn": 1.0}])
    values[1, 0, 1, ::2] *= 1.1
    alone, among = coarse.series(values[:1]), coarse.series(values)
    np.testing.assert_allclose(alone[0], among[0], atol=1e-5 * np.abs(alone).max())


def test_pickled_is_the_same(make_problem_hl) -> None:
    likelihood, priors = make_problem_hl()
    reference, time = dict(likelihood.injection_parameters), priors["geocent_time"]
    made = coarse_waves(likelihood, PriorTransform(priors), (2,), reference, (time.minimum, time.maximum), size=32)
    again = pickle.loads(pickle.dumps(made))
    values, _ = made.waves([reference, {**reference, "mass_1": 30.0}])
    np.testing.assert_array_equal(made.series(values), again.series(values))
    np.testing.assert_array_equal(made.norms(values), again.norms(values))


def test_errors_of_long_waves_are_measured_in_single_precision(make_problem_hl, monkeypatch) -> None:
    """The number of nodes that is chosen is the same, and the error to its last digits that matter."""
    likelihood, priors = make_problem_hl()
    reference = {**PriorTransform(priors).fixed, **likelihood.injection_parameters}
    time = priors["geocent_time"]
    given = likelihood, PriorTransform(priors), (2,), reference, (time.minimum, time.maximum)
    short = coarse_waves(*given)
    monkeypatch.setattr(build, "_LARGE", 0)
    long = coarse_waves(*given)
    assert long.n_nodes == short.n_nodes
    assert long.error == pytest.approx(short.error, abs=1e-4)
    assert long.error != short.error
