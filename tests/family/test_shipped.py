"""Names of networks of families."""

from __future__ import annotations

from pathlib import Path

import pytest

from bilby_flowpe.family import shipped
from bilby_flowpe.family.shipped import folder_of, named, shipped_families
from tests.family.small import ALIGNED, untrained


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(ALIGNED, 48).save(tmp_path_factory.mktemp("models") / "families" / "bbh-aligned-nsf")


def test_names_and_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", folder.parent)
    assert shipped_families() == ["bbh-aligned-nsf"]
    assert folder_of("bbh-aligned-nsf") == folder
    assert folder_of("bbh-aligned") == folder.parent / "bbh-aligned-maf"
    assert folder_of(str(folder)) == folder
    assert named("bbh-aligned-nsf") and named("bbh-precessing") and named(str(folder))


@pytest.mark.parametrize("model", [None, "green2020-5d", "no such model"])
def test_other_models(model: str | None) -> None:
    assert not named(model)


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "trained"}', "no JSON"])
def test_folders_of_other_models_are_for_others_to_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    assert not named(str(tmp_path))
