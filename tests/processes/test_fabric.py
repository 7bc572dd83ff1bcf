"""Two processes that train together do what one does, up to the order of a sum; a training that breaks goes on unbroken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.processes.team import Alone
from tests.processes.together import trained

# Fabric takes a second to import, so that each test imports it for itself.
pytestmark = pytest.mark.skipif(find_spec("lightning_fabric") is None, reason="lightning-fabric is not installed")

SCRIPT = Path(__file__).with_name("together.py")
COMPARED = ("step", "learning_rate", "train_loss", "validation_loss", "validation_loss_paper", "best")


def together(kinds: str, folder: Path, *stop: int) -> dict[str, list[dict]]:
    """Histories of two processes by kind of network, kinds separated by commas; none if they broke."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [*command, kinds, str(folder), *map(str, stop)], env=environment, capture_output=True, text=True, timeout=120
    )
    files = {kind: [folder / kind / f"history{rank}.json" for rank in range(2)] for kind in kinds.split(",")}
    assert (ended.returncode == 0) == all(file.exists() for two in files.values() for file in two), ended.stderr[-2000:]
    if ended.returncode != 0:
        return {}
    return {kind: [json.loads(file.read_text()) for file in two] for kind, two in files.items()}


def same(one: dict, other: dict) -> None:
    for key in COMPARED:
        # Forty steps in single precision, summed in another order.
        np.testing.assert_allclose(one[key], other[key], rtol=2e-4, atol=2e-4, err_msg=key)


@pytest.mark.training
def test_two_processes_are_one(tmp_path: Path) -> None:
    # With batch normalisation and latent variables, and without. To start two processes takes longer than to train.
    for kind, (first, second) in together("maf,cvae+ normalised", tmp_path).items():
        (tmp_path / "alone" / kind).mkdir(parents=True)
        alone = trained(kind, tmp_path / "alone" / kind, Alone()).to_dict()
        assert first["size"] == second["size"] == 2
        same(alone, first)
        # The two are one network: nothing of it may differ.
        assert first == {**second, "seconds": first["seconds"]}


@pytest.mark.slow  # several starts of two processes, each of which imports torch
def test_a_training_that_breaks_goes_on_unbroken(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = trained("maf", tmp_path / "alone", Alone()).to_dict()
    assert together("maf", tmp_path, 17) == {}
    assert (tmp_path / "maf" / "ckpt").exists()
    first, _ = together("maf", tmp_path)["maf"]
    same(alone, first)


@pytest.mark.slow
def test_one_process_goes_on_with_what_two_began(tmp_path: Path) -> None:
    assert together("maf", tmp_path, 17) == {}
    rest = trained("maf", tmp_path / "maf", Alone()).to_dict()
    (tmp_path / "alone").mkdir()
    same(trained("maf", tmp_path / "alone", Alone()).to_dict(), rest)


def test_shards_that_cannot_be_shared() -> None:
    class Three(Alone):
        size = 3

    with pytest.raises(ConfigurationError, match="shards=2: give a multiple of the 3 processes"):
        trained("maf", Path(), Three())


@pytest.mark.training
def test_alone_in_fabric() -> None:
    from bilby_flowpe.processes.fabric import FabricTeam

    team = FabricTeam()
    assert (team.rank, team.size) == (0, 1)
    assert team.gather(3) == [3]
    assert team.broadcast("x") == "x"


@pytest.mark.training
def test_an_accelerator_that_is_not_there() -> None:
    from bilby_flowpe.processes.fabric import FabricTeam

    with pytest.raises(ConfigurationError, match="accelerator='cuda' cannot be used here"):
        FabricTeam("cuda")
