"""``flowpe family``: events simulated, a network trained on them, and what there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.cli import build_parser, main
from bilby_flowpe.commands import families
from bilby_flowpe.family import recipes, shards, shipped
from bilby_flowpe.family.model import FamilyModel
from tests.family.small import ALIGNED, SIZES, untrained
from tests.family.test_shards import Few
from tests.family.test_train import shards_in


def test_shards_are_made_by_several_processes_and_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shards, "SIZE", 5)
    monkeypatch.setattr(shards, "Events", Few)
    words = ["family", "simulate", "bbh-aligned", str(tmp_path / "shards")]
    assert main([*words, "--shards", "2:4", "--npool", "2"]) == 0
    assert main([*words, "--shards", "0:4", "--npool", "1"]) == 0
    printed = capsys.readouterr().out
    names = [f"{number:06d}.npz" for number in range(4)]
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == names
    assert printed.count("shard: ") == 6
    one, _ = shards.read_shards(tmp_path / "shards", range(2, 3))
    other, _ = shards.read_shards(tmp_path / "shards", range(3, 4))
    assert not np.array_equal(one, other)


@pytest.mark.training
def test_a_network_is_trained_into_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recipes.recipe("bbh-aligned", "maf", 1.0)
    few = replace(made.training, max_time=None, max_steps=2, batch_size=32, validations=1)
    asked = []

    def recipe(*given: object) -> recipes.Recipe:
        asked.append(given)
        return recipes.Recipe(replace(made.network, **SIZES), few)

    monkeypatch.setattr(families, "recipe", recipe)
    folder = tmp_path / "models" / "mine"
    words = ["family", "train", "bbh-aligned", str(shards_in(tmp_path / "shards")), str(folder), "--minutes", "0.5"]
    assert main(words) == 0
    assert asked == [("bbh-aligned", "maf", 0.5, "cpu")]
    assert FamilyModel.load(folder).family == ALIGNED
    printed = capsys.readouterr().out
    assert "events: 114" in printed and f"model: {folder}" in printed and "validation loss: " in printed
    # The checkpoint has gone; a model is not replaced unasked.
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    assert main(words) == 2
    assert "holds a model already: give another" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--checkpoint", str(tmp_path / "a.ckpt")]) == 0


def test_families_and_networks_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    assert main(["family", "list"]) == 0
    printed = capsys.readouterr().out
    assert "bbh-aligned: chirp_mass, mass_ratio, chi_1, chi_2; chirp mass 5 to 100 solar masses" in printed
    assert "no networks yet" in printed
    model = untrained(ALIGNED, 12)
    model.information = {"n_events": 7, "n_parameters": 8}
    model.save(tmp_path / "bbh-aligned-nsf")
    assert main(["family", "list"]) == 0
    assert "  bbh-aligned-nsf: maf of 8 parameters, trained on 7 events\n" in capsys.readouterr().out
    (tmp_path / "bbh-aligned-nsf" / "model.json").write_text("spoilt")
    assert main(["family", "list"]) == 2
    assert "model='bbh-aligned-nsf': model.json cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["simulate", "bns", "x", "--shards", "0:1"], "flowpe family simulate: family='bns': choose one of"),
        (["train", "bns", "x", "y", "--minutes", "1"], "flowpe family train: family='bns'"),
        (["train", "bbh-aligned", "x", "y", "--minutes", "0"], "minutes=0.0: give a number above zero"),
        (["train", "bbh-aligned", "x", "{folder}/y", "--minutes", "1"], "x contains no shards of simulated events"),
    ],
)
def test_errors_are_one_line(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["family", *(word.format(folder=tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("text", ["3", "3:3", "4:3", "a:b", "-1:2"])
def test_numbers_of_shards_are_two(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["family", "simulate", "bbh-aligned", "x", f"--shards={text}"])
    assert "give two whole numbers" in capsys.readouterr().err
    given = build_parser().parse_args(["family", "simulate", "bbh-aligned", "x", "--shards", "2:5"])
    assert list(given.shards) == [2, 3, 4]


@pytest.mark.parametrize("action", ["simulate", "train", "list"])
def test_every_action_has_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["family", action, "--help"])
    assert f"usage: flowpe family {action}" in capsys.readouterr().out
