"""Training on events that are on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bilby_flowpe.family.coordinates import squashed
from bilby_flowpe.family.model import FamilyModel
from bilby_flowpe.family.shards import read_shards
from bilby_flowpe.family.train import _Rows, train_family
from bilby_flowpe.networks import NetworkConfig
from bilby_flowpe.training import loop
from bilby_flowpe.training.recipe import TrainingConfig
from tests.family.small import ALIGNED, SIZES


def shards_in(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    folder.mkdir()
    for number in range(2):
        features = rng.standard_normal((60, 6)).astype(np.float32)
        features[:, 5] = 2.0
        draws = 3 + 2 * rng.standard_normal((60, 5, 4)).astype(np.float32) + features[:, None, :4]
        np.savez(folder / f"{number:06d}.npz", features=features, coordinates=draws)
    return folder


@pytest.mark.training
@pytest.mark.parametrize("network", ["maf", "cvae+"])
def test_a_network_is_trained_and_can_be_loaded(network: str, tmp_path: Path) -> None:
    recipe = TrainingConfig(max_steps=2, max_time=None, batch_size=32, validations=1, weight_decay=0.02)
    sizes = NetworkConfig(family=network, **SIZES)
    model = train_family(ALIGNED, shards_in(tmp_path / "shards"), sizes, recipe, progress=False)
    assert model.history["step"][-1] == 2 and np.isfinite(model.history["validation_loss"][-1])
    # The first twentieth is held out; the standard is that of all others, in coordinates whose tails are drawn near.
    assert model.information["n_events"] == 114
    expected = squashed(read_shards(tmp_path / "shards")[1][6:]).mean(axis=(0, 1))
    assert model.location == pytest.approx(expected, rel=1e-5)
    # A feature that is always the same has no scale of its own.
    assert model.feature_scale[5] == pytest.approx(1e-6)
    context = model.context(np.full(6, 2.0))
    assert np.all(np.isfinite(context.numpy()))
    assert model.null is not None
    again = FamilyModel.load(model.save(tmp_path / "model"))
    x = torch.zeros(1, 4 + model.network.latent)
    assert torch.equal(again.network.to_base(x, context[None])[0], model.network.eval().to_base(x, context[None])[0])


@pytest.mark.training
def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, checkpoint = shards_in(tmp_path / "shards"), tmp_path / "a.ckpt"
    recipe = TrainingConfig(max_steps=6, max_time=None, batch_size=32, validations=2, checkpoint_every=1e-9, bf16=False)
    sizes = NetworkConfig(family="maf", **SIZES)
    whole = train_family(ALIGNED, folder, sizes, recipe, progress=False)
    step = loop._Run._train_step

    def stop(run: loop._Run, batch: dict, done: float) -> None:
        if run.step == 3:
            raise KeyboardInterrupt
        step(run, batch, done)

    with monkeypatch.context() as patched:
        patched.setattr(loop._Run, "_train_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train_family(ALIGNED, folder, sizes, recipe, checkpoint, progress=False)
    resumed = train_family(ALIGNED, folder, sizes, recipe, checkpoint, progress=False)
    assert resumed.history["step"] == whole.history["step"] == [3, 6]
    assert resumed.history["validation_loss"] == pytest.approx(whole.history["validation_loss"], rel=1e-5)


def test_batches_go_through_all_events_in_an_order_of_their_own() -> None:
    features, coordinates = torch.arange(10.0)[:, None], torch.arange(30.0).reshape(10, 3, 1)
    rows = _Rows(features, coordinates, np.random.default_rng(1))
    first = torch.cat([rows(5).context, rows(5).context]).flatten()
    assert sorted(first.tolist()) == list(range(10))
    state = rows.state()
    following = rows(5)
    other = _Rows(features, coordinates, np.random.default_rng(9))
    other.set_state(state)
    same = other(5)
    assert torch.equal(following.x, same.x) and torch.equal(following.context, same.context)
    # Coordinates are one of the event's own draws.
    assert torch.equal(torch.floor(following.x.flatten() / 3), following.context.flatten())
