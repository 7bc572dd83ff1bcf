"""Fresh events: the noise is what the likelihood assumes and the signal what Bilby would inject."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from bilby.core.likelihood import (
    ExponentialLikelihood,
    GaussianLikelihood,
    Likelihood,
    Multinomial,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bilby.core.prior import PriorDict, Uniform

from bilby_flowpe.errors import SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.simulation.injections import draw_signal, inject_signal, optimal_snr, put_data


def test_noise_is_white_of_unit_variance_and_the_signal_is_there(
    problem_5d: tuple, transform_5d: PriorTransform
) -> None:
    likelihood, _ = problem_5d
    residuals = []
    for seed in range(20):
        event, truth = inject_signal(problem_of(likelihood, transform_5d), np.random.default_rng(seed))
        (ifo,) = event.interferometers
        signal = ifo.get_detector_response(event.waveform_generator.frequency_domain_strain(dict(truth)), truth)
        mask = ifo.frequency_mask
        scale = np.sqrt(ifo.power_spectral_density_array[mask] * ifo.duration / 4)
        residuals.append((ifo.frequency_domain_strain - signal)[mask] / scale)
    numbers = np.concatenate(residuals).view(float)
    # Mean and variance of n unit normals scatter by 1/sqrt(n) and sqrt(2/n).
    assert abs(numbers.mean()) < 4 / np.sqrt(numbers.size)
    assert abs(numbers.var() - 1) < 4 * np.sqrt(2 / numbers.size)


def test_the_given_likelihood_is_left_alone_and_seeds_repeat(problem_5d: tuple, transform_5d: PriorTransform) -> None:
    likelihood, _ = problem_5d
    before = likelihood.interferometers[0].frequency_domain_strain.copy()
    noise_evidence = likelihood.noise_log_likelihood()
    one, truth = inject_signal(problem_of(likelihood, transform_5d), np.random.default_rng(1))
    again, same = inject_signal(problem_of(likelihood, transform_5d), np.random.default_rng(1))
    np.testing.assert_array_equal(likelihood.interferometers[0].frequency_domain_strain, before)
    assert truth == same
    assert one.log_likelihood_ratio(truth) == again.log_likelihood_ratio(truth)
    # The noise evidence is that of the new data, not one remembered from the old.
    assert one.noise_log_likelihood() != noise_evidence
    assert transform_5d.satisfies({key: np.array([truth[key]]) for key in transform_5d.keys}).all()


X = np.arange(1, 9)


def level(x: np.ndarray, mu: float) -> np.ndarray:
    return np.full(x.shape, mu)


class Level(Likelihood):
    observed_data = X

    def simulate(self, parameters: dict, rng: np.random.Generator) -> np.ndarray:
        return parameters["mu"] + rng.standard_normal(8)

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return float(-0.5 * np.sum((self.observed_data - parameters["mu"]) ** 2))


@pytest.mark.filterwarnings("ignore:Parameter attribute queried:FutureWarning")
@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (lambda: GaussianLikelihood(X, X, level, 0.5), "y"),
        (lambda: GaussianLikelihood(X, X, level), "y"),
        (lambda: PoissonLikelihood(X, X, level), "y"),
        (lambda: ExponentialLikelihood(X, X, level), "y"),
        (lambda: StudentTLikelihood(X, X, level), "y"),
        (lambda: Multinomial([1, 2], 2, "mu"), "data"),
        (Level, "observed_data"),
    ],
    ids=["gaussian", "unknown noise", "poisson", "exponential", "student-t", "multinomial", "simulate"],
)
def test_data_of_other_kinds(make, attribute: str) -> None:
    likelihood = make()
    priors = {"mu": Uniform(1, 5), "sigma": Uniform(0.1, 1), "nu": Uniform(2, 5), "mu0": Uniform(0, 1)}
    if getattr(likelihood, "sigma", None) == 0.5:
        del priors["sigma"]
    transform = PriorTransform(PriorDict(priors))
    before = np.array(getattr(likelihood, attribute))
    problem = problem_of(likelihood, transform)
    events = [problem.inject(np.random.default_rng(1)) for _ in range(2)]
    (one, truth), (again, same) = ((event.likelihood, truth) for event, truth in events)
    assert all(event.prior is transform and type(event) is type(problem) for event, _ in events)
    np.testing.assert_array_equal(getattr(likelihood, attribute), before)
    assert getattr(one, attribute).shape == before.shape
    assert not np.array_equal(getattr(one, attribute), before)
    assert (truth, one.log_likelihood(truth)) == (same, again.log_likelihood(truth))
    assert np.isfinite(one.log_likelihood(truth))


class Failing:
    """A generator that has no waveform, or one that is no number, for most draws."""

    def __init__(self, generator: Any, value: float | None, limit: float) -> None:
        self.generator, self.value, self.limit = generator, value, limit

    def frequency_domain_strain(self, parameters: dict) -> dict | None:
        strain = self.generator.frequency_domain_strain(parameters)
        if parameters["mass_1"] < self.limit:
            return strain
        if self.value is None:
            return None
        return {mode: np.full_like(series, self.value) for mode, series in strain.items()}


@pytest.mark.parametrize("value", [None, np.nan])
def test_events_are_where_there_is_a_waveform(problem_5d: tuple, transform_5d: PriorTransform, value: Any) -> None:
    likelihood = copy.copy(problem_5d[0])
    limit = float(problem_5d[1]["mass_1"].rescale(0.3))
    likelihood.waveform_generator = Failing(problem_5d[0].waveform_generator, value, limit)
    for seed in range(5):
        truth, strain = draw_signal(problem_of(likelihood, transform_5d), np.random.default_rng(seed))
        assert truth["mass_1"] < limit
        assert all(np.all(np.isfinite(series)) for series in strain.values())
    likelihood.waveform_generator = Failing(problem_5d[0].waveform_generator, value, 0.0)
    with pytest.raises(SimulationError, match="failed for 100 draws"):
        draw_signal(problem_of(likelihood, transform_5d), np.random.default_rng(0))


def test_a_generator_that_raises_is_named(problem_5d: tuple, transform_5d: PriorTransform) -> None:
    class Raising:
        def frequency_domain_strain(self, parameters: dict) -> None:
            raise KeyError("chi_3")

    likelihood = copy.copy(problem_5d[0])
    likelihood.waveform_generator = Raising()
    with pytest.raises(SimulationError, match=r"raised KeyError .'chi_3'.* at .*'mass_1'"):
        draw_signal(problem_of(likelihood, transform_5d), np.random.default_rng(0))


def test_the_signal_to_noise_ratio_is_that_of_the_signal_filtered_with_itself(problem_5d: tuple) -> None:
    likelihood, priors = problem_5d
    event, truth = inject_signal(problem_of(likelihood, priors), np.random.default_rng(3))
    (ifo,) = event.interferometers
    signal = ifo.get_detector_response(event.waveform_generator.frequency_domain_strain(dict(truth)), truth)
    before = event.noise_log_likelihood()
    put_data(event, 0, np.where(ifo.frequency_mask, signal, 0))
    # Data that are the signal itself: ln L against noise is half the squared ratio.
    assert event.log_likelihood_ratio(dict(truth)) == pytest.approx(optimal_snr(event, truth) ** 2 / 2)
    assert event.noise_log_likelihood() == pytest.approx(-(optimal_snr(event, truth) ** 2) / 2)
    assert event.noise_log_likelihood() != before
