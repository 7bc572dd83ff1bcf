"""Problems asked in another form than networks know: weights made by hand with the user's own likelihood and priors."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import (
    Constraint,
    Cosine,
    DeltaFunction,
    MultivariateGaussian,
    MultivariateGaussianDist,
    PriorDict,
    Sine,
    Uniform,
)
from bilby.gw.detector.calibration import CubicSpline
from bilby.gw.likelihood import BasicGravitationalWaveTransient, GravitationalWaveTransient
from bilby.gw.prior import CalibrationPriorDict
from bilby.gw.source import lal_binary_black_hole
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bilby_flowpe.errors import PriorError
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.proposals.mixture import Draws, flow_alone
from bilby_flowpe.sampling.weighing import Target
from bilby_flowpe.sampling.weighted import WeightedDraws
from bilby_flowpe.translation.steps import AskedWithCalibration
from bilby_flowpe.translation.translate import translated
from bilby_flowpe.translation.translated import Translated, as_it_stands
from tests.approximations import generator_of, multibanded, relatively_binned

Trained = tuple[Path, TrainedPosterior]
Problem = tuple[Likelihood, PriorDict]
SEED, SIZE = 4, 300


def at_detector(likelihood: Any, priors: PriorDict) -> Problem:
    """The time that of the detector; the sky position is fixed."""
    asked = GravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator, time_reference="H1")
    centre = priors.pop("geocent_time")
    delay = asked.reference_ifo.time_delay_from_geocenter(priors["ra"].peak, priors["dec"].peak, centre.minimum)
    priors["H1_time"] = Uniform(centre.minimum + delay + 0.01, centre.maximum + delay - 0.01)
    return asked, priors


def few_frequencies(likelihood: Any, priors: PriorDict) -> Problem:
    return multibanded(copy.deepcopy(likelihood), priors), priors


def basic(likelihood: Any, priors: PriorDict) -> Problem:
    return BasicGravitationalWaveTransient(likelihood.interferometers, likelihood.waveform_generator), priors


def calibrated(likelihood: Any, priors: PriorDict) -> Problem:
    interferometers = copy.deepcopy(likelihood.interferometers)
    interferometers[0].calibration_model = CubicSpline("recalib_H1_", 20, 512, 4)
    priors.update(CalibrationPriorDict.constant_uncertainty_spline(0.05, 0.03, 20, 512, 4, "H1"))
    return GravitationalWaveTransient(interferometers, likelihood.waveform_generator), priors


def jointly(likelihood: Any, priors: PriorDict) -> Problem:
    time = priors["geocent_time"]
    middle = 0.5 * (time.minimum + time.maximum)
    keys = ["luminosity_distance", "geocent_time"]
    dist = MultivariateGaussianDist(
        keys,
        mus=[[2000.0, middle]],
        sigmas=[[300.0, 0.04]],
        corrcoefs=[[[1.0, 0.6], [0.6, 1.0]]],
        bounds=[(1000.0, 3000.0), (time.minimum, time.maximum)],
    )
    for key in keys:
        priors[key] = MultivariateGaussian(dist, key)
    return likelihood, priors


def marginal(likelihood: Any, priors: PriorDict) -> Problem:
    asked = GravitationalWaveTransient(
        likelihood.interferometers,
        likelihood.waveform_generator,
        priors=priors,
        phase_marginalization=True,
        time_marginalization=True,
    )
    # As every sampler of Bilby's does with the values that the likelihood leaves there.
    priors.convert_floats_to_delta_functions()
    return asked, priors


FORMS = {form.__name__: form for form in (at_detector, few_frequencies, basic, calibrated, jointly, marginal)}


class Case:
    """A form of the five-parameter problem, its translation, and draws of a model for it."""

    def __init__(self, form: str, problem: Problem, model: TrainedPosterior) -> None:
        self.given, self.priors = FORMS[form](problem[0], copy.deepcopy(problem[1]))
        self.translation = translated(self.given, self.priors)
        self.bound = model.bind(self.translation.problem.likelihood, self.translation.problem.prior)
        self.draws: Draws = flow_alone(self.bound).draw(SIZE, np.random.default_rng(SEED))

    def weigh(self, translation: Translated | None = None) -> tuple[Target, WeightedDraws]:
        target = Target(translation or self.translation, True, self.bound.conditional)
        return target, target.weigh(self.draws, np.random.default_rng(SEED))


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(form: str, problem_5d: Problem, trained_network_5d: Trained) -> Case:
    """A model that draws all parameters by the network."""
    return Case(form, problem_5d, trained_network_5d[1])


def log_prior_by_hand(priors: PriorDict, row: dict[str, float]) -> float:
    """The sum of the user's own priors, normalised over mass_1 >= mass_2; joint ones by their closed form."""
    total, joint = np.log(2.0), None
    for key, prior in priors.items():
        if isinstance(prior, MultivariateGaussian):
            joint = prior.dist
        elif not isinstance(prior, Constraint | DeltaFunction):
            total += float(prior.ln_prob(row[key]))
    if joint is not None:
        total += multivariate_normal(joint.mus[0], joint.covs[0]).logpdf([row[key] for key in joint.names])
    return total


def log_ratio_of_errors(case: Case) -> np.ndarray:
    """Log prior over density (N,) of the errors of the calibration that a case's draws come with, as their step says it."""
    kept = np.full(SIZE, np.nan)
    take = AskedWithCalibration.take

    def spied(step: Any, batch: Any, chosen: np.ndarray, *others: Any) -> Any:
        before = batch.log_likelihood[chosen]
        increment = take(step, batch, chosen, *others)
        kept[chosen] = increment.log_weight - (increment.log_likelihood - before)
        return increment

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AskedWithCalibration, "take", spied)
        case.weigh()
    return kept


def test_weights_by_hand(network: Case, form: str) -> None:
    _, weighted = network.weigh()
    translation = network.translation
    reported = translation.reported(weighted.columns)
    assert list(reported) == [
        key for key, prior in network.priors.items() if not isinstance(prior, Constraint | DeltaFunction)
    ]
    alive = np.flatnonzero(np.isfinite(weighted.log_weights))
    assert len(alive) > SIZE // 20
    # Bounds cut 1.3% off the joint prior; what normalises it is known from 50000 draws to a per cent and less.
    tolerance = 0.03 if form == "jointly" else 2e-6
    of_errors = log_ratio_of_errors(network)
    for index in alive[:60]:
        row = {**translation.fixed, **{key: float(value[index]) for key, value in reported.items()}}
        # Integrated out: drawn like the rest, and put back for the likelihood that integrates nothing.
        row |= {key: float(weighted.parameters[key][index]) for key in translation.dropped}
        priors = {**network.priors, **{key: translation.problem.prior.priors[key] for key in translation.dropped}}
        priors.pop("time_jitter", None)
        log_likelihood = translation.asked.log_likelihood_ratio(dict(row))
        expected = log_likelihood + log_prior_by_hand(priors, row) - network.draws.log_q[index]
        if errors := translation.calibration.priors:
            # Of the calibration's errors, prior over density; its closed form has a test of its own.
            expected -= sum(float(prior.ln_prob(row[key])) for key, prior in errors.items())
            expected += of_errors[index]
        assert weighted.log_likelihood[index] == pytest.approx(log_likelihood, abs=1e-6)
        assert weighted.log_weights[index] == pytest.approx(expected, abs=tolerance)


def test_what_comes_back_is_of_the_problem_asked(network: Case, form: str) -> None:
    target, weighted = network.weigh()
    parameters, log_likelihood, log_prior = target.asked(weighted)
    translation = network.translation
    tolerance = 0.03 if form == "jointly" else 2e-6
    for index in np.flatnonzero(np.isfinite(weighted.log_weights))[:20]:
        row = {**translation.fixed, **{key: float(value[index]) for key, value in parameters.items()}}
        assert log_likelihood[index] == pytest.approx(network.given.log_likelihood_ratio(dict(row)), abs=1e-6)
        assert log_prior[index] == pytest.approx(log_prior_by_hand(network.priors, row), abs=tolerance)


# A joint prior is no matter of the likelihood: its cover of the distance is not the prior in training.
@pytest.mark.parametrize("form", sorted({*FORMS} - {"jointly"}))
def test_conditional_draws_are_corrected(form: str, problem_5d: Problem, trained_5d: Trained) -> None:
    """Weights of draws from the plain likelihood's conditional include the difference of the likelihoods."""
    case = Case(form, problem_5d, trained_5d[1])
    target, weighted = case.weigh()
    # Where another likelihood weighs them, a twentieth of the distances is drawn from the prior.
    conditional = case.bound.conditional.defended(0.05) if case.translation.corrects else case.bound.conditional
    plain = Target(as_it_stands(case.translation.problem), True, conditional).weigh(
        case.draws, np.random.default_rng(SEED)
    )
    for key, value in plain.parameters.items():
        if not case.translation.calibration:
            np.testing.assert_array_equal(weighted.parameters[key], value)
    alive = np.flatnonzero(np.isfinite(weighted.log_weights))
    rows = case.translation.rows({key: value[alive] for key, value in weighted.columns.items()})
    asked = np.array([case.translation.asked.log_likelihood_ratio(dict(row)) for row in rows])
    np.testing.assert_allclose(weighted.log_likelihood[alive], asked, atol=2e-3)
    if not case.translation.calibration:
        expected = plain.log_weights[alive] + asked - plain.log_likelihood[alive]
        expected += case.translation.forms.log_ratio(weighted.parameters)[alive]
        np.testing.assert_allclose(weighted.log_weights[alive], expected, atol=2e-3)
    assert target.meter.n_likelihood > 0


@pytest.mark.slow
def test_weights_are_bilbys_own_marginal_likelihood(problem_5d: Problem, trained_5d: Trained, tmp_path: Path) -> None:
    """If phase, distance and time are drawn from their conditional, a weight is their integral: Bilby's, on its own grids."""
    likelihood, priors = problem_5d
    priors = copy.deepcopy(priors)
    given = GravitationalWaveTransient(
        likelihood.interferometers,
        likelihood.waveform_generator,
        priors=priors,
        time_marginalization=True,
        phase_marginalization=True,
        distance_marginalization=True,
        distance_marginalization_lookup_table=str(tmp_path / "table.npz"),
    )
    priors.convert_floats_to_delta_functions()
    translation = translated(given, priors)
    bound = trained_5d[1].bind(translation.problem.likelihood, translation.problem.prior)
    draws = flow_alone(bound).draw(SIZE, np.random.default_rng(SEED))
    target = Target(translation, True, bound.conditional)
    weighted = target.weigh(draws, np.random.default_rng(SEED))
    parameters = translation.reported(weighted.columns)
    assert set(parameters) == {"mass_1", "mass_2", "time_jitter"}
    jitter = priors["time_jitter"]
    assert np.all((parameters["time_jitter"] >= jitter.minimum) & (parameters["time_jitter"] <= jitter.maximum))
    # Bilby's sum is over times 2 ms apart; the jitter's average makes an integral of it, here in steps of a tenth of its width.
    steps = jitter.rescale((np.arange(60) + 0.5) / 60)
    alive = np.flatnonzero(np.isfinite(weighted.log_weights))
    differences = []
    for index in alive[:20]:
        row = {**translation.fixed, **{key: float(parameters[key][index]) for key in ("mass_1", "mass_2")}}
        values = [given.log_likelihood_ratio({**row, "time_jitter": float(step)}) for step in steps]
        of_masses = sum(float(priors[key].ln_prob(row[key])) for key in ("mass_1", "mass_2")) + np.log(2)
        expected = logsumexp(values) - np.log(len(values)) + of_masses - draws.log_q[index]
        differences.append(weighted.log_weights[index] - expected)
    # The table that Bilby looks the distance's integral up in is good to a few thousandths.
    np.testing.assert_allclose(differences, 0.0, atol=0.02)


def test_plain_problems_are_left_alone(problem_5d: Problem) -> None:
    assert translated(*problem_5d).is_asked
    gaussian = GaussianLikelihood(np.arange(5.0), np.arange(5.0), lambda x, a: a * x, sigma=1.0)
    assert translated(gaussian, PriorDict({"a": Uniform(0, 1)})).is_asked


@pytest.mark.training
def test_sky_of_two_detectors(problem_hl: Problem) -> None:
    given, priors = problem_hl
    asked = GravitationalWaveTransient(
        given.interferometers, given.waveform_generator, reference_frame="H1L1", time_reference="L1"
    )
    changed = priors.copy()
    time = changed.pop("geocent_time")
    for key in ("ra", "dec"):
        changed.pop(key)
    changed["zenith"], changed["azimuth"] = Sine(), Uniform(0, 2 * np.pi)
    changed["L1_time"] = Uniform(time.minimum, time.maximum)
    translation = translated(asked, changed)
    assert isinstance(translation.problem.prior.priors["dec"], Cosine)
    draws = translation.problem.prior.sample(50, np.random.default_rng(1))
    rows = translation.rows(draws)
    for index, row in enumerate(rows):
        plain = {**translation.problem.prior.fixed, **{key: float(value[index]) for key, value in draws.items()}}
        assert {"zenith", "azimuth", "L1_time"} <= set(row)
        # Of an SNR of 20 and less the 2e-7 s that a double resolves of a GPS time make up 1e-3 of a radian and less.
        assert asked.log_likelihood_ratio(dict(row)) == pytest.approx(
            given.log_likelihood_ratio(dict(plain)), rel=1e-3, abs=0.05
        )


class Bell(Likelihood):
    """A black box: a normal density of two parameters."""

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return -0.5 * ((parameters["a"] - 1.0) ** 2 + (parameters["b"] + 0.5) ** 2) / 0.25


@pytest.mark.training
def test_evidence_under_a_joint_prior(tmp_path: Path) -> None:
    """The integral of a normal likelihood over a correlated normal prior is known."""
    mean, covariance = np.array([0.5, 0.0]), np.array([[1.0, 0.8], [0.8, 1.0]])
    dist = MultivariateGaussianDist(["a", "b"], mus=[mean], covs=[covariance])
    priors = PriorDict({key: MultivariateGaussian(dist, key) for key in "ab"})
    result = bilby.run_sampler(
        Bell(), priors, sampler="flowpe", outdir=str(tmp_path), sampling_seed=1, n_effective=2000, progress=False
    )
    exact = multivariate_normal(mean, covariance + 0.25 * np.eye(2)).logpdf([1.0, -0.5]) + np.log(2 * np.pi * 0.25)
    assert result.log_evidence_err < 0.05
    assert result.log_evidence == pytest.approx(exact, abs=4 * result.log_evidence_err)
    posterior = np.linalg.inv(np.linalg.inv(covariance) + np.eye(2) / 0.25)
    weights = result.nested_samples["weights"].to_numpy()
    rows = result.nested_samples[["a", "b"]].to_numpy()
    measured = np.cov(rows.T, aweights=weights)
    # A variance from 2000 effective draws is known to a thirtieth.
    np.testing.assert_allclose(measured, posterior, atol=4 * posterior[0, 0] * np.sqrt(2 / 2000))


def stands_as_it_is(translation: Translated, given: Likelihood, priors: PriorDict, said: str) -> None:
    """The likelihood is a function of what the user searches for, and its value the weight."""
    assert translation.obstacle is not None
    assert said in translation.obstacle
    assert translation.problem.likelihood is translation.asked is translation.given is given
    assert not translation.corrects
    assert translation.dropped == ()
    assert {*translation.keys} == {*translation.problem.prior.keys} == {*priors.non_fixed_keys}
    rows = translation.rows(translation.problem.prior.sample(3, np.random.default_rng(0)))
    assert all({*row} == {*translation.keys, *translation.fixed} for row in rows)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"time_marginalization": True, "jitter_time": False}, "no time_jitter"),
        ({"phase_marginalization": True, "approximant": "IMRPhenomXHM"}, "does not depend on the phase like"),
        ({"phase_marginalization": True, "phase": Uniform(0, 1)}, "not uniform over a multiple of pi"),
    ],
)
def test_marginalisations_that_are_no_integral_of_the_waveform_stand_as_they_are(
    problem_8d: Problem, changes: dict[str, Any], said: str
) -> None:
    likelihood, priors = problem_8d
    priors = copy.deepcopy(priors)
    flags = dict(changes)
    generator = likelihood.waveform_generator
    if approximant := flags.pop("approximant", None):
        generator = generator_of(likelihood, lal_binary_black_hole, waveform_approximant=approximant)
    if phase := flags.pop("phase", None):
        priors["phase"] = phase
    given = GravitationalWaveTransient(likelihood.interferometers, generator, priors=priors, **flags)
    priors.convert_floats_to_delta_functions()
    stands_as_it_is(translated(given, priors), given, priors, said)


def test_relative_binning_around_no_signal_stands_as_it_is(problem_5d: Problem) -> None:
    likelihood, priors = problem_5d
    priors = copy.deepcopy(priors)
    given = relatively_binned(likelihood, priors, time_marginalization=True, jitter_time=False)
    priors.convert_floats_to_delta_functions()
    stands_as_it_is(translated(given, priors), given, priors, "at the start of the data")


def test_no_draw_inside_the_prior(network: Case) -> None:
    """A batch may be empty of rows with weight, whatever the form."""
    target, _ = network.weigh()
    outside = replace(network.draws, inside=np.zeros(SIZE, dtype=bool))
    weighted = target.weigh(outside, np.random.default_rng(SEED))
    assert np.all(np.isneginf(weighted.log_weights))
    _, log_likelihood, _ = target.asked(weighted)
    assert np.all(np.isneginf(log_likelihood))


def test_refusals(problem_5d: Problem) -> None:
    likelihood, priors = problem_5d
    tied = copy.deepcopy(priors)
    dist = MultivariateGaussianDist(["mass_1", "mass_2"], mus=[[60.0, 50.0]], covs=[[[9.0, 1.0], [1.0, 9.0]]])
    for key in dist.names:
        tied[key] = MultivariateGaussian(dist, key)
    with pytest.raises(PriorError, match="tied to others, by a constraint"):
        translated(likelihood, tied)
    given, lost = marginal(likelihood, copy.deepcopy(priors))
    given.priors = PriorDict({"phase": 0.0})
    stands_as_it_is(translated(given, lost), given, lost, "has no prior")
    at_another = GravitationalWaveTransient(
        likelihood.interferometers, likelihood.waveform_generator, time_reference="L1"
    )
    # Without a time at L1 Bilby takes the geocentric one: nothing stands in the way.
    assert translated(at_another, priors).obstacle is None
    timeless = PriorDict({key: prior for key, prior in priors.items() if key != "geocent_time"})
    stands_as_it_is(translated(at_another, timeless), at_another, timeless, "lack 'L1_time'")
