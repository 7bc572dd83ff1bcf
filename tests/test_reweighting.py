"""Weighted draws under another prior or likelihood: against runs of their own, and by hand."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import Gaussian, MultivariateGaussian, MultivariateGaussianDist, PowerLaw, PriorDict, Uniform
from bilby.core.result import Result, ResultList
from bilby.core.result import reweight as bilbys_reweight
from scipy.stats import multivariate_normal, norm

from bilby_flowpe.errors import ConfigurationError, DataError, PriorError
from bilby_flowpe.problems import green2020
from bilby_flowpe.results import kept_draws
from bilby_flowpe.reweighting import reweight

X = np.linspace(-1, 1, 25)
DESIGN = np.stack([X, np.ones(25)], axis=-1)
PRIORS = PriorDict({"m": Gaussian(0.0, 1.0), "c": Gaussian(0.0, 2.0)})


def line(x: np.ndarray, m: float, c: float) -> np.ndarray:
    return m * x + c


Y = line(X, 0.8, -0.3) + 0.3 * np.random.default_rng(4).standard_normal(25)


def closed_form(sigma: float, widths: tuple[float, float], means: tuple[float, float] = (0.0, 0.0)) -> float:
    covariance = DESIGN @ np.diag(np.square(widths)) @ DESIGN.T + sigma**2 * np.eye(25)
    return float(multivariate_normal(DESIGN @ np.array(means), covariance).logpdf(Y))


def error_of_independent_rows(result: Result) -> float:
    statistics = result.meta_data["run_statistics"]
    return float(np.sqrt((1 / statistics["efficiency"] - 1) / statistics["n_draws"]))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, measured_briefly: None) -> Result:
    folder = tmp_path_factory.mktemp("reweighting")
    return bilby.run_sampler(
        GaussianLikelihood(X, Y, line, sigma=0.3), copy.deepcopy(PRIORS), sampler="flowpe", outdir=str(folder), label="line",
        cache=str(folder), sampling_seed=2, training_time=None, training_steps=150, hidden_features=32, n_effective=3000,
        progress=False, save=False,
    )  # fmt: skip


def test_nothing_new_is_the_same(result: Result) -> None:
    same = reweight(result)
    assert same.log_evidence == pytest.approx(result.log_evidence, abs=1e-9)
    # That of rows of which nothing else is known: those that a run spreads over the parts of its proposal scatter less.
    assert same.log_evidence_err == pytest.approx(error_of_independent_rows(result), rel=1e-6)
    assert result.log_evidence_err < same.log_evidence_err < 3 * result.log_evidence_err
    # Weights that are nothing next to the rest may be no number at all.
    alive = result.nested_samples["weights"] > 0
    np.testing.assert_allclose(same.nested_samples["weights"], result.nested_samples["weights"][alive], rtol=1e-9)
    assert same.label == "line_reweighted"
    assert same.meta_data["run_statistics"]["verdict"] == "reliable"


@pytest.mark.parametrize(
    ("sigma", "widths", "means"),
    [
        (0.3, (0.7, 2.0), (0.0, 0.0)),
        (0.3, (1.0, 2.0), (0.5, -0.2)),
        (0.33, (1.0, 2.0), (0.0, 0.0)),
        (0.33, (0.7, 1.0), (0.2, 0)),
    ],
)
def test_evidence_and_posterior_are_those_of_the_closed_form(
    result: Result, sigma: float, widths: Any, means: Any
) -> None:
    likelihood = GaussianLikelihood(X, Y, line, sigma=sigma) if sigma != 0.3 else None
    priors = PriorDict({key: Gaussian(mean, width) for key, mean, width in zip("mc", means, widths, strict=True)})
    new = reweight(result, likelihood=likelihood, priors=priors)
    assert new.log_evidence == pytest.approx(closed_form(sigma, widths, means), abs=4 * new.log_evidence_err)
    assert new.log_evidence_err < 0.03
    precision = np.diag(1 / np.square(widths)) + DESIGN.T @ DESIGN / sigma**2
    expected = np.linalg.solve(precision, DESIGN.T @ Y / sigma**2 + np.array(means) / np.square(widths))
    spread = np.sqrt(np.diag(np.linalg.inv(precision)))
    for table, weights in ((new.nested_samples, new.nested_samples["weights"]), (new.posterior, None)):
        mean = np.average(table[["m", "c"]], axis=0, weights=weights)
        # Of 1000 draws and more.
        np.testing.assert_allclose(mean, expected, atol=4 * spread.max() / np.sqrt(1000))
    row = new.posterior.iloc[0]
    of_row = GaussianLikelihood(X, Y, line, sigma=sigma).log_likelihood({key: float(row[key]) for key in "mc"})
    assert row["log_likelihood"] == pytest.approx(of_row)
    assert row["log_prior"] == pytest.approx(sum(float(priors[key].ln_prob(row[key])) for key in "mc"))


def test_a_joint_prior(result: Result) -> None:
    """Given, and then that of a result."""
    covariance = np.array([[0.8, 0.3], [0.3, 0.5]])
    dist = MultivariateGaussianDist(["m", "c"], mus=[[0.3, -0.1]], covs=[covariance])
    joint = PriorDict({key: MultivariateGaussian(dist, key) for key in "mc"})
    of_data = DESIGN @ covariance @ DESIGN.T + 0.3**2 * np.eye(25)
    expected = float(multivariate_normal(DESIGN @ np.array([0.3, -0.1]), of_data).logpdf(Y))
    new = reweight(result, priors=joint)
    assert new.log_evidence == pytest.approx(expected, abs=4 * new.log_evidence_err)
    rows = new.posterior[["m", "c"]].to_numpy()
    of_prior = multivariate_normal([0.3, -0.1], covariance).logpdf(rows)
    np.testing.assert_allclose(new.posterior["log_prior"], of_prior, atol=1e-9)
    again = reweight(new, likelihood=GaussianLikelihood(X, Y, line, sigma=0.3))
    assert again.log_evidence == pytest.approx(new.log_evidence, abs=1e-9)


def test_a_plain_dictionary_of_priors_will_do(result: Result) -> None:
    """Plain tables of priors are taken, as by ``bilby.run_sampler``."""
    table = dict(copy.deepcopy(PRIORS))
    assert reweight(result, priors=table).log_evidence == reweight(result, priors=PriorDict(table)).log_evidence


def test_draws_without_a_value_count_for_nothing(result: Result) -> None:
    """A likelihood that fails here and there, in the new one and in the old."""
    table = result.nested_samples
    light, heavy = (
        int(table["weights"].where(table["weights"] > 0).argmin()),
        table["weights"].nlargest(len(table) // 2).index,
    )
    likelihood = GaussianLikelihood(X, Y, line, sigma=0.33)
    spoilt = copy.copy(result)
    spoilt.nested_samples = table.copy()
    spoilt.nested_samples.loc[light, "log_likelihood"] = -np.inf
    assert reweight(spoilt, likelihood).log_evidence == pytest.approx(
        reweight(result, likelihood).log_evidence, abs=1e-3
    )
    spoilt.nested_samples.loc[heavy, "log_likelihood"] = -np.inf
    with pytest.raises(DataError, match="no finite log_likelihood"):
        reweight(spoilt, likelihood)

    class Half(GaussianLikelihood):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return super().log_likelihood(parameters) if parameters["m"] > 0.8 else -np.inf

    half = reweight(result, Half(X, Y, line, sigma=0.3))
    share = np.sum(table["weights"][table["m"] > 0.8])
    assert half.log_evidence == pytest.approx(result.log_evidence + np.log(share), abs=1e-9)
    assert half.posterior["m"].min() > 0.8


def test_priors_of_what_was_integrated_out_are_put_back_by_bilby(result: Result) -> None:
    """Bilby's conversion puts them back into the result; there are no draws of them."""
    marginal = copy.copy(result)
    marginal.priors = result.priors.copy()
    marginal.priors["luminosity_distance"] = PowerLaw(2, 100, 3000, name="luminosity_distance")
    statistics = {**result.meta_data["run_statistics"], "marginalised": ["luminosity_distance"]}
    marginal.meta_data = {"run_statistics": statistics}
    same = reweight(marginal, priors=marginal.priors.copy())
    assert same.log_evidence == pytest.approx(result.log_evidence, abs=1e-6)
    other = marginal.priors.copy()
    other["luminosity_distance"] = PowerLaw(2, 100, 1500, name="luminosity_distance")
    with pytest.raises(PriorError, match="marginalised over"):
        reweight(marginal, priors=other)


def test_likelihoods_of_other_marginalisations_are_refused(result: Result) -> None:
    """Their values are not of the same thing: the draws would be weighted by nonsense."""
    plain, priors = green2020(5, seed=1)
    over_phase = bilby.gw.GravitationalWaveTransient(
        plain.interferometers, plain.waveform_generator, phase_marginalization=True, priors=priors.copy()
    )
    with pytest.raises(DataError, match=r"marginalised over \['phase'\], but that of the result over \[\]"):
        reweight(result, likelihood=over_phase)
    marginal = copy.copy(result)
    marginal.meta_data = {"run_statistics": {**result.meta_data["run_statistics"], "marginalised": ["phase"]}}
    with pytest.raises(DataError, match=r"over \[\], but that of the result over \['phase'\]"):
        reweight(marginal, likelihood=plain)


def test_bilbys_own_reweighting_agrees(result: Result) -> None:
    """Bilby's reweighting works on weighted draws if no parameter is fixed and the prior stays."""
    likelihood = GaussianLikelihood(X, Y, line, sigma=0.33)
    bilby.core.utils.random.seed(1)
    theirs = bilbys_reweight(copy.deepcopy(result), new_likelihood=likelihood, use_nested_samples=True)
    assert theirs.log_evidence == pytest.approx(reweight(result, likelihood=likelihood).log_evidence, abs=1e-9)


def test_draws_that_do_not_reach_are_found_out(result: Result) -> None:
    far = PriorDict({"m": Gaussian(3.0, 0.02), "c": Gaussian(0.0, 2.0)})
    new = reweight(result, priors=far)
    assert new.meta_data["run_statistics"]["verdict"] == "failed"


def test_the_result_is_left_as_it_was(result: Result) -> None:
    before = copy.deepcopy(result.nested_samples), result.log_evidence, len(result.posterior)
    reweight(result, priors=PriorDict({"m": Gaussian(0.5, 1.0), "c": Gaussian(0.0, 2.0)}))
    assert result.nested_samples.equals(before[0])
    assert (result.log_evidence, len(result.posterior)) == before[1:]


@pytest.mark.training
def test_a_prior_that_reaches_beyond_is_refused(measured_briefly: None, tmp_path: Path) -> None:
    """Half of its posterior is where no draw is, which no weight can tell."""
    likelihood = GaussianLikelihood(np.zeros(1), np.ones(1), lambda x, mu: mu + 0 * x, sigma=0.3)
    inside = bilby.run_sampler(
        likelihood, PriorDict({"mu": Uniform(0, 1)}), sampler="flowpe", outdir=str(tmp_path), cache=str(tmp_path), label="half",
        sampling_seed=2, training_time=None, training_steps=100, hidden_features=32, n_effective=500, progress=False,
        save=False,
    )  # fmt: skip
    for wider in (Uniform(0, 2), Gaussian(1, 1)):
        with pytest.raises(PriorError, match="lies outside those of the result 'half'"):
            reweight(inside, priors=PriorDict({"mu": wider}))
    narrower = reweight(inside, priors=PriorDict({"mu": Uniform(0.5, 1)}))
    exact = np.log(2 * (norm.cdf(1, 1, 0.3) - norm.cdf(0.5, 1, 0.3)))
    assert narrower.log_evidence == pytest.approx(exact, abs=5 * narrower.log_evidence_err)


@pytest.mark.parametrize("grade", ["check", "failed"])
def test_what_was_wrong_with_the_draws_stays_wrong(result: Result, grade: str) -> None:
    doubted = copy.copy(result)
    statistics = {**result.meta_data["run_statistics"], "verdict": grade, "reasons": ["a mode may be missing"]}
    doubted.meta_data = {"run_statistics": statistics}
    for new in (reweight(doubted), reweight(doubted, likelihood=GaussianLikelihood(X, Y, line, sigma=0.33))):
        assert new.meta_data["run_statistics"]["verdict"] == grade
        assert "of the run itself: a mode may be missing" in new.meta_data["run_statistics"]["reasons"]


def test_a_likelihood_that_is_no_number_is_told(result: Result) -> None:
    class Broken(GaussianLikelihood):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return super().log_likelihood(parameters) if parameters["m"] > 0.8 else np.nan

    new = reweight(result, Broken(X, Y, line, sigma=0.3))
    assert new.meta_data["run_statistics"]["verdict"] == "failed"


def log_normal(distance: float) -> float:
    return -0.5 * (distance / 0.3) ** 2 - math.log(0.3 * math.sqrt(2 * math.pi))


def fixed_result(tmp_path: Path, least: float | None = None) -> Result:
    class Bump(Likelihood):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            if least is not None and parameters["x"] < least:
                return -np.inf
            return log_normal(parameters["x"] - parameters["b"])

    return bilby.run_sampler(
        Bump(), PriorDict({"x": Uniform(-5, 5), "b": 0.0}), sampler="flowpe", n_effective=300, label="bump",
        outdir=str(tmp_path), sampling_seed=1, progress=False, save=False,
    )  # fmt: skip


@pytest.mark.training
def test_likelihoods_are_of_the_values_that_were_fixed(tmp_path: Path) -> None:
    before = fixed_result(tmp_path)
    for other in ({"b": 3.0}, {}):
        with pytest.raises(PriorError, match="priors fix"):
            reweight(before, priors=PriorDict({"x": Uniform(-5, 5), **other}))
    reweight(before, priors=PriorDict({"x": Uniform(-4, 4), "b": 0.0}))


@pytest.mark.slow
def test_what_had_no_likelihood_is_missed_and_told(tmp_path: Path) -> None:
    class Whole(Likelihood):
        def log_likelihood(self, parameters: dict | None = None) -> float:
            return log_normal(parameters["x"])

    new = reweight(fixed_result(tmp_path, least=0.0), likelihood=Whole())
    assert new.meta_data["run_statistics"]["verdict"] != "reliable"
    assert any("had no likelihood in the result" in reason for reason in new.meta_data["run_statistics"]["reasons"])


def test_merged_results_and_other_things_are_refused_in_words(result: Result) -> None:
    merged = ResultList([copy.copy(result), copy.copy(result)]).combine()
    merged.log_evidence += 0.1
    merged.log_bayes_factor += 0.1
    with pytest.raises(DataError, match="reweight the single runs, and merge them then"):
        reweight(merged)
    with pytest.raises(ConfigurationError, match="seed='q'"):
        reweight(result, seed="q")
    with pytest.raises(DataError, match="likelihood=3"):
        reweight(result, likelihood=3)


@pytest.mark.parametrize("value", [None, "one", 1j, [1.0, 2.0]])
def test_a_likelihood_of_no_number_at_all(result: Result, value: Any) -> None:
    class Odd(Likelihood):
        def log_likelihood(self, parameters: dict | None = None) -> Any:
            return value

    with pytest.raises(DataError, match="let it return one real number"):
        reweight(result, likelihood=Odd())


def test_refusals(result: Result) -> None:
    without = copy.copy(result)
    without.nested_samples = None
    with pytest.raises(DataError, match="no weighted draws"):
        reweight(without)
    for wrong in ({"npool": "two"}, {"n_posterior": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            reweight(result, **wrong)
    with pytest.raises(PriorError, match=r"search for \['m'\]"):
        reweight(result, priors=PriorDict({"m": Uniform(0, 1), "c": 0.0}))
    bare = copy.copy(result)
    bare.meta_data = {}
    with pytest.raises(DataError, match="no weighted draws"):
        reweight(bare)


def thinned(result: Result, asked: int, rows: int = 400) -> Result:
    """The first rows, as those that were kept of ten times as many draws."""
    found = copy.deepcopy(result)
    found.nested_samples = found.nested_samples.iloc[:rows].reset_index(drop=True)
    found.meta_data["run_statistics"] |= {"n_draws": 10 * rows, "n_kept": rows, "n_finite": rows, "n_outside_prior": 0}
    found.sampler_kwargs = {**found.sampler_kwargs, "n_effective": asked}
    return found


@pytest.mark.training
def test_draws_that_were_thinned_are_still_so_afterwards(result: Result) -> None:
    """Draws that were not kept are neither weights of zero nor draws without a likelihood, however often it is reweighted."""
    once = reweight(thinned(result, 300))
    assert kept_draws(once).n_without_likelihood == 0
    again = reweight(once, likelihood=GaussianLikelihood(X, Y, line, sigma=0.3))
    assert not any("had no likelihood" in reason for reason in again.meta_data["run_statistics"]["reasons"])
    assert again.meta_data["run_statistics"]["n_kept"] == 400


@pytest.mark.training
@pytest.mark.parametrize(("asked", "told"), [(300, False), (3000, True)])
def test_as_many_effective_draws_as_were_asked_for_are_enough(result: Result, asked: int, told: bool) -> None:
    statistics = reweight(thinned(result, asked)).meta_data["run_statistics"]
    assert 300 < statistics["effective_sample_size"] <= 400
    assert any(reason.startswith("the number of effective draws") for reason in statistics["reasons"]) is told
