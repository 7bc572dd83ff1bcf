"""Networks of families in folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bilby_flowpe.errors import ModelError
from bilby_flowpe.family.model import FamilyModel
from bilby_flowpe.storage.folder import DESCRIPTION, WEIGHTS
from bilby_flowpe.surprise import Null
from tests.family.small import ALIGNED, PRECESSING, untrained


@pytest.mark.parametrize("network", ["maf", "nsf", "cvae+"])
def test_a_model_that_was_written_is_that_of_the_memory(network: str, tmp_path: Path) -> None:
    model = untrained(PRECESSING, 12, network)
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    model.history, model.information = {"step": [1]}, {"n_events": 3}
    again = FamilyModel.load(model.save(tmp_path / "model"))
    for key, value in again.network.state_dict().items():
        assert torch.equal(value, model.network.state_dict()[key])
        # Half precision has eleven binary digits, and no step finer than 6e-8.
        assert torch.allclose(value, before[key], rtol=2**-11, atol=6e-8)
    assert again.family == PRECESSING and again.history == {"step": [1]}
    assert again.information["n_events"] == 3 and "bilby_flowpe" in again.information["versions"]
    features = np.random.default_rng(1).standard_normal(12)
    assert torch.equal(again.context(features), model.context(features))
    np.testing.assert_array_equal(again.scale, model.scale)


def test_a_view_unlike_the_simulated_ones_is_a_surprise(tmp_path: Path) -> None:
    model, rng = untrained(ALIGNED, 5), np.random.default_rng(2)
    assert model.surprise(np.zeros(5), None) is None
    assert model.surprise(np.zeros(5), 0.0) is not None
    model.null = Null.fit(rng.standard_normal((2000, 5)))
    model = FamilyModel.load(model.save(tmp_path / "model"))
    usual, strange = (model.surprise(np.full(5, size), None) for size in (0.5, 6.0))
    assert usual is not None and strange is not None
    assert usual.p_value > 0.1 and strange.p_value < 0.005
    # With a second figure, of the power that is left in the data, the smaller of both counts, twice.
    both = model.surprise(np.full(5, 0.5), 8.0)
    assert both is not None and len(both.p_values) == 2
    assert both.p_value == min(1.0, 2 * min(both.p_values.values())) < 0.005


def test_features_that_are_far_off_are_taken_as_not_so_far() -> None:
    model = untrained(ALIGNED, 3)
    model.feature_mean, model.feature_scale = np.array([1.0, 0.0, 0.0]), np.array([2.0, 1.0, 1.0])
    assert model.context(np.array([2.0, 1e9, -1e9])).tolist() == [0.5, 8.0, -8.0]


def damaged(folder: Path, how: str) -> None:
    if how == "weights":
        whole = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(whole[:-8] + b"spoilt!!")
    elif how == "missing":
        (folder / WEIGHTS).unlink()
    elif how == "description":
        (folder / DESCRIPTION).write_text("{")
    else:
        said = json.loads((folder / DESCRIPTION).read_text())
        said["digests" if "digests" in said else "format"] = None
        (folder / DESCRIPTION).write_text(json.dumps({**said, "family": "bns"}))


@pytest.mark.parametrize("how", ["weights", "missing", "description", "family"])
def test_a_damaged_folder_is_told(how: str, tmp_path: Path) -> None:
    folder = untrained(ALIGNED, 12).save(tmp_path / "model")
    damaged(folder, how)
    with pytest.raises(ModelError, match="model"):
        FamilyModel.load(folder)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    from bilby_flowpe.storage.folder import write_folder

    folder = write_folder(tmp_path / "model", {"a": np.zeros(1)}, {"kind": "trained"})
    with pytest.raises(ModelError, match="not a model of a family"):
        FamilyModel.load(folder)
    with pytest.raises(ModelError, match="no weights"):
        FamilyModel.load(tmp_path / "nowhere")
