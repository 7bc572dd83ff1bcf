"""Events from ini files of bilby_pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

import pytest

from bilby_flowpe.catalogue.event_folder import EventFolder, Job
from bilby_flowpe.catalogue.pipe import _adapt, _commands
from bilby_flowpe.errors import DataError
from bilby_flowpe.results import kept_draws

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def script(folder: Path, *lines: str) -> Path:
    path = folder / "bash.sh"
    path.write_text("#!/usr/bin/env bash\n# a\nif true; then\n" + "".join(f"    {line}\n" for line in lines) + "fi\n")
    return path


def test_commands_of_a_script(tmp_path: Path) -> None:
    generation = "/bin/bilby_pipe_generation a.ini --label 'a b'"
    analysis = "/bin/bilby_pipe_analysis a.ini --detectors H1"
    lines = [f'echo "Running: {generation}"', generation, analysis, "/bin/bilby_result --result x"]
    found = _commands(script(tmp_path, *lines), tmp_path)
    assert found == {"generation": ["a.ini", "--label", "a b"], "analysis": ["a.ini", "--detectors", "H1"]}
    with pytest.raises(DataError, match="2 runs of bilby_pipe_generation"):
        _commands(script(tmp_path, generation, *lines), tmp_path)
    with pytest.raises(DataError, match="0 runs of bilby_pipe_analysis"):
        _commands(script(tmp_path, generation), tmp_path)


def test_commands_of_a_folder_with_spaces_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bilby_pipe names files from where it is run, and quotes nothing."""
    monkeypatch.chdir(tmp_path)
    outdir = tmp_path / "my runs" / "it's"
    for name in (str(outdir), "my runs/it's"):
        words = f"{name}/a.ini --data-dump-file {name}/data/x.pickle"
        lines = [f"/bin/bilby_pipe_generation {words}", f"/bin/bilby_pipe_analysis {words}"]
        expected = [f"{outdir}/a.ini", "--data-dump-file", f"{outdir}/data/x.pickle"]
        assert _commands(script(tmp_path, *lines), outdir) == {"generation": expected, "analysis": expected}


@pytest.mark.skipif(find_spec("bilby_pipe") is None, reason="bilby_pipe is not installed")
def test_arguments_of_the_sampler_are_read_as_bilby_pipe_reads_them(tmp_path: Path) -> None:
    from bilby_pipe.utils import BilbyPipeError

    job = Job("a", "bilby_pipe", "", "", {}, "", "", None, {"n_posterior": 7})

    def adapted(sampler: str, text: str | None) -> str:
        args = Namespace(sampler=sampler, sampler_kwargs=text, accounting=None, sampling_seed=1)
        _adapt(args, EventFolder(tmp_path), job)
        return str(args.sampler_kwargs)

    assert "'n_effective': 300" in adapted("flowpe", "{n_effective=300, n_posterior=5}")
    for sampler, text in (("flowpe", None), ("flowpe", "Default"), ("dynesty", "{nlive: 500}")):
        assert adapted(sampler, text) == "{'progress': False, 'n_posterior': 7}"
    with pytest.raises(BilbyPipeError, match="sampler-kwargs"):
        adapted("flowpe", "n_effective=300")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("bilby_pipe") is None, reason="bilby_pipe is not installed")
def test_two_configurations_one_of_them_broken(tmp_path: Path) -> None:
    """The whole way as it is typed, and once more: the second time nothing is left to do."""
    import bilby

    (tmp_path / "in" / "examples").mkdir(parents=True)
    (tmp_path / "in" / "examples" / "bilby_pipe.prior").write_text((EXAMPLES / "bilby_pipe.prior").read_text())
    ini = (EXAMPLES / "bilby_pipe.ini").read_text()
    (tmp_path / "in" / "good.ini").write_text(ini)
    (tmp_path / "in" / "broken.ini").write_text(ini.replace("mass_1: 50", "mass_9: 50"))
    command = [sys.executable, "-m", "bilby_flowpe.cli", "catalogue", "in", "--outdir", "out", "--jobs", "1"]
    command += ["--sampler-kwargs", "n_effective=300,n_posterior=500"]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=True)
        assert "1 done" in done.stdout and "1 failed" in done.stdout
    assert "mass_ratio" in EventFolder(tmp_path / "out" / "events" / "broken").state().error
    event = EventFolder(tmp_path / "out" / "events" / "good")
    assert len(event.attempts()) == 1
    assert event.page.is_file()
    result = bilby.read_in_result(str(event.result()))
    assert result.sampler == "flowpe"
    assert result.sampler_kwargs["n_effective"] == 300
    row = event.row()
    assert row["verdict"] == "reliable"
    assert row["mass_1_05"] < 50 < row["mass_1_95"]
    assert row["n_effective"] == pytest.approx(kept_draws(result).statistics["effective_sample_size"])
    dry = subprocess.run(
        [*command, "--dry-run"], cwd=tmp_path, env=environment, text=True, capture_output=True, check=True
    )
    assert "2 events, 1 to do, 1 at once" in dry.stdout
