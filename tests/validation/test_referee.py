"""Referees: settings by name, runs that are not to be believed, results that are not of one problem."""

from __future__ import annotations

import copy
from pathlib import Path

import bilby
import numpy as np
import pandas as pd
import pytest
from bilby.core.likelihood import GaussianLikelihood
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result
from bilby.core.sampler.base_sampler import SamplerNotInstalledError
from scipy.stats import kstest

from bilby_flowpe.errors import ConfigurationError, DataError, SimulationError
from bilby_flowpe.kinds import problem_of
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.translation.frames import Frame
from bilby_flowpe.validation.marginalised import marginalised, reconstructed
from bilby_flowpe.validation.referee import (
    REFEREES,
    obstacle,
    run_referee,
    same_problem,
    settings_of,
    thinned,
)


def result(**changes) -> Result:
    made = Result(
        label="made",
        search_parameter_keys=["a"],
        priors=PriorDict({"a": Uniform(0, 1)}),
        posterior=pd.DataFrame({"a": np.linspace(0, 1, 100)}),
        log_evidence=1.0,
        log_evidence_err=0.1,
        log_noise_evidence=-500.0,
        meta_data={"likelihood": {"waveform_arguments": {"approximant": "A"}}},
    )
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def chains(time: float, steps: int = 1000) -> Result:
    """Imitate the result of an ensemble sampler."""
    made = result(log_evidence=np.nan, log_evidence_err=np.nan, nburn=0)
    made.max_autocorrelation_time = time
    made.walkers = np.zeros((10, steps, 1))
    return made


def test_settings_by_name() -> None:
    for name, settings in REFEREES.items():
        assert settings_of(name) == settings
    assert settings_of("nestle") == {"sampler": "nestle"}
    for name in ("dinasty", "flowpe", "fake_sampler"):
        with pytest.raises(ConfigurationError, match=f"referee='{name}'"):
            settings_of(name)


def test_a_run_that_ended_by_its_rule_is_used() -> None:
    assert obstacle(result()) is None
    assert obstacle(chains(time=40.0)) is None


@pytest.mark.parametrize(
    ("referee", "word"),
    [
        (result(posterior=pd.DataFrame({"a": []})), "no posterior"),
        (result(log_evidence=np.nan), "neither an evidence nor chains"),
        (chains(time=60.0), "autocorrelation time of 60 steps: not converged"),
        (chains(time=np.nan), "not converged"),
        (result(sampler_kwargs={"maxiter": 10}), "stopped by maxiter=10"),
        (result(meta_data={"run_statistics": {"verdict": "failed"}}), "its own verdict is failed"),
    ],
)
def test_a_run_that_is_not_to_be_believed_says_why(referee: Result, word: str) -> None:
    assert word in obstacle(referee)


def test_chains_are_thinned_to_one_row_an_autocorrelation_time() -> None:
    assert len(thinned(chains(time=9.5)).posterior) == 10
    assert len(thinned(result()).posterior) == 100


def test_results_of_one_problem_pass() -> None:
    same_problem(result(), result(log_evidence=3.0))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"priors": PriorDict({"a": Uniform(0, 2)})}, "different priors of a"),
        ({"search_parameter_keys": ["b"]}, "different parameters"),
        ({"priors": PriorDict({"a": Uniform(0, 1), "b": 0.5})}, "different priors of b"),
        ({"meta_data": {"likelihood": {"waveform_arguments": {"approximant": "B"}}}}, "different waveform_arguments"),
        ({"log_noise_evidence": -501.0}, "different data"),
    ],
)
def test_results_of_other_problems_are_refused(change: dict, word: str) -> None:
    with pytest.raises(DataError, match=word):
        same_problem(result(), result(**change))


def test_a_referee_that_is_not_installed_is_said(problem_5d, tmp_path: Path, monkeypatch) -> None:
    def missing(*arguments, **kwargs):
        raise SamplerNotInstalledError("no such module")

    monkeypatch.setattr("bilby.run_sampler", missing)
    with pytest.raises(ConfigurationError, match="referee='ultranest' is not installed"):
        run_referee("ultranest", *problem_5d, tmp_path, "label", 1, 7)


@pytest.mark.training
def test_what_is_integrated_out_is_drawn_again(problem_5d, tmp_path: Path) -> None:
    """The phase by Bilby's own likelihood, and by our exact conditional: independent roads to one marginal."""
    likelihood, priors = problem_5d
    whole = bilby.run_sampler(
        likelihood, priors.copy(), sampler="flowpe", model="green2020-5d-maf", outdir=str(tmp_path), label="whole",
        n_effective=3000, n_posterior=1500, sampling_seed=1, progress=False, save=False,
    )  # fmt: skip
    other, fewer = marginalised(problem_of(likelihood, priors), ("phase",), tmp_path)
    bare = copy.copy(whole)
    bare.posterior = whole.posterior[[key for key in whole.posterior if key != "phase"]].assign(phase=0.0)
    bare.search_parameter_keys = [key for key in whole.search_parameter_keys if key != "phase"]
    bare.fixed_parameter_keys, bare.priors = [*whole.fixed_parameter_keys, "phase"], fewer
    again = reconstructed(bare, other, priors, npool=1, seed=2)
    same_problem(whole, again)
    assert set(again.search_parameter_keys) == set(whole.search_parameter_keys)
    assert kstest(again.posterior["phase"], whole.posterior["phase"]).pvalue > 1e-3
    # With the others as they were: the two correlate alike.
    assert np.array_equal(again.posterior["mass_1"], whole.posterior["mass_1"])
    angle = [np.cos(2 * one.posterior["phase"] - 2 * whole.posterior["phase"].mean()) for one in (again, whole)]
    shift = [np.corrcoef(cosine, whole.posterior["geocent_time"])[0, 1] for cosine in angle]
    assert shift[0] == pytest.approx(shift[1], abs=5 * np.sqrt(2 / len(whole.posterior)))


@pytest.mark.training
def test_the_sky_as_detectors_see_it_is_the_same_sky(make_problem_hl, tmp_path: Path) -> None:
    """Likelihood and prior of the same source in either frame."""
    likelihood, priors = make_problem_hl()
    usual, fewer = marginalised(problem_of(likelihood, priors), ("phase",), tmp_path)
    turned, others = marginalised(problem_of(likelihood, priors), ("phase",), tmp_path, detector_frame=True)
    assert {*others} - {*fewer} == {"zenith", "azimuth", "H1_time"}
    assert {*fewer} - {*others} == {"ra", "dec", "geocent_time"}
    frame, rng = Frame(turned, others), np.random.default_rng(5)
    rows = PriorTransform(fewer).sample(5, rng)
    back = frame.back(rows)
    for index in range(5):
        one, other = ({key: float(value[index]) for key, value in table.items()} for table in (rows, back))
        fixed = PriorTransform(fewer).fixed
        assert turned.log_likelihood_ratio({**fixed, **other}) == pytest.approx(
            usual.log_likelihood_ratio({**fixed, **one}), abs=1e-3
        )
        densities = [
            sum(float(prior.ln_prob(row[key])) for key, prior in table.items() if key in row)
            for table, row in ((fewer, one), (others, other))
        ]
        assert densities[1] - densities[0] == pytest.approx(np.log(np.sin(other["zenith"]) / np.cos(one["dec"])))


@pytest.mark.training
def test_a_sky_that_is_not_whole_is_sampled_as_it_is_asked_for(problem_8d, make_problem_hl, tmp_path: Path) -> None:
    likelihood, priors = make_problem_hl()
    priors["dec"] = Uniform(-0.5, 0.5)
    other, fewer = marginalised(problem_of(likelihood, priors), ("phase",), tmp_path, detector_frame=True)
    assert other.reference_frame == "sky" and "dec" in fewer
    likelihood, priors = make_problem_hl()
    time = priors["geocent_time"]
    priors["geocent_time"] = Uniform(time.minimum, time.minimum + 0.02)
    other, _ = marginalised(problem_of(likelihood, priors), ("phase",), tmp_path, detector_frame=True)
    assert other.reference_frame == "sky"
    other, _ = marginalised(problem_of(*problem_8d), ("phase",), tmp_path, detector_frame=True)
    assert other.reference_frame == "sky"


def test_problems_that_cannot_be_marginalised(problem_5d, tmp_path: Path) -> None:
    likelihood, priors = problem_5d
    fixed = priors.copy()
    fixed["phase"] = 0.3
    fixed.convert_floats_to_delta_functions()
    with pytest.raises(SimulationError, match=r"do not search \['phase'\]"):
        marginalised(problem_of(likelihood, fixed), ("phase",), tmp_path)
    with pytest.raises(SimulationError, match="only a plain GravitationalWaveTransient"):
        marginalised(
            problem_of(GaussianLikelihood(np.zeros(2), np.zeros(2), lambda x, a: a * x), priors), ("phase",), tmp_path
        )


def test_a_referee_runs_on_a_copy_of_the_priors(problem_5d, tmp_path: Path, monkeypatch) -> None:
    given = {}
    monkeypatch.setattr("bilby.run_sampler", lambda likelihood, priors, **kwargs: given.update(kwargs, priors=priors))
    run_referee("dynesty", *problem_5d, tmp_path, "label", 2, 7)
    assert given["priors"] is not problem_5d[1]
    assert given["nlive"] == 1000
    assert given["sampling_seed"] == 7
