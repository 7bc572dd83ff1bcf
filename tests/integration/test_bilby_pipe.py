"""The example of bilby_pipe from its configuration file to the merged result, in both formats, and a run that is evicted."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from bilby.core.result import Result, read_in_result
from scipy.special import logsumexp

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("bilby_pipe") is None, reason="bilby_pipe is not installed"),
]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = Path(sys.executable).parent
LABEL = "example_data0_1126259462-75_analysis_H1"
EVICTED = 77  # exit code by which bilby_pipe tells HTCondor to start the job again


@dataclass
class Pipeline:
    """A folder in which bilby_pipe runs, and what it printed there."""

    folder: Path
    extension: str
    log: str

    @property
    def outdir(self) -> Path:
        return self.folder / "outdir_bilby_pipe"

    def file(self, which: str, folder: str = "result") -> Path:
        return self.outdir / folder / f"{LABEL}_{which}_result.{self.extension}"

    def result(self, which: str, folder: str = "result") -> Result:
        return read_in_result(str(self.file(which, folder)))


def command(program: str, *arguments: str) -> list[str]:
    return [str(PROGRAMS / program), *arguments]


def environment() -> dict[str, str]:
    """The programs of this environment first: bilby_pipe looks for those that it starts."""
    return {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def run(folder: Path, *words: str) -> str:
    """Return what a command prints, including warnings and logs."""
    done = subprocess.run(
        words, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def example(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """A folder as the root of the repository is, where the example is run, some of its settings changed."""
    (folder / "examples").mkdir()
    shutil.copy(EXAMPLES / "bilby_pipe.prior", folder / "examples")
    changes = changes or {}
    lines = (EXAMPLES / "bilby_pipe.ini").read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0].strip() not in changes]
    added = [f"{key} = {value}" for key, value in changes.items()]
    (folder / "examples" / "bilby_pipe.ini").write_text("\n".join([*kept, *added, ""]))
    return folder


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The example as it stands."""
    folder = example(tmp_path_factory.mktemp("hdf5"))
    return Pipeline(folder, "hdf5", run(folder, *command("bilby_pipe", "examples/bilby_pipe.ini", "--local")))


@pytest.fixture(scope="module")
def json(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The example in the other format, with two processes and the settings that bilby_pipe passes on its own: dynesty's."""
    changes = {"result-format": "json", "request-cpus": "2", "sampler-kwargs": "DynestyDefault"}
    folder = example(tmp_path_factory.mktemp("json"), changes)
    return Pipeline(folder, "json", run(folder, *command("bilby_pipe", "examples/bilby_pipe.ini", "--local")))


@pytest.fixture(params=["hdf5", "json"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return request.getfixturevalue(request.param)


def test_parallel_runs(pipeline: Pipeline) -> None:
    one, other = (pipeline.result(which) for which in ("par0", "par1"))
    for result in (one, other):
        statistics = result.meta_data["run_statistics"]
        assert result.sampler == "flowpe"
        assert statistics["model"] == "green2020-5d-maf"
        assert statistics["verdict"] == "reliable"
        assert len(result.nested_samples) == statistics["n_draws"]
        # Bilby's conversion, with the likelihood.
        assert {"chirp_mass_source", "H1_optimal_snr"} <= {*result.posterior}
        assert result.injection_parameters["mass_1"] == 50
    # Of different seeds: not the same draws, but the same evidence.
    assert not {*one.posterior["luminosity_distance"]} & {*other.posterior["luminosity_distance"]}
    error = math.hypot(one.log_evidence_err, other.log_evidence_err)
    assert 0 < abs(one.log_evidence - other.log_evidence) < 5 * error


def test_merged_result(pipeline: Pipeline) -> None:
    parts = [pipeline.result(which) for which in ("par0", "par1")]
    merged, final = (pipeline.result("merge", folder) for folder in ("result", "final_result"))
    evidences = np.array([part.log_evidence for part in parts])
    assert merged.log_evidence == pytest.approx(logsumexp(evidences, b=1 / len(parts)), abs=1e-9)
    errors = [part.log_evidence_err for part in parts]
    assert min(errors) <= merged.log_evidence_err <= max(errors)
    # Each row of a part is kept with the ratio of its evidence to the largest.
    kept = np.exp(evidences - evidences.max())
    rows = np.array([len(part.posterior) for part in parts])
    spread = np.sqrt(np.sum(rows * kept * (1 - kept)))
    assert abs(len(merged.posterior) - np.sum(rows * kept)) <= 5 * spread
    assert not merged.posterior.duplicated(["mass_1", "mass_2", "phase"]).any()
    with pytest.raises(ValueError, match="no stored nested samples"):
        _ = merged.nested_samples
    # Bilby keeps what the first run said of itself.
    assert merged.meta_data["run_statistics"]["seed"] == parts[0].meta_data["run_statistics"]["seed"]
    assert merged.meta_data["run_statistics"]["verdict"] == "reliable"
    assert final.log_evidence == merged.log_evidence
    np.testing.assert_array_equal(final.posterior["mass_1"], merged.posterior["mass_1"])


def test_formats_agree(hdf5: Pipeline, json: Pipeline) -> None:
    """Neither the number of processes nor dynesty's settings nor how the model is found changes the result."""
    for which in ("par0", "par1"):
        one, other = hdf5.result(which), json.result(which)
        assert one.log_evidence == pytest.approx(other.log_evidence, abs=1e-9)
        assert one.nested_samples.shape == other.nested_samples.shape
        np.testing.assert_allclose(one.posterior["mass_1"], other.posterior["mass_1"], rtol=1e-12)


def test_settings_of_dynesty_are_dropped(json: Pipeline) -> None:
    for key in ("nlive", "naccept", "sample"):
        assert f"Supplied argument '{key}' not an argument of 'FlowPE', removing." in json.log
    assert "Using the model green2020-5d-maf" in json.log


def test_plots(hdf5: Pipeline) -> None:
    for file in (
        f"result/{LABEL}_merge_corner.png",
        f"result/{LABEL}_merge_1d/mass_1_pdf.png",
        "data/H1_example_data0_1126259462-75_generation_whitened_data.png",
    ):
        assert (hdf5.outdir / file).stat().st_size > 0, file


def test_a_run_is_repeated_over_empty_files(pipeline: Pipeline) -> None:
    """bilby_pipe prepares an empty result and a folder before a run, and finds them again where HTCondor moved a job."""
    before, file = pipeline.result("par1"), pipeline.file("par1")
    file.write_bytes(b"")
    assert (pipeline.outdir / "result" / f"flowpe_{LABEL}_par1").is_dir()
    log = run(pipeline.folder, "bash", "outdir_bilby_pipe/submit/bash_example.sh", f"{LABEL}_par1")
    assert "Using cached result" not in log
    after = pipeline.result("par1")
    assert after.log_evidence == before.log_evidence
    np.testing.assert_array_equal(after.posterior["mass_1"], before.posterior["mass_1"])


def alone(folder: Path, changes: dict[str, str]) -> tuple[list[str], Path, Path]:
    """The command of one analysis, its scratch folder and its result, laid out and with its data, but not run."""
    example(folder, {"n-parallel": "1", "accounting": "any.dev.bilby", **changes})
    # Without --local nothing is run, but the stubs are laid out and the commands written down.
    run(folder, *command("bilby_pipe", "examples/bilby_pipe.ini"))
    script = folder / "outdir_bilby_pipe/submit/bash_example.sh"
    run(folder, "bash", str(script), "generation")
    lines = script.read_text().splitlines()
    (analysis,) = (line.split() for line in lines if line.strip().startswith(str(PROGRAMS / "bilby_pipe_analysis")))
    results = folder / "outdir_bilby_pipe/result"
    return analysis, results / f"flowpe_{LABEL}", results / f"{LABEL}_result.hdf5"


def test_an_evicted_training_goes_on(tmp_path: Path) -> None:
    """Ended as HTCondor ends a job, once there is a checkpoint, and started again by the same command."""
    settings = "{network: nsf, n_waveforms: 2000, training_time: 90, n_effective: 100, cache: models, progress: False}"
    analysis, scratch, result = alone(tmp_path, {"sampler-kwargs": settings})
    with (tmp_path / "evicted.log").open("w") as log:
        process = subprocess.Popen(analysis, cwd=tmp_path, env=environment(), stdout=log, stderr=log)
        while not list(scratch.glob("*.ckpt")) and process.poll() is None:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == EVICTED, (tmp_path / "evicted.log").read_text()[-5000:]
    assert list(scratch.glob("*.ckpt"))
    assert result.stat().st_size == 0  # the stub still
    assert "Training resumes at step" in run(tmp_path, *analysis)
    assert not list(scratch.glob("*.ckpt"))
    (model,) = (tmp_path / "models").iterdir()
    assert read_in_result(str(result)).meta_data["run_statistics"]["model"] == model.name


def test_a_job_that_restarts_itself_ends(tmp_path: Path) -> None:
    """The job stops every 40 seconds, as bilby_pipe's long jobs do, and each start continues the training or the refinement."""
    settings = (
        "{network: nsf, n_waveforms: 2000, training_time: None, training_steps: 300, hidden_features: 32, n_effective: 5000, "
        "cache: models, progress: False}"
    )
    analysis, scratch, result = alone(tmp_path, {"sampler-kwargs": settings, "periodic-restart-time": "40"})
    codes: list[int] = []
    logs: list[str] = []
    while not codes or codes[-1] == EVICTED:
        assert len(codes) < 30, logs[-1][-5000:]
        done = subprocess.run(
            analysis,
            cwd=tmp_path,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        codes.append(done.returncode)
        logs.append(done.stdout)
        print(f"start {len(codes)}: exit code {codes[-1]}")
    assert codes[-1] == 0, logs[-1][-5000:]
    assert len(codes) > 2
    assert not (scratch / "evaluations").exists()
    found = read_in_result(str(result))
    assert found.meta_data["run_statistics"]["verdict"] == "reliable"
