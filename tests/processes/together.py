"""Trains toy networks in the processes that torchrun started, for the tests of fabric: ``together.py KINDS FOLDER [STOP]``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from bilby_flowpe.processes.team import Team
from bilby_flowpe.training.loop import History, train
from tests.training.test_loop import KINDS, TINY, FailingToy, Toy, network

SHARDS = 2


def trained(kind: str, folder: Path, team: Team, stop: int | None = None) -> History:
    """History of a training of two shards, which breaks after ``stop`` batches."""
    config = replace(TINY, checkpoint_every=0.0, norm_batches=1, shards=SHARDS)
    sources = [Toy(seed=10 + shard) if stop is None else FailingToy(stop, seed=10 + shard) for shard in range(SHARDS)]
    validation = Toy(seed=1)(config.validation_size)
    return train(network(**KINDS[kind]), sources, validation, config, folder / "ckpt", progress=False, team=team)


def main() -> None:
    from bilby_flowpe.processes.fabric import FabricTeam

    kinds, folder, *stop = sys.argv[1:]
    team = FabricTeam()
    for kind in kinds.split(","):
        own = Path(folder) / kind
        own.mkdir(exist_ok=True)
        history = trained(kind, own, team, *map(int, stop))
        (own / f"history{team.rank}.json").write_text(json.dumps({**history.to_dict(), "size": team.size}))


if __name__ == "__main__":
    main()
