"""Results from their files: every reader takes the same ones, and refuses the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bilby.core.prior import PriorDict, Uniform
from bilby.core.result import Result

from bilby_flowpe.errors import DataError
from bilby_flowpe.result_files import read_result, result_of


def made(**changes) -> Result:
    """A result of a line's slope."""
    columns = {"posterior": pd.DataFrame({"slope": np.linspace(0, 1, 100)})} | changes
    return Result(
        label="made",
        search_parameter_keys=["slope"],
        priors=PriorDict({"slope": Uniform(0, 1)}),
        log_evidence=1.0,
        log_evidence_err=0.1,
        log_noise_evidence=-500.0,
        **columns,
    )


@pytest.mark.parametrize(("extension", "gzip"), [("json", False), ("json", True), ("hdf5", False)])
def test_a_result_comes_back(tmp_path: Path, extension: str, gzip: bool) -> None:
    made().save_to_file(outdir=str(tmp_path), extension=extension, gzip=gzip)
    (path,) = tmp_path.glob("made_result*")
    np.testing.assert_array_equal(read_result(path).posterior["slope"], np.linspace(0, 1, 100))


def test_a_file_cut_in_two(tmp_path: Path) -> None:
    for extension in ("json", "hdf5"):
        made().save_to_file(outdir=str(tmp_path), extension=extension)
        path = tmp_path / f"made_result.{extension}"
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match="cannot be read"):
            read_result(path)


def test_a_posterior_that_is_no_number(tmp_path: Path) -> None:
    made(posterior=pd.DataFrame({"slope": [0.5, np.nan]})).save_to_file(outdir=str(tmp_path), extension="json")
    with pytest.raises(DataError, match="the posterior is not finite"):
        read_result(tmp_path / "made_result.json")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_result(tmp_path / "missing.json")
    for name in ("a.pkl", "b.PKL", "c.pkl.gz", "d.Pickle", "e.pickle.gz", "f.json.pkl", "g"):
        evil = tmp_path / name
        evil.write_bytes(f"cos\nsystem\n(S'touch {tmp_path / 'ran'}'\ntR.".encode())
        with pytest.raises(DataError, match="save the result as JSON or HDF5"):
            read_result(evil)
    assert not (tmp_path / "ran").exists()
    text = tmp_path / "text.json"
    text.write_text("no json")
    with pytest.raises(DataError, match="cannot be read"):
        read_result(text)


def test_a_result_or_its_file(tmp_path: Path) -> None:
    one = made()
    assert result_of(one) is one
    one.save_to_file(outdir=str(tmp_path), extension="json")
    assert result_of(str(tmp_path / "made_result.json")).label == "made"
    with pytest.raises(DataError, match=r"result='there.json': there is no such file"):
        result_of("there.json")
    for other in (None, {"a": 1}, [one]):
        with pytest.raises(DataError, match=r"second=.*: give Bilby's Result, or the path of its file"):
            result_of(other, "second")
