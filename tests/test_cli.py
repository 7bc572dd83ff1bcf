"""The command ``flowpe``, from its help to a training and its measurement."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from bilby_flowpe import __version__
from bilby_flowpe.cli import build_parser, main
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.simulation.dataset import read_header

ROOT = Path(__file__).resolve().parent.parent

TINY = """
problem = "green2020"
parameters = 5
seed = 4
calibration_events = 0

[simulation]
n_waveforms = 1000

[representation]
n_fit = 4096

[network]
transforms = 2
hidden_features = [32, 32]
embedding_features = 32
embedding_blocks = 1

[training]
max_steps = 60
max_time = "none"
batch_size = 256
validation_size = 512
validations = 2
bf16 = false
"""
GAP = ["--injections", "2", "--draws", "200", "--npool", "1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``tiny.toml``, its waveforms ``tiny.hdf5`` and what ``flowpe train`` made of them in ``out``."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.toml").write_text(TINY)
    assert main(["simulate", str(folder / "tiny.toml"), "--output", str(folder / "tiny.hdf5"), "--npool", "1"]) == 0
    (folder / "tiny.toml").write_text(TINY.replace("n_waveforms = 1000", 'file = "tiny.hdf5"'))
    assert main(["train", str(folder / "tiny.toml"), "--outdir", str(folder / "out"), "--npool", "1"]) == 0
    return folder


def commands() -> list[str]:
    """Return the names of all commands."""
    (choices,) = (
        action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return list(choices)


class TestParser:
    def test_help_needs_nothing_large(self):
        code = (
            "import sys; from bilby_flowpe.cli import build_parser; build_parser();"
            "print(*sorted({'torch', 'bilby', 'numpy', 'matplotlib'} & set(sys.modules)))"
        )
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert run.stdout.split() == []

    @pytest.mark.parametrize("command", commands())
    def test_every_command_has_help(self, command, capsys):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert f"usage: flowpe {command}" in capsys.readouterr().out

    def test_version_and_misuse(self, capsys):
        with pytest.raises(SystemExit, match="0"):
            main(["--version"])
        assert __version__ in capsys.readouterr().out
        for words in ([], ["tran"], ["train"], ["simulate", "x.toml"], ["gap", "x", "--draws", "0"]):
            with pytest.raises(SystemExit, match="2"):
                main(words)

    def test_output_that_nobody_reads_to_its_end_is_no_error(self, monkeypatch, capsys):
        """``flowpe models | head -1``: the reader has closed the pipe."""
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as closed:
            monkeypatch.setattr(sys, "stdout", closed)
            assert main(["models"]) == 141
        assert capsys.readouterr().err == ""

    def test_a_broken_pipe_of_a_worker_is_an_error(self, monkeypatch, capsys):
        def fails() -> None:
            raise BrokenPipeError(32, "Broken pipe")

        monkeypatch.setattr("bilby_flowpe.commands.models.models", fails)
        assert main(["models"]) == 2
        assert capsys.readouterr().err == "flowpe models: [Errno 32] Broken pipe\n"

    def test_options_reach_the_command(self):
        given = build_parser().parse_args(["gap", "m", "c.toml", *GAP, "--card"])
        assert (given.model, given.config, given.injections, given.draws) == ("m", Path("c.toml"), 2, 200)
        assert given.card == "flowpe train config.toml"
        assert build_parser().parse_args(["train", "c.toml", "--no-resume"]).resume is False
        assert build_parser().parse_args(["train", "c.toml"]).resume is True


@pytest.mark.training
class TestTrain:
    def test_folder_picture_and_configuration(self, trained):
        model = TrainedPosterior.load(trained / "out" / "tiny")
        assert model.information["name"] == "tiny"
        assert model.settings["simulation"]["file"] == str(trained / "tiny.hdf5")
        assert (trained / "out" / "tiny" / "config.toml").read_text() == (trained / "tiny.toml").read_text()
        assert (trained / "out" / "tiny.training.png").stat().st_size > 0
        assert sorted(path.name for path in (trained / "out").iterdir()) == ["tiny", "tiny.training.png"]

    def test_an_interrupted_training_goes_on(self, trained, tmp_path, monkeypatch, capsys):
        """Stopped after its first checkpoint, it has the model of the training that was not stopped."""
        config = trained / "tiny.toml"
        text = TINY.replace("n_waveforms = 1000", f'file = "{trained / "tiny.hdf5"}"') + "checkpoint_every = 1e-9\n"
        config = tmp_path / "tiny.toml"
        config.write_text(text)
        import bilby_flowpe.training.loop as training

        step = training._Run._train_step

        def stop(run, batch, done):
            if run.step == 40:
                raise KeyboardInterrupt
            step(run, batch, done)

        words = ["train", str(config), "--outdir", str(tmp_path / "out"), "--npool", "1"]
        with monkeypatch.context() as patched:
            patched.setattr(training._Run, "_train_step", stop)
            assert main(words) == 130
        (checkpoint,) = (tmp_path / "out").glob("tiny.*.ckpt")
        seen = []
        monkeypatch.setattr(
            training._Run, "_train_step", lambda run, batch, done: (seen.append(run.step), step(run, batch, done))
        )
        assert main(words) == 0
        assert seen[0] == 40
        assert not checkpoint.exists()
        whole = TrainedPosterior.load(trained / "out" / "tiny").history
        resumed = TrainedPosterior.load(tmp_path / "out" / "tiny").history
        assert resumed["validation_loss"] == pytest.approx(whole["validation_loss"], rel=1e-5)

    def test_nothing_is_replaced_unasked(self, trained, tmp_path, capsys):
        words = ["train", str(trained / "tiny.toml"), "--outdir"]
        assert main([*words, str(trained / "out")]) == 2
        assert "holds a model already: give another --outdir, or --overwrite" in capsys.readouterr().err
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny" / "thesis.tex").write_text("years of work")
        assert main([*words, str(tmp_path), "--overwrite"]) == 2
        assert "holds something that is not a model" in capsys.readouterr().err

    def test_waveforms_of_another_problem_are_refused(self, trained, tmp_path, capsys):
        config = tmp_path / "other.toml"
        config.write_text(
            TINY.replace("parameters = 5", "parameters = 8").replace(
                "n_waveforms = 1000", f'file = "{trained / "tiny.hdf5"}"'
            )
        )
        assert main(["train", str(config), "--outdir", str(tmp_path)]) == 2
        assert "contains waveforms of another problem: contract." in capsys.readouterr().err

    def test_errors_are_one_line(self, tmp_path, capsys):
        config = tmp_path / "bad.toml"
        config.write_text(TINY + "[data]\n")
        assert main(["train", str(config)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("flowpe train: ")
        assert error.count("\n") == 1


class TestSimulate:
    @pytest.mark.training
    def test_file_and_report(self, trained, tmp_path, capsys):
        output = tmp_path / "again.hdf5"
        config = tmp_path / "tiny.toml"
        config.write_text(TINY)
        words = ["simulate", str(config), "--output", str(output), "--npool", "1"]
        assert main(words) == 0
        printed = capsys.readouterr().out
        for wanted in ("waveforms: 1000 of 1000, 900 of them for training", "size: ", "peak memory: ", "seconds: "):
            assert wanted in printed
        assert read_header(output).seed == 4
        with h5py.File(output) as one, h5py.File(trained / "tiny.hdf5") as other:
            assert (one["waveforms"][:] == other["waveforms"][:]).all()
        assert main(words) == 2
        assert "exists already" in capsys.readouterr().err
        assert main([*words, "--overwrite"]) == 0


@pytest.mark.training
class TestModels:
    def test_listed_shown_measured(self, trained, trained_5d, model_cache, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("BILBY_FLOWPE_CACHE", str(model_cache))
        broken = model_cache / "broken"
        broken.mkdir()
        try:
            (broken / "model.json").write_text("{}")
            assert main(["models"]) == 0
        finally:
            (broken / "model.json").unlink()
            broken.rmdir()
        listed = capsys.readouterr().out
        assert re.search(r"^green2020-5d-maf +shipped +H1", listed, re.MULTILINE)
        line = next(line for line in listed.splitlines() if line.startswith(trained_5d[0].name))
        assert "cached" in line
        assert "not measured" in line
        assert "ignored: model='" in listed

        assert main(["show", trained_5d[0].name]) == 0
        shown = capsys.readouterr().out
        for wanted in (
            "mass_1: Uniform(maximum=80, minimum=35)",
            "H1 from 20 to 512 Hz",
            "validation loss",
            "not measured",
        ):
            assert wanted in shown

        model, out = trained / "out" / "tiny", tmp_path / "gap"
        assert main(["gap", str(model), *GAP, "--waveforms", "50", "--outdir", str(out), "--card"]) == 0
        printed = capsys.readouterr().out
        for wanted in (
            "loss on 50 new waveforms",
            "tiny: 2 injections, 200 draws each",
            "KL to exact, truth",
            "verdicts:",
        ):
            assert wanted in printed
        assert (out / "tiny.efficiency.png").exists()
        assert main(["show", str(model)]) == 0
        shown = capsys.readouterr().out
        assert "sample efficiency, median: 0." in shown

    def test_a_model_without_configuration_is_held_against_the_papers_problems(self, trained_5d, tmp_path, capsys):
        words = ["gap", str(trained_5d[0]), *GAP, "--waveforms", "0", "--outdir", str(tmp_path)]
        assert main(words) == 0
        assert "verdicts:" in capsys.readouterr().out

    def test_of_another_problem_says_what_to_give(self, trained_5d, tmp_path, capsys):
        model = TrainedPosterior.load(trained_5d[0])
        model.contract.facts["duration"] = 2.0
        folder = model.save(tmp_path / "other")
        assert main(["gap", str(folder), *GAP]) == 2
        assert "give the configuration that it was trained with" in capsys.readouterr().err

    def test_a_card_without_events_is_refused(self, trained_5d, capsys):
        assert main(["gap", str(trained_5d[0]), "--injections", "0", "--card"]) == 2
        assert "injections=0" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["show", "gap"])
    def test_models_that_are_none(self, command, tmp_path, capsys):
        assert main([command, "no-such-model"]) == 2
        assert "model='no-such-model' is neither a folder nor one of the shipped models" in capsys.readouterr().err
        assert main([command, str(tmp_path)]) == 2
        assert f"model='{tmp_path}'" in capsys.readouterr().err

    def test_a_description_with_parts_missing(self, trained, tmp_path, capsys):
        description = json.loads((trained / "out" / "tiny" / "model.json").read_text())
        description["history"] = {}
        (tmp_path / "model.json").write_text(json.dumps(description))
        assert main(["show", str(tmp_path)]) == 2
        assert "KeyError: 'best'" in capsys.readouterr().err
