"""A project of asimov with ``pipeline: flowpe``: from the ledger to the configuration, which bilby_pipe takes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("asimov") is None or find_spec("bilby_pipe") is None, reason="asimov is not installed"
    ),
]

PROGRAMS = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
EVENT = """
kind: event
name: GW150914
event time: 1126259462.4
interferometers: [H1, L1]
data:
  segment length: 4
  channels: {H1: "H1:GWOSC-4KHZ_R1_STRAIN", L1: "L1:GWOSC-4KHZ_R1_STRAIN"}
  frame types: {H1: H1_R1, L1: L1_R1}
likelihood:
  sample rate: 2048
  psd length: 32
  minimum frequency: {H1: 20, L1: 20}
  maximum frequency: {H1: 1024, L1: 1024}
sampler:
  sampler: dynesty
"""
ANALYSIS = """
kind: analysis
name: Prod0
pipeline: flowpe
status: ready
waveform:
  approximant: IMRPhenomXAS
  reference frequency: 20
sampler:
  sampler kwargs: {n_effective: 900}
"""


def test_configuration_of_a_project(tmp_path: Path) -> None:
    # The entry point as an installation has it: that of a checkout may be older.
    metadata = tmp_path / "site" / "flowpe_entry-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: flowpe-entry\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("[asimov.pipelines]\nflowpe = bilby_flowpe.asimov_pipeline:FlowPE\n")
    project = tmp_path / "project"
    project.mkdir()
    environment = {
        **os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{metadata.parent}", "HOME": str(tmp_path),
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip

    def asimov(*words: str) -> str:
        done = subprocess.run(
            [str(PROGRAMS / "asimov"), *words],
            cwd=project,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        return done.stdout

    asimov("init", "test")
    (project / "event.yaml").write_text(EVENT)
    (project / "analysis.yaml").write_text(ANALYSIS)
    asimov("apply", "-f", "event.yaml")
    asimov("apply", "-f", "analysis.yaml", "-e", "GW150914")
    assert "Production config Prod0 created" in asimov("manage", "build", "--event", "GW150914")
    (made,) = project.rglob("Prod0.ini")
    code = (
        "import sys; from bilby_pipe.main import create_parser, parse_args, MainInput;"
        "args, unknown = parse_args([sys.argv[1], '--outdir', sys.argv[2], '--condor-job-priority', '0'], create_parser());"
        "print(args.sampler, args.n_parallel, args.distance_marginalization, args.phase_marginalization, args.sampler_kwargs)"
    )
    read = subprocess.run(
        [sys.executable, "-c", code, str(made), str(tmp_path / "out")],
        cwd=project, env=environment, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert read.returncode == 0, read.stderr[-3000:]
    said = read.stdout.strip().splitlines()[-1]
    assert said.startswith("flowpe 1 False False ") and "n_effective" in said and "nlive" not in said
