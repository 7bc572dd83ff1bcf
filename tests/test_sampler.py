"""The plugin as Bilby sees it."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.likelihood import GaussianLikelihood, Likelihood
from bilby.core.prior import DeltaFunction, Gaussian, PriorDict, Uniform
from bilby.core.result import Result, read_in_result
from bilby.core.sampler import get_implemented_samplers, get_sampler_class

from bilby_flowpe import cache as cache_module
from bilby_flowpe import run as run_module
from bilby_flowpe.errors import ConfigurationError, ContractError, FlowPEError, ModelError, PriorError
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.proposals import mixture as proposals
from bilby_flowpe.sampler import FlowPE
from bilby_flowpe.training import build
from bilby_flowpe.waves.filters import Filters

Trained = tuple[Path, TrainedPosterior]
Runner = Callable[..., Result]
QUICK = {
    "n_effective": 150,
    "n_posterior": 400,
    "max_likelihood_evaluations": 4000,
    "refine": False,
    "progress": False,
    # Not more than the models of the shared cache had, which otherwise would not do.
    "training_time": None,
    "training_steps": 300,
}
SEARCHED = {"mass_1", "mass_2", "luminosity_distance", "geocent_time", "phase"}


@pytest.fixture(scope="module", autouse=True)
def no_shipped_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Only what the tests train themselves is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_module, "SHIPPED", tmp_path_factory.mktemp("none"))
        yield


@pytest.fixture
def run(problem_5d: tuple, model_cache: Path, trained_5d: Trained, tmp_path: Path) -> Runner:
    """Run the sampler on the five-parameter problem with the models of the shared cache."""

    def runner(problem: tuple = problem_5d, **changes: Any) -> Result:
        likelihood, priors = problem
        arguments = {"cache": str(model_cache), "outdir": str(tmp_path), "sampling_seed": 11, **QUICK, **changes}
        return bilby.run_sampler(likelihood, priors, sampler="flowpe", **arguments)

    return runner


@pytest.fixture(scope="module")
def result(
    problem_5d: tuple, model_cache: Path, trained_5d: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    """Return the result of a run that many tests use."""
    likelihood, priors = problem_5d
    return bilby.run_sampler(
        likelihood,
        priors,
        sampler="flowpe",
        label="shared",
        outdir=str(tmp_path_factory.mktemp("outdir")),
        cache=str(model_cache),
        sampling_seed=11,
        injection_parameters=likelihood.injection_parameters,
        **QUICK,
    )


def bare(**kwargs: Any) -> FlowPE:
    """The sampler as Bilby's own tests build one."""
    priors = PriorDict({"a": Uniform(0, 1)})
    return FlowPE(Likelihood(), priors, outdir="outdir", label="label", soft_init=True, **kwargs)


# What Bilby asks of a plugin -------------------------------------------------------------------------------------------


def test_entry_point() -> None:
    assert "flowpe" in get_implemented_samplers()
    assert get_sampler_class("flowpe") is FlowPE
    assert get_sampler_class("FlowPE") is FlowPE


def test_construction_needs_no_model() -> None:
    sampler = bare()
    assert sampler.kwargs == FlowPE.default_kwargs
    assert sampler.npool == 1
    assert sampler.external_sampler_name == "bilby_flowpe"
    assert pickle.loads(pickle.dumps(FlowPE)) is FlowPE


def test_defaults_are_plain() -> None:
    assert json.loads(json.dumps(FlowPE.default_kwargs)) == FlowPE.default_kwargs
    assert "npool" not in FlowPE.default_kwargs  # it would shadow run_sampler's own


def test_unknown_keywords_are_dropped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    bilby_logger = logging.getLogger("bilby")
    bilby_logger.addHandler(caplog.handler)
    try:
        sampler = bare(nlive=1000, sample="acceptance-walk")
    finally:
        bilby_logger.removeHandler(caplog.handler)
    assert sampler.kwargs == FlowPE.default_kwargs
    for key in ("nlive", "sample"):
        assert any(f"'{key}'" in message and "removing" in message for message in caplog.messages)


@pytest.mark.parametrize("alias", FlowPE.npool_equiv_kwargs)
def test_aliases_of_npool(alias: str) -> None:
    sampler = bare(**{alias: 3})
    assert sampler.npool == 3
    assert sampler.kwargs == FlowPE.default_kwargs


@pytest.mark.parametrize("alias", ["sampling_seed", "seed", "random_seed"])
def test_aliases_of_the_seed(alias: str) -> None:
    assert bare(**{alias: 42}).kwargs == {**FlowPE.default_kwargs, "sampling_seed": 42}


def test_expected_outputs() -> None:
    files, folders = FlowPE.get_expected_outputs(outdir="outdir", label="label")
    assert files == []
    assert folders == ["outdir/flowpe_label/"]


def test_signals_end_a_run_of_several_processes() -> None:
    """Bilby's own handler passes over them where it does not know of the pool."""
    with pytest.raises(SystemExit) as stop:
        bare(npool=2).write_current_state_and_exit(signum=15)
    assert stop.value.code == 130


def python(code: str, **environment: str) -> str:
    """Output of ``code`` in a fresh interpreter."""
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


# Refusals come before anything long ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "kind", "complaint"),
    [
        ({"n_effective": 0}, ConfigurationError, "n_effective=0: give a whole number"),
        ({"n_effective": 10.5}, ConfigurationError, "n_effective=10.5: give a whole number"),
        ({"n_effective": None}, ConfigurationError, "n_effective=None: give a whole number"),
        ({"n_effective": "many"}, ConfigurationError, "n_effective='many': give a whole number"),
        ({"n_posterior": True}, ConfigurationError, "n_posterior=True: give a whole number"),
        ({"n_posterior": -1}, ConfigurationError, "n_posterior=-1: give a whole number"),
        ({"n_waveforms": 0}, ConfigurationError, "n_waveforms=0: give a whole number"),
        (
            {"n_effective": 200, "max_likelihood_evaluations": 100},
            ConfigurationError,
            "n_effective=200 is more than max_likelihood_evaluations=100",
        ),
        (
            {"model": "nonsense"},
            ModelError,
            "model='nonsense' is neither a folder nor",
        ),
        ({"model": "bbh-aligned"}, ContractError, "model='bbh-aligned' "),
        ({"network": "nonsense"}, ConfigurationError, "network='nonsense'"),
        ({"phase": "nonsense"}, ConfigurationError, "phase='nonsense'"),
        ({"representation": "nonsense"}, ConfigurationError, "representation='nonsense'"),
        ({"device": "nonsense"}, ConfigurationError, "device='nonsense'"),
        ({"training_steps": None}, ConfigurationError, "give seconds or steps"),
        ({"training_steps": 0}, ConfigurationError, "training_steps=0"),
    ],
)
def test_bad_keywords(
    run: Runner, kwargs: dict, kind: type[FlowPEError], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("work was begun")

    for owner, name in ((build, "train_on"), (run_module, "EventSampler")):
        monkeypatch.setattr(owner, name, never)
    with pytest.raises(kind, match=complaint):
        run(**kwargs)


def test_another_model_is_refused(run: Runner, trained_5d: Trained, problem_8d: tuple) -> None:
    with pytest.raises(ContractError, match=r"priors.chi_1: Uniform\(maximum=1, minimum=-1\) is given"):
        run(problem_8d, model=str(trained_5d[0]))


class Bump(Likelihood):
    """Nobody can simulate from it."""

    def log_likelihood(self, parameters: dict | None = None) -> float:
        return -0.5 * ((parameters["a"] - 0.3) / 0.05) ** 2 - 0.5 * math.log(2 * math.pi * 0.05**2)


def test_other_likelihoods_are_sampled_from_the_prior(run: Runner) -> None:
    result = run((Bump(), PriorDict({"a": Uniform(0, 1)})), n_effective=1000, max_likelihood_evaluations=40_000)
    statistics = result.meta_data["run_statistics"]
    assert statistics["model"] == "none"
    assert statistics["refinement"]["start"] == "prior"
    assert result.log_evidence == pytest.approx(0, abs=5 * result.log_evidence_err)
    assert statistics["verdict"] == "check"
    assert "the search for modes" in statistics["reasons"][0]
    assert result.posterior["a"].mean() == pytest.approx(0.3, abs=0.02)
    with pytest.raises(
        ContractError, match="model='bbh-aligned' is for gravitational waves, and not for a Bump: leave model out"
    ):
        run((Bump(), PriorDict({"a": Uniform(0, 1)})), model="bbh-aligned", label="other")
    with pytest.raises(ConfigurationError, match="importance=False: a Bump has no network"):
        run((Bump(), PriorDict({"a": Uniform(0, 1)})), importance=False, label="raw")


def test_a_budget_that_ends_is_a_failed_result(run: Runner) -> None:
    result = run((Bump(), PriorDict({"a": Uniform(0, 1)})), n_effective=1000, max_likelihood_evaluations=1200)
    statistics = result.meta_data["run_statistics"]
    assert statistics["verdict"] == "failed"
    assert "max_likelihood_evaluations=1200" in " ".join(statistics["reasons"])
    assert result.num_likelihood_evaluations <= 1201


def test_counts_may_be_written_otherwise(run: Runner) -> None:
    assert run(n_posterior="300", n_effective=1e2).meta_data["run_statistics"]["n_equal_weight"] <= 300


# The result ------------------------------------------------------------------------------------------------------------


def test_run_statistics(result: Result, trained_5d: Trained) -> None:
    statistics = result.meta_data["run_statistics"]
    assert {
        "n_draws",
        "efficiency",
        "effective_sample_size",
        "pareto_k",
        "largest_weight",
        "seconds",
        "verdict",
        "reasons",
    } <= set(statistics)
    assert statistics["importance_weighted"] is True
    assert statistics["conditional"] == ["phase", "luminosity_distance", "geocent_time"]
    assert statistics["model"] == trained_5d[0].name
    assert statistics["seed"] == 11
    assert statistics["verdict"] in ("reliable", "check", "failed")
    # As many effective draws as were asked for are enough, few as they are.
    of_number = any("number of effective draws" in reason for reason in statistics["reasons"])
    assert of_number == (statistics["effective_sample_size"] < QUICK["n_effective"])
    assert statistics["effective_sample_size"] == pytest.approx(statistics["efficiency"] * statistics["n_draws"])
    assert statistics["n_equal_weight"] == len(result.posterior)
    assert set(statistics["seconds"]) >= {"weighing", "pilot", "total"}
    assert "loaded_modules" in result.meta_data  # what Bilby put there stays
    # PESummary takes a place in its files whose name has this word for a table of samples, and then refuses to read them.
    assert not [key for key in names_in(statistics) if "posterior" in key]


def names_in(table: dict) -> Iterator[str]:
    """Yield all names of a table and of the tables within it."""
    for key, value in table.items():
        yield key
        if isinstance(value, dict):
            yield from names_in(value)


def test_posterior(result: Result, problem_5d: tuple) -> None:
    likelihood, priors = problem_5d
    posterior = result.posterior
    assert 10 < len(posterior) <= QUICK["n_posterior"]
    assert set(posterior) >= {*SEARCHED, "ra", "dec", "psi", "log_likelihood", "log_prior"}
    assert not posterior[sorted(SEARCHED)].duplicated().any()
    for row in posterior.iloc[:20].to_dict("records"):
        own = likelihood.log_likelihood_ratio(dict(row))
        assert row["log_likelihood"] == pytest.approx(own, abs=1e-6)
        # Bilby's prior density times two for the half plane mass_1 >= mass_2.
        by_hand = sum(priors[key].ln_prob(row[key]) for key in SEARCHED) + math.log(2)
        assert row["log_prior"] == pytest.approx(by_hand, abs=1e-9)
    # Truth within six of the posterior's standard deviations, although the network is a poor one.
    for key in ("mass_1", "luminosity_distance", "geocent_time"):
        assert abs(posterior[key].mean() - likelihood.injection_parameters[key]) < 6 * posterior[key].std()


def test_weighted_samples(result: Result) -> None:
    table = result.nested_samples
    assert set(table) == {*SEARCHED, "log_likelihood", "log_prior", "weights"}
    assert table["weights"].sum() == pytest.approx(1.0, abs=1e-12)
    assert (table["weights"] >= 0).all()
    statistics = result.meta_data["run_statistics"]
    effective = 1 / np.sum(table["weights"] ** 2)
    assert effective == pytest.approx(statistics["effective_sample_size"], rel=1e-9)
    assert table["weights"].max() == pytest.approx(statistics["largest_weight"], rel=1e-9)
    # Equal-weight rows are among the weighted ones, and have the same mean within errors.
    for key in SEARCHED - {"phase"}:
        assert result.posterior[key].isin(table[key]).all()
        mean = np.sum(table["weights"] * table[key])
        error = result.posterior[key].std() * (1 / len(result.posterior) + 1 / effective) ** 0.5
        assert abs(result.posterior[key].mean() - mean) < 5 * error


def test_evidence(result: Result) -> None:
    statistics = result.meta_data["run_statistics"]
    assert result.use_ratio  # Bilby's default where the likelihood knows the noise: what is weighed is the ratio.
    assert result.log_bayes_factor == pytest.approx(statistics["log_evidence"])
    assert result.log_bayes_factor == pytest.approx(result.log_evidence - result.log_noise_evidence)
    assert 0 < result.log_evidence_err < 0.5
    assert result.num_likelihood_evaluations == statistics["n_likelihood_evaluations"] > statistics["n_draws"]
    assert result.sampling_time > 0


def test_json_round_trip(result: Result) -> None:
    path = Path(result.outdir) / "shared_result.json"
    # Nothing falls back to pickle.
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]
    read = read_in_result(str(path))
    assert read.sampler == "flowpe"
    assert read.log_evidence == result.log_evidence
    assert read.meta_data["run_statistics"] == result.meta_data["run_statistics"]
    for name in ("posterior", "nested_samples"):
        one, other = getattr(result, name), getattr(read, name)
        assert list(one) == list(other)
        np.testing.assert_array_equal(one.to_numpy(dtype=float), other.to_numpy(dtype=float))
    np.testing.assert_array_equal(read.log_prior_evaluations, result.log_prior_evaluations)
    assert read.sampler_kwargs["n_effective"] == QUICK["n_effective"]


def assert_same(one: Result, other: Result) -> None:
    assert one.log_evidence == other.log_evidence
    np.testing.assert_array_equal(one.samples, other.samples)
    np.testing.assert_array_equal(one.nested_samples.to_numpy(), other.nested_samples.to_numpy())


def test_processes_do_not_matter(run: Runner) -> None:
    assert_same(run(label="one", npool=1), run(label="two", npool=2))


def test_seeds_matter(run: Runner) -> None:
    one, same, other = run(label="one"), run(label="same"), run(label="other", sampling_seed=12)
    assert_same(one, same)
    assert one.log_evidence != other.log_evidence


def test_without_a_seed_bilbys_generator_decides(run: Runner) -> None:
    results = []
    for label, seed in (("one", 5), ("same", 5), ("other", 6)):
        bilby.core.utils.random.seed(seed)
        results.append(run(label=label, sampling_seed=None))
    assert_same(*results[:2])
    assert results[2].log_evidence != results[0].log_evidence


def test_ratio_or_not(run: Runner) -> None:
    """Both ways the same draws, so that evidences agree to rounding: of sums of some 1000 terms, 1e-8."""
    ratio, whole = run(label="ratio", use_ratio=True), run(label="whole", use_ratio=False)
    assert ratio.use_ratio
    assert not whole.use_ratio
    assert ratio.log_evidence == pytest.approx(whole.log_evidence, abs=1e-7)
    assert ratio.log_bayes_factor == pytest.approx(whole.log_bayes_factor, abs=1e-7)
    np.testing.assert_allclose(
        ratio.log_likelihood_evaluations + ratio.log_noise_evidence, whole.log_likelihood_evaluations, atol=1e-7
    )


def test_model_by_its_folder_with_the_phase_in_the_network(run: Runner, trained_network_5d: Trained) -> None:
    by_folder = run(label="folder", model=str(trained_network_5d[0]))
    by_kind = run(label="kind", phase="network")
    assert by_folder.meta_data["run_statistics"]["conditional"] == []
    assert_same(by_folder, by_kind)


def test_raw_draws_are_marked(run: Runner, trained_network_5d: Trained) -> None:
    raw = run(importance=False)
    statistics = raw.meta_data["run_statistics"]
    assert statistics["importance_weighted"] is False
    assert statistics["verdict"] == "check"
    assert any("raw network draws" in reason for reason in statistics["reasons"])
    assert any("exact conditional" in reason for reason in statistics["reasons"])
    assert math.isnan(raw.log_evidence)
    assert 0.9 * QUICK["n_posterior"] < len(raw.posterior) <= QUICK["n_posterior"]
    with pytest.raises(ValueError, match="no stored nested samples"):
        _ = raw.nested_samples
    in_network = run(label="network", importance=False, phase="network").meta_data["run_statistics"]
    assert not any("exact conditional" in reason for reason in in_network["reasons"])


@pytest.mark.parametrize("importance", [True, False])
def test_a_lying_closed_form_fails(run: Runner, monkeypatch: pytest.MonkeyPatch, importance: bool) -> None:
    plain = Filters.products

    def lie(self: Any, *arguments: Any) -> np.ndarray:
        return plain(self, *arguments) * [1.01, 1.01, 1.0]

    monkeypatch.setattr(Filters, "products", lie)
    statistics = run(importance=importance).meta_data["run_statistics"]
    if importance:
        # The run went on without it, and without the network that knows nothing of what it drew.
        assert {"phase", "geocent_time"} <= {*statistics["closed_form"]["dropped"]}
        assert (statistics["conditional"], statistics["model"]) == ([], "none")
        assert not any("closed form" in reason for reason in statistics["reasons"])
        return
    assert statistics["verdict"] == "failed"
    assert "use phase='network'" in statistics["reasons"][0]


def test_no_draw_with_weight_is_a_failed_result(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = proposals.Mixture.draw_each

    def outside(self: Any, *arguments: Any) -> Any:
        draws = plain(self, *arguments)
        draws.inside[:] = False
        return draws

    monkeypatch.setattr(proposals.Mixture, "draw_each", outside)
    result = run()
    statistics = result.meta_data["run_statistics"]
    assert statistics["verdict"] == "failed"
    assert statistics["n_equal_weight"] == len(result.posterior) == 0


# Training on demand ----------------------------------------------------------------------------------------------------


def line(x: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    return slope * x + intercept


def regression(sigma: float = 0.5) -> tuple[GaussianLikelihood, PriorDict]:
    x = np.linspace(-1, 1, 20)
    y = line(x, 0.5, -0.2) + sigma * np.random.default_rng(1).standard_normal(20)
    return GaussianLikelihood(x, y, line, sigma), PriorDict({"slope": Gaussian(0, 1), "intercept": Gaussian(0, 1)})


TRAINING = {"training_steps": 5, "training_time": None, "max_likelihood_evaluations": 500}


def test_ratios_to_no_noise_are_refused(run: Runner, tmp_path: Path) -> None:
    """Before a network is trained for it; every likelihood would be no number."""
    with pytest.raises(
        ConfigurationError, match="use_ratio=True: a GaussianLikelihood has no likelihood of noise alone"
    ):
        run(regression(), use_ratio=True, model=None, cache=str(tmp_path))
    assert not any(tmp_path.glob("*/weights.safetensors"))


@pytest.mark.usefixtures("measured_briefly")
def test_a_model_is_trained_once_and_kept(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "models"
    trained = []
    plain = build.train_on

    def counting(*arguments: Any, **kwargs: Any) -> TrainedPosterior:
        trained.append(1)
        return plain(*arguments, **kwargs)

    monkeypatch.setattr(build, "train_on", counting)
    first = run(regression(), label="first", cache=str(cache), **TRAINING)
    (folder,) = cache.iterdir()
    second = run(regression(), label="second", cache=str(cache), **TRAINING)
    assert len(trained) == 1
    assert first.meta_data["run_statistics"]["model"] == folder.name
    assert_same(first, second)
    run(regression(sigma=0.6), label="third", cache=str(cache), **TRAINING)
    assert len(trained) == 2
    assert not list(tmp_path.glob("flowpe_*/*.ckpt"))  # no checkpoint is left


def test_interrupted_training_of_another_problem_is_not_gone_on_with(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = []

    def interrupted(*arguments: Any) -> None:
        checkpoints.append(arguments[3])
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "train_on", interrupted)
    for sigma in (0.5, 0.6, 0.5):
        with pytest.raises(KeyboardInterrupt):
            run(regression(sigma), cache=str(tmp_path / "models"), **TRAINING)
    assert checkpoints[0] == checkpoints[2] != checkpoints[1]
    assert {path.parent for path in checkpoints} == {tmp_path / "flowpe_label"}


@pytest.mark.usefixtures("measured_briefly")
def test_a_model_that_cannot_be_kept_serves_its_run(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TrainedPosterior, "save", full)
    done = run(regression(), cache=str(tmp_path / "models"), save=False, **TRAINING)
    assert np.isfinite(done.log_evidence)
    assert "cannot be kept" in caplog.text
    assert list((tmp_path / "flowpe_label").glob("training_*.ckpt"))
    monkeypatch.undo()
    # The training is not made again.
    again = run(regression(), cache=str(tmp_path / "models"), save=False, **TRAINING)
    assert again.meta_data["run_statistics"]["training_seconds"] == pytest.approx(
        done.meta_data["run_statistics"]["training_seconds"], abs=60
    )
    assert not list((tmp_path / "flowpe_label").glob("training_*.ckpt"))


def test_no_room_for_a_model_is_said_before_it_is_trained(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_LEAST_FREE", 2**62)
    with pytest.raises(ConfigurationError, match="MiB free, but a model may need"):
        run(regression(), cache=str(tmp_path / "models"), **TRAINING)


@pytest.mark.training
def test_bilbys_test_mode_is_quick_and_leaves_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bilby.core.utils.command_line_args, "bilby_test_mode", True)
    cache = tmp_path / "models"
    likelihood, priors = regression()
    result = bilby.run_sampler(
        likelihood, priors, sampler="flowpe", cache=str(cache), outdir=str(tmp_path), progress=False
    )
    assert result.meta_data["run_statistics"]["n_draws"] <= 500
    assert not cache.exists()


def test_parameters_are_not_kept_as_state(trained_5d: Trained, model_cache: Path, tmp_path: Path) -> None:
    """Bilby's likelihoods will stop to hold parameters: nothing may rely on it."""
    code = f"""
import bilby, numpy as np
from bilby_flowpe.problems import green2020
def line(x, slope, intercept):
    return slope * x + intercept
x = np.linspace(-1, 1, 10)
regression = bilby.core.likelihood.GaussianLikelihood(x, x, line, 0.5)
priors = bilby.core.prior.PriorDict(dict(slope=bilby.core.prior.Gaussian(0, 1), intercept=bilby.core.prior.Gaussian(0, 1)))
quick = dict(sampler="flowpe", n_effective=50, max_likelihood_evaluations=600, refine=False, progress=False)
quick |= dict(outdir={str(tmp_path)!r}, sampling_seed=1)
one = bilby.run_sampler(*green2020(5, seed=1), cache={str(model_cache)!r}, label="one", **quick)
two = bilby.run_sampler(
    regression, priors, cache={str(tmp_path / "models")!r}, label="two", training_steps=5, training_time=None, **quick
)
print("evidences", one.log_evidence, two.log_evidence)
"""
    output = python(code, BILBY_ALLOW_PARAMETERS_AS_STATE="FALSE")
    evidences = [float(word) for word in output.splitlines()[-1].split()[1:]]
    assert np.all(np.isfinite(evidences))


@pytest.mark.parametrize("prior", [Uniform(math.nan, 80), Uniform(20, math.nan), DeltaFunction(math.nan)])
def test_limits_that_are_no_numbers_are_refused_before_bilby_draws_from_them(prior: object) -> None:
    priors = PriorDict({"a": prior, "b": Uniform(0, 1)})
    with pytest.raises(PriorError, match=r"priors\['a'\]=.* not a number"):
        FlowPE(Likelihood(), priors, outdir="outdir", label="label", soft_init=True)
