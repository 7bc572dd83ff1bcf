"""Uses of a result by analysis scripts, whichever sampler made it."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import pytest
from bilby.core.result import Result, ResultList, read_in_result
from bilby.gw.conversion import generate_all_bbh_parameters
from bilby.gw.result import CBCResult
from scipy.special import logsumexp

from tests.trained import train_into

Problem = tuple[Any, Any]
QUICK = {
    "n_effective": 400,
    "n_posterior": 300,
    "max_likelihood_evaluations": 8000,
    "refine": False,
    "progress": False,
    "training_time": None,
    "training_steps": 300,
}


@pytest.fixture(scope="module")
def outdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bilby")


@pytest.fixture(scope="module")
def run(problem_5d: Problem, model_cache: Path, trained_5d: Any, outdir: Path) -> Any:
    def runner(likelihood: Any = None, priors: Any = None, **changes: Any) -> Result:
        arguments = {"cache": str(model_cache), "outdir": str(outdir), "sampling_seed": 5, **QUICK, **changes}
        return bilby.run_sampler(
            likelihood or problem_5d[0], copy.deepcopy(priors or problem_5d[1]), sampler="flowpe", **arguments
        )

    return runner


@pytest.fixture(scope="module")
def result(run: Any) -> Result:
    return run(label="shared", save=False)


def with_total_mass(sample: Any, likelihood: Any = None, priors: Any = None) -> Any:
    converted = sample.copy()
    converted["total"] = converted["mass_1"] + converted["mass_2"]
    return converted


@pytest.mark.parametrize(
    ("save", "gzip", "file"), [("hdf5", False, "hdf5"), ("json", True, "json.gz"), ("json", False, "json")]
)
def test_files(run: Any, result: Result, outdir: Path, save: str, gzip: bool, file: str) -> None:
    assert json.loads(json.dumps(result.sampler_kwargs)) == result.sampler_kwargs
    label = f"file_{file.replace('.', '_')}"
    written = run(label=label, save=save, gzip=gzip)
    read = read_in_result(str(outdir / f"{label}_result.{file}"))
    for one in (written, read):
        assert one.log_evidence == result.log_evidence
        assert one.log_evidence_err == result.log_evidence_err
        for table in ("posterior", "nested_samples"):
            np.testing.assert_array_equal(
                getattr(one, table)[["mass_1", "log_likelihood"]], getattr(result, table)[["mass_1", "log_likelihood"]]
            )
        assert one.sampler_kwargs == result.sampler_kwargs
        statistics = one.meta_data["run_statistics"]
        assert statistics["verdict"] == result.meta_data["run_statistics"]["verdict"]
        # Bilby reads an empty list of an HDF5 file as an empty array.
        assert list(statistics["reasons"]) == result.meta_data["run_statistics"]["reasons"]


def test_everything_that_a_script_asks_for(run: Any, problem_8d: Problem, model_cache: Path, outdir: Path) -> None:
    train_into(model_cache, problem_8d, "conditional")
    truth = problem_8d[0].injection_parameters
    made = run(
        *problem_8d,
        label="script",
        npool=2,
        injection_parameters=dict(truth),
        conversion_function=generate_all_bbh_parameters,
        result_class=CBCResult,
        plot=True,
        meta_data={"note": "mine"},
        n_posterior=60,
    )
    assert type(made) is CBCResult
    assert made.injection_parameters["mass_1"] == truth["mass_1"]
    for key in ("chirp_mass", "mass_ratio", "chi_eff", "redshift", "H1_optimal_snr"):
        assert np.all(np.isfinite(made.posterior[key]))
        assert key in made.injection_parameters or key == "H1_optimal_snr"
    assert made.meta_data["note"] == "mine"
    assert (outdir / "script_corner.png").stat().st_size > 10_000
    read = read_in_result(str(outdir / "script_result.json"), result_class=CBCResult)
    assert type(read) is CBCResult
    assert read.waveform_approximant == "IMRPhenomPv2"
    assert read.nested_samples["weights"].sum() == pytest.approx(1.0)


def test_own_conversion(run: Any) -> None:
    made = run(label="own", conversion_function=with_total_mass, save=False)
    np.testing.assert_allclose(made.posterior["total"], made.posterior["mass_1"] + made.posterior["mass_2"])


@pytest.mark.parametrize("alias", ["npool", "nthreads", "queue_size"])
def test_one_seed_one_answer(run: Any, result: Result, alias: str) -> None:
    other = run(label=f"pool_{alias}", save=False, **{alias: 2})
    assert other.log_evidence == result.log_evidence
    assert other.nested_samples.equals(result.nested_samples)
    assert other.posterior.equals(result.posterior)


def test_combined(run: Any, result: Result) -> None:
    other = run(label="shared", save=False, sampling_seed=7)
    parts = [copy.deepcopy(result), other]
    bilby.core.utils.random.seed(3)
    combined = ResultList(copy.deepcopy(parts)).combine()
    expected = logsumexp([part.log_evidence for part in parts]) - np.log(2)
    assert combined.log_evidence == pytest.approx(expected, abs=1e-12)
    counts = [len(part.posterior) for part in parts]
    # Of the run with the smaller evidence a share is kept, and that is nearly all.
    assert 0.8 * sum(counts) < len(combined.posterior) <= sum(counts)
    assert set(result.search_parameter_keys) <= set(combined.posterior)


def test_help_on_the_command_line(tmp_path: Path) -> None:
    code = "import bilby"
    environment = {**os.environ, "BILBY_FLOWPE_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, "--sampler-help", "flowpe"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0
    assert "flowpe" in said and "n_effective" in said and "sampling_seed" in said
