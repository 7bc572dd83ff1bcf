"""Runs of bilby_pipe read back: the likelihood of the analysis, found from a result, and nothing of the process changed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bilby
import matplotlib as mpl
import numpy as np
import pytest

from bilby_flowpe.configuration.pipe import PipeFiles, find_pipe_files, read_pipe_result, read_pipe_run
from bilby_flowpe.errors import ConfigurationError, DataError

LABEL = "small_data0_1126259462-7_analysis_H1L1"


def result(**meta: Any) -> Any:
    return SimpleNamespace(meta_data=meta)


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


DUMP = "data/small_data0_1126259462-7_generation_data_dump.pickle"


def test_files_are_found_from_the_result(tmp_path: Path) -> None:
    lay(tmp_path, f"result/{LABEL}_result.json", "small_config_complete.ini", DUMP)
    found = find_pipe_files(tmp_path / f"result/{LABEL}_result.json", result())
    assert found == PipeFiles(tmp_path / "small_config_complete.ini", tmp_path / DUMP)


def test_of_several_runs_in_a_folder_the_right_one_is_taken(tmp_path: Path) -> None:
    lay(tmp_path, f"final_result/{LABEL}_result.hdf5", "small_config_complete.ini", "other_config_complete.ini", DUMP)
    lay(tmp_path, "small_data0_1126259462-7_config_complete.ini", "data/other_data0_1_generation_data_dump.pickle")
    file = tmp_path / f"final_result/{LABEL}_result.hdf5"
    found = find_pipe_files(file, result())
    assert found.configuration.name == "small_data0_1126259462-7_config_complete.ini"
    assert found.data == tmp_path / DUMP
    named = find_pipe_files(file, result(data_dump="elsewhere/data/other_data0_1_generation_data_dump.pickle"))
    assert named.data.name.startswith("other")


@pytest.mark.parametrize(
    ("names", "word"),
    [
        ([], "--config"),
        (["a_config_complete.ini", "b_config_complete.ini"], "--config"),
        (["small_config_complete.ini"], "--data"),
        (["small_config_complete.ini", "data/x_data_dump.pickle", "data/y_data_dump.pickle"], "--data"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(tmp_path: Path, names: list[str], word: str) -> None:
    lay(tmp_path, f"result/{LABEL}_result.json", *names)
    with pytest.raises(DataError, match=word):
        find_pipe_files(tmp_path / f"result/{LABEL}_result.json", result())


def test_named_files_are_taken_and_have_to_be_there(tmp_path: Path) -> None:
    lay(tmp_path, "elsewhere/a.ini", "b.pickle")
    file = tmp_path / "r/any_result.json"
    assert find_pipe_files(file, result(), tmp_path / "elsewhere/a.ini", tmp_path / "b.pickle").data.name == "b.pickle"
    with pytest.raises(DataError, match=r"none\.ini"):
        find_pipe_files(file, result(), tmp_path / "none.ini", tmp_path / "b.pickle")
    with pytest.raises(DataError, match="no such file"):
        read_pipe_result(tmp_path / "none_result.json")


def test_without_bilby_pipe_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bilby_pipe", None)
    with pytest.raises(ConfigurationError, match="pip install bilby_pipe"):
        read_pipe_run(PipeFiles(tmp_path / "a.ini", tmp_path / "b.pickle"))


# bilby_pipe itself ---------------------------------------------------------------------------------------------------------

needs_pipe = pytest.mark.skipif(find_spec("bilby_pipe") is None, reason="bilby_pipe is not installed")

PRIOR = """
mass_1 = Uniform(40, 60)
mass_2 = 40
chi_1 = 0
chi_2 = 0
luminosity_distance = PowerLaw(2, 100, 2000)
theta_jn = 0.4
psi = 0.3
phase = Uniform(0, 2 * np.pi, boundary='periodic')
ra = 1.0
dec = -0.4
"""
INI = """
label = small
outdir = out
detectors = [H1, L1]
duration = 1
sampling-frequency = 512
minimum-frequency = 20
trigger-time = 1126259462.7
post-trigger-duration = 0.25
psd-dict = {H1: aLIGO_ZERO_DET_high_P_psd.txt, L1: aLIGO_ZERO_DET_high_P_psd.txt}
gaussian-noise = True
n-simulation = 1
generation-seed = 1
waveform-approximant = IMRPhenomD
reference-frequency = 20
prior-file = small.prior
cosmology = Planck18
phase-marginalization = True
sampler = flowpe
sampler-kwargs = {network: none, max_likelihood_evaluations: 200, n_effective: 100, progress: False}
sampling-seed = 5
n-parallel = 1
result-format = json
"""


@pytest.fixture(scope="module")
def outdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("pipe")
    (folder / "small.ini").write_text(INI)
    (folder / "small.prior").write_text(PRIOR)
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(programs / "bilby_pipe"), "small.ini", "--local"],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return folder / "out"


def state() -> dict[str, Any]:
    """Return what exists once in a process, and may not be changed by a reader."""
    from bilby.core.utils.meta_data import global_meta_data

    return {
        "working folder": Path.cwd(),
        "arguments": list(sys.argv),
        "cosmology": bilby.gw.cosmology.COSMOLOGY[1],
        "meta data": {key: str(value) for key, value in global_meta_data.items()},
        "Bilby's generator": str(bilby.core.utils.random.rng.bit_generator.state),
        "NumPy's generator": [str(part) for part in np.random.get_state()],  # noqa: NPY002
        "level of Bilby's log": logging.getLogger("bilby").level,
        "level of all logs": logging.getLogger().level,
        "settings of matplotlib": {key: str(value) for key, value in mpl.rcParams.items()},
    }


@needs_pipe
@pytest.mark.slow
def test_the_likelihood_is_that_of_the_run(outdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log likelihood of every kept row is computed again, in another folder."""
    monkeypatch.chdir(tmp_path)
    bilby.gw.cosmology.get_cosmology()
    before = state()
    (file,) = (outdir / "result").glob("*_result.json")
    found, run = read_pipe_result(file)
    assert state() == before
    assert not list(tmp_path.iterdir())
    assert run.detectors == ("H1", "L1")
    assert run.cosmology == "Planck18"
    assert run.trigger_time == 1126259462.7
    assert run.priors["mass_1"] == found.priors["mass_1"]
    run.priors.convert_floats_to_delta_functions()
    fixed = {key: prior.peak for key, prior in run.priors.items() if prior.is_fixed}
    for _, row in found.posterior.iloc[:5].iterrows():
        parameters = {**fixed, **row[found.search_parameter_keys]}
        assert run.likelihood.log_likelihood_ratio(parameters) == pytest.approx(row["log_likelihood"], abs=1e-6)


@needs_pipe
@pytest.mark.slow
def test_a_noise_model_by_its_name(outdir: Path, tmp_path: Path) -> None:
    """``likelihood-type`` and ``extra-likelihood-kwargs``, as for any likelihood of one's own."""
    (data,) = (outdir / "data").glob("*.pickle")
    changed = {
        "likelihood-type": "bilby_flowpe.noise.StudentTTransient",
        "extra-likelihood-kwargs": "{nu: 8}",
        "phase-marginalization": "False",
        "reference-frame": "H1L1",
    }
    lines = (outdir / "small_config_complete.ini").read_text().splitlines()
    kept = [one for one in lines if one.partition("=")[0].strip() not in changed]
    (tmp_path / "a.ini").write_text("\n".join([*kept, *(f"{key}={value}" for key, value in changed.items()), ""]))
    likelihood = read_pipe_run(PipeFiles(tmp_path / "a.ini", data)).likelihood
    assert likelihood.nu == (8.0,)
    assert [one.name for one in likelihood.reference_frame] == ["H1", "L1"]


@needs_pipe
@pytest.mark.slow
def test_one_detector_of_two(outdir: Path) -> None:
    (data,) = (outdir / "data").glob("*.pickle")
    files = PipeFiles(outdir / "small_config_complete.ini", data)
    assert read_pipe_run(files, ["L1"]).detectors == ("L1",)


@needs_pipe
@pytest.mark.slow
@pytest.mark.parametrize(("line", "word"), [("number-of-response-curves=many", "many"), ("likelihood-type=a.b", "'a'")])
def test_files_that_bilby_pipe_does_not_read(outdir: Path, tmp_path: Path, line: str, word: str) -> None:
    (data,) = (outdir / "data").glob("*.pickle")
    key = line.partition("=")[0].strip()
    lines = (outdir / "small_config_complete.ini").read_text().splitlines()
    kept = [one for one in lines if one.partition("=")[0].strip() != key]
    (tmp_path / "a.ini").write_text("\n".join([*kept, line, ""]))
    before = state()
    with pytest.raises(ConfigurationError, match=word):
        read_pipe_run(PipeFiles(tmp_path / "a.ini", data))
    assert state() == before
