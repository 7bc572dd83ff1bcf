"""A model's folder is written whole or not at all, and what killed processes left goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.storage import folder as module
from bilby_flowpe.storage.folder import read_folder, write_folder

TENSORS = {"network.a": np.arange(5.0)}


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_by(process: int, folder: Path, end: str = "") -> Path:
    left = folder.parent / f".{folder.name}.{module._host()}-{process}.abc{end}"
    left.mkdir(parents=True)
    (left / "weights.safetensors").write_bytes(b"half")
    return left


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    folder = tmp_path / "a.model[1]"
    dead, alive = left_by(dead_process(), folder), left_by(os.getpid(), folder)
    other = left_by(dead_process(), tmp_path / "another")
    write_folder(folder, TENSORS, {"name": "a"})
    assert not dead.exists()
    # What is being written now, or belongs to another model, is left alone.
    assert alive.exists() and other.exists()
    np.testing.assert_array_equal(read_folder(folder)[1]["network.a"], TENSORS["network.a"])


def test_killed_between_the_renames_the_older_model_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    write_folder(folder, TENSORS, {"name": "older"})
    aside = tmp_path / f".model.{module._host()}-{dead_process()}.abc.old"
    folder.rename(aside)

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_description", stop)
    with pytest.raises(KeyboardInterrupt):
        write_folder(folder, TENSORS, {"name": "newer"})
    assert read_folder(folder)[0]["name"] == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
