"""The surprise about data: p-values uniform on its own null, tiny for data that are other, and a verdict that says so."""

from __future__ import annotations

from pathlib import Path

import bilby
import numpy as np
import pytest
import torch
from bilby.gw.detector import PowerSpectralDensity
from safetensors.torch import save_file
from scipy.stats import kstest

from bilby_flowpe.errors import DataError, ModelError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.kinds.recognise import tells_power
from bilby_flowpe.model import TrainedPosterior, find_model, shipped_models
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.injections import inject_signal
from bilby_flowpe.surprise import (
    DISTANCE,
    LOUDNESS,
    RESIDUAL,
    Null,
    Surprise,
    without_simulations,
)
from bilby_flowpe.verdict import Findings, Thresholds, judge
from bilby_flowpe.waves.residual import farthest_off, residual_of
from tests.weights import good

FEATURES = 5


@pytest.fixture(scope="module")
def null() -> Null:
    rng = np.random.default_rng(0)
    contexts = rng.standard_normal((4000, FEATURES)) @ rng.standard_normal((FEATURES, FEATURES))
    return Null.fit(contexts, 100 + 5 * rng.standard_normal(4000), rng.standard_normal(500))


def of_null(null: Null, rng: np.random.Generator) -> Surprise:
    """An event as those of the null."""
    mixing = np.random.default_rng(0)
    mixing.standard_normal((4000, FEATURES))
    context = rng.standard_normal(FEATURES) @ mixing.standard_normal((FEATURES, FEATURES))
    return null.of(context, 100 + 5 * rng.standard_normal(), rng.standard_normal())


def test_p_values_are_those_of_chance_on_data_of_the_null(null: Null) -> None:
    rng = np.random.default_rng(1)
    events = [of_null(null, rng) for _ in range(2000)]
    for figure in (DISTANCE, LOUDNESS, RESIDUAL):
        # The null has a scatter of its own: of 500 residuals, 5% in their width.
        assert kstest([event.p_values[figure] for event in events], "uniform").statistic < 0.06
    # Three figures, times three: at most, and not far below, as often as it says.
    share = np.mean([event.p_value < 0.05 for event in events])
    assert 0.03 < share < 0.07


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"context": np.full(FEATURES, 60.0)}, DISTANCE),
        ({"found": 10.0}, LOUDNESS),
        ({"found": 200.0}, LOUDNESS),
        ({"residual": 9.0}, RESIDUAL),
        ({"residual": -9.0}, RESIDUAL),
    ],
)
def test_each_figure_is_enough_by_itself(null: Null, change: dict, figure: str) -> None:
    usual = {"context": null.location, "found": 100.0, "residual": 0.0}
    assert null.of(**usual).p_value > 0.5
    surprise = null.of(**(usual | change))
    assert surprise.p_value < Thresholds().surprise_check
    assert surprise.most == figure


def test_what_is_not_known_is_not_asked(null: Null) -> None:
    assert set(null.of(null.location, None, None).p_values) == {DISTANCE}
    bare = Null.fit(np.random.default_rng(0).standard_normal((100, 2)))
    assert set(bare.of(bare.location, 3.0, 1.0).p_values) == {DISTANCE}


@pytest.mark.parametrize(
    ("residuals", "left"), [([0.1, np.nan, -0.3], [0.1, -0.3]), ([np.nan, 0.1], []), ([np.nan], [])]
)
def test_events_without_a_residual_are_left_out(residuals: list[float], left: list[float]) -> None:
    null = Null.fit(np.random.default_rng(0).standard_normal((100, 2)), None, np.array(residuals))
    assert null.residuals.tolist() == left
    again = Null.from_arrays(null.to_arrays())
    assert len(again.residuals) == len(left)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    contexts = np.random.default_rng(0).standard_normal((400, 3))
    contexts[:, 1] = 0.5
    null = Null.fit(contexts)
    assert null.of(np.array([0.0, 0.5 + 1e-6, 0.0]), None, None).p_value > 0.1


def test_too_few_simulations_are_refused() -> None:
    with pytest.raises(DataError, match="19 simulations are too few for 5 features: give 20"):
        Null.fit(np.zeros((19, 5)))


def test_arrays_give_it_back(null: Null) -> None:
    again = Null.from_arrays(null.to_arrays())
    first, second = (one.of(null.location + 1, 90.0, 1.0) for one in (null, again))
    assert first.p_value == pytest.approx(second.p_value, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("location", np.zeros(FEATURES + 1)),
        ("precision", np.full((FEATURES, FEATURES), np.nan)),
        ("distances", np.array([2.0, 1.0])),
        ("distances", np.zeros(0)),
        ("residuals", np.ones(500)),
    ],
)
def test_arrays_that_are_none_are_refused(null: Null, name: str, array: np.ndarray) -> None:
    with pytest.raises(DataError, match="wrong shapes or values"):
        Null.from_arrays(null.to_arrays() | {name: array})


def test_a_damaged_null_is_a_damaged_model(tmp_path: Path) -> None:
    folder = find_model("green2020-5d-gaussian-joint").save(tmp_path / "model")
    other = Null.fit(np.random.default_rng(0).standard_normal((100, 2)))
    save_file(
        {f"surprise.{key}": torch.as_tensor(value) for key, value in other.to_arrays().items()},
        folder / "surprise.safetensors",
    )
    with pytest.raises(ModelError, match="is damaged"):
        TrainedPosterior.load(folder)
    (folder / "surprise.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="is damaged"):
        TrainedPosterior.load(folder)


def test_what_is_no_number_never_passes(null: Null) -> None:
    surprise = null.of(null.location, 100.0, np.nan)
    assert np.isnan(surprise.p_value)
    assert judge(good(), findings=Findings(surprise=surprise)).grade == "check"


@pytest.mark.training
def test_poor_draws_are_no_surprise_about_the_data(problem_5d) -> None:
    """A single draw far from the posterior: a template fits the data as well as any signal does."""
    likelihood, priors = problem_5d
    result = bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        model="green2020-5d-gaussian-joint",
        n_effective=10,
        max_likelihood_evaluations=300,
        refine=False,
        sampling_seed=3,
        progress=False,
        save=False,
    )
    assert result.meta_data["run_statistics"]["surprise"]["p_value"] > 0.005


@pytest.mark.training
def test_residual_of_the_true_waveform_is_that_of_the_noise(problem_5d) -> None:
    """Chi-squared with as many degrees of freedom as there are numbers in the band."""
    likelihood, priors = problem_5d
    residuals = []
    for seed in range(60):
        event, truth = inject_signal(problem_of(likelihood, priors), np.random.default_rng(seed))
        residuals.append(residual_of(event, float(event.log_likelihood_ratio(truth))))
    assert kstest(residuals, "norm").pvalue > 1e-3


def test_a_line_is_found_where_it_is(make_problem_hl) -> None:
    likelihood, _ = make_problem_hl()
    detector = likelihood.interferometers[1]
    strain = detector.frequency_domain_strain.copy()
    line = np.searchsorted(detector.frequency_array, 333.0)
    strain[line] *= 30
    detector.set_strain_data_from_frequency_domain_strain(
        strain, sampling_frequency=1024.0, duration=4.0, start_time=detector.start_time
    )
    assert (
        farthest_off(likelihood, likelihood.injection_parameters) == "largest deviation in L1 between 332 and 339.75 Hz"
    )
    # A signal of another loudness is missed where it was loud.
    quiet = {**likelihood.injection_parameters, "luminosity_distance": 5000.0}
    likelihood, _ = make_problem_hl()
    low = float(farthest_off(likelihood, quiet).split("between ")[1].split(" and ")[0])
    assert 20 <= low < 250


def test_what_is_left_out_is_not_looked_at(make_problem_hl) -> None:
    likelihood, _ = make_problem_hl()
    for detector in likelihood.interferometers:
        detector.strain_data.notch_list = [(180.0, 230.0)]
    detector = likelihood.interferometers[0]
    strain = detector.frequency_domain_strain.copy()
    strain[np.searchsorted(detector.frequency_array, 103.0)] *= 30
    strain[np.searchsorted(detector.frequency_array, 200.0)] *= 1000
    detector.set_strain_data_from_frequency_domain_strain(
        strain, sampling_frequency=1024.0, duration=4.0, start_time=detector.start_time
    )
    detector.strain_data.notch_list = [(180.0, 230.0)]
    assert farthest_off(likelihood, likelihood.injection_parameters).startswith(
        "largest deviation in H1 between 100 and"
    )


def windowed(likelihood, excess: float, rng: np.random.Generator) -> None:
    """White noise in units of the curve, windowed by Bilby, in place of the data."""
    for detector in likelihood.interferometers:
        detector.strain_data.roll_off = 0.4
        rate, duration = detector.sampling_frequency, detector.duration
        frequencies = np.arange(0, rate / 2 + 1)
        detector.power_spectral_density = PowerSpectralDensity(frequencies, np.full(len(frequencies), 2 / rate))
        detector.strain_data.set_from_time_domain_strain(
            np.sqrt(excess) * rng.standard_normal(int(rate * duration)), sampling_frequency=rate, duration=duration
        )
    likelihood._noise_log_likelihood_value = None


@pytest.mark.parametrize(("excess", "low", "high"), [(1.0, 0.0, 3 / 50), (1.12, 0.9, 1.0)])
def test_windowed_noise_is_no_surprise_and_more_of_it_is(make_problem_hl, excess, low, high) -> None:
    """Without the window's moments the first is 10 standard deviations too quiet, and hides the excess of the second."""
    likelihood, _ = make_problem_hl()
    rng, found = np.random.default_rng(2), []
    for _ in range(50):
        windowed(likelihood, excess, rng)
        found.append(without_simulations(residual_of(likelihood, 0.0)))
    assert low <= np.mean([one.p_value < Thresholds().surprise_check for one in found]) <= high
    if excess == 1:
        scores = [one.scores[RESIDUAL] for one in found]
        assert abs(np.mean(scores)) < 5 / 50**0.5
        assert np.std(scores) == pytest.approx(1, abs=5 / 100**0.5)


def test_a_line_in_windowed_noise_is_named_with_its_neighbours(make_problem_hl) -> None:
    likelihood, _ = make_problem_hl()
    quiet = {**likelihood.injection_parameters, "luminosity_distance": 1e9}
    windowed(likelihood, 1.0, np.random.default_rng(2))
    assert farthest_off(likelihood, quiet).startswith("a little everywhere, no band of 8 Hz deviates by more than")
    detector = likelihood.interferometers[1]
    times = np.arange(int(detector.sampling_frequency * detector.duration)) / detector.sampling_frequency
    series = detector.strain_data._time_domain_strain + 2 * np.sin(2 * np.pi * 333 * times)
    detector.strain_data.set_from_time_domain_strain(
        series, sampling_frequency=detector.sampling_frequency, duration=detector.duration
    )
    assert farthest_off(likelihood, quiet).startswith("largest deviation in L1 between 332 and 339.75 Hz")


def test_no_noise_is_said(make_problem_hl) -> None:
    likelihood, _ = make_problem_hl()
    for detector in likelihood.interferometers:
        detector.set_strain_data_from_zero_noise(detector.sampling_frequency, detector.duration, detector.start_time)
    quiet = {**likelihood.injection_parameters, "luminosity_distance": 1e9}
    assert farthest_off(likelihood, quiet) == "the data contain hardly any noise"


def test_a_likelihood_of_ones_own_has_no_normal_residual(make_problem_hl) -> None:
    """The relation of its logarithm to the power in the data is not known."""
    likelihood, _ = make_problem_hl()
    assert tells_power(likelihood)
    assert without_simulations(7.0).p_value < 1e-10
    assert without_simulations(None) is None

    class Mine(type(likelihood)):
        pass

    likelihood.__class__ = Mine
    assert not tells_power(likelihood)
    likelihood.__class__ = Mine.__mro__[1]
    likelihood.log_likelihood_ratio = lambda parameters=None: 0.0
    assert not tells_power(likelihood)


def test_other_data_have_no_residual() -> None:
    problem = problem_of(
        bilby.core.likelihood.Likelihood(), bilby.core.prior.PriorDict({"a": bilby.core.prior.Uniform(0, 1)})
    )
    assert problem.residual(3.0) is None
    assert problem.farthest_off({}) is None


def test_without_a_finite_likelihood_there_is_no_residual(problem_5d) -> None:
    assert residual_of(problem_5d[0], -np.inf) is None


def test_verdict_says_what_is_surprising_and_that_no_draws_mend_it() -> None:
    surprise = Surprise(1e-4, {RESIDUAL: 3e-5, LOUDNESS: 0.5}, {RESIDUAL: 12.3, LOUDNESS: 100.0})
    verdict = judge(good(), findings=Findings(surprise=surprise))
    assert verdict.grade == "check"
    assert "power left in the data after the best waveform is 12.3" in verdict.reasons[0]
    assert not verdict.mendable
    assert judge(good(), findings=Findings(surprise=surprise, outside=0.95)).mendable
    assert (
        judge(good(), findings=Findings(surprise=Surprise(0.006, {RESIDUAL: 0.006}, {RESIDUAL: 3}))).grade == "reliable"
    )


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models_know_what_their_data_look_like(name: str) -> None:
    null = find_model(name).null
    assert len(null.residuals) >= 500
    assert abs(null.residuals.mean()) < 5 / np.sqrt(len(null.residuals)) + 0.2
    assert np.all(np.diff(null.distances) >= 0)


def test_a_folder_keeps_it_beside_the_weights(null: Null, tmp_path: Path) -> None:
    model = find_model("green2020-5d-gaussian-joint")
    folder = model.save(tmp_path / "model")
    assert (folder / "surprise.safetensors").is_file()
    np.testing.assert_array_equal(TrainedPosterior.load(folder).null.distances, model.null.distances)
    model.null = None
    assert TrainedPosterior.load(model.save(tmp_path / "none")).null is None


def test_noise_of_another_power_is_surprising(problem_5d) -> None:
    """Twice the amplitude that the likelihood assumes."""
    likelihood, priors = problem_5d
    event, _ = inject_signal(problem_of(likelihood, priors), np.random.default_rng(5))
    (interferometer,) = event.interferometers
    interferometer.set_strain_data_from_frequency_domain_strain(
        2 * interferometer.frequency_domain_strain,
        sampling_frequency=interferometer.sampling_frequency,
        duration=interferometer.duration,
        start_time=interferometer.start_time,
    )
    event._noise_log_likelihood_value = None
    bound = find_model("green2020-5d-maf").bind(event, PriorTransform(priors))
    assert bound.surprise(residual_of(event, bound.log_likelihood_found)).p_value < 1e-6
