"""Two processes that train together do what one does, up to the order of a sum; a training that breaks goes on unbroken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning_fabric")

from bilby_flowpe.errors import ConfigurationError
from bilby_flowpe.processes.fabric import FabricTeam
from bilby_flowpe.processes.team import Alone
from tests.processes.together import trained

SCRIPT = Path(__file__).with_name("together.py")
COMPARED = ("step", "learning_rate", "train_loss", "validation_loss", "validation_loss_paper", "best")


def together(kind: str, folder: Path, *stop: int) -> list[dict]:
    """Histories of two processes; none if they broke."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [*command, kind, str(folder), *map(str, stop)], env=environment, capture_output=True, text=True, timeout=120
    )
    files = [folder / f"history{rank}.json" for rank in range(2)]
    assert (ended.returncode == 0) == all(file.exists() for file in files), ended.stderr[-2000:]
    return [json.loads(file.read_text()) for file in files] if ended.returncode == 0 else []


def same(one: dict, other: dict) -> None:
    for key in COMPARED:
        # Forty steps in single precision, summed in another order.
        np.testing.assert_allclose(one[key], other[key], rtol=2e-4, atol=2e-4, err_msg=key)


# With batch normalisation and latent variables, and without.
@pytest.mark.parametrize("kind", ["maf", "cvae+ normalised"])
def test_two_processes_are_one(kind: str, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = trained(kind, tmp_path / "alone", Alone()).to_dict()
    first, second = together(kind, tmp_path)
    assert first["size"] == second["size"] == 2
    same(alone, first)
    # The two are one network: nothing of it may differ.
    assert first == {**second, "seconds": first["seconds"]}


def test_a_training_that_breaks_goes_on_unbroken(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = trained("maf", tmp_path / "alone", Alone()).to_dict()
    assert together("maf", tmp_path, 17) == []
    assert (tmp_path / "ckpt").exists()
    first, _ = together("maf", tmp_path)
    same(alone, first)


@pytest.mark.slow
def test_one_process_goes_on_with_what_two_began(tmp_path: Path) -> None:
    assert together("maf", tmp_path, 17) == []
    rest = trained("maf", tmp_path, Alone()).to_dict()
    (tmp_path / "alone").mkdir()
    same(trained("maf", tmp_path / "alone", Alone()).to_dict(), rest)


def test_shards_that_cannot_be_shared() -> None:
    class Three(Alone):
        size = 3

    with pytest.raises(ConfigurationError, match="shards=2: give a multiple of the 3 processes"):
        trained("maf", Path(), Three())


def test_alone_in_fabric() -> None:
    team = FabricTeam()
    assert (team.rank, team.size) == (0, 1)
    assert team.gather(3) == [3]
    assert team.broadcast("x") == "x"


def test_an_accelerator_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="accelerator='cuda' cannot be used here"):
        FabricTeam("cuda")
