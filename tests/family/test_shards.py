"""Simulated events on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.errors import DataError
from bilby_flowpe.family import shards
from bilby_flowpe.family.bounds import Family
from bilby_flowpe.family.shards import make_shard, read_shards
from tests.family.small import ALIGNED


class Few:
    """Events that are numbers of their generator, one or none at a time."""

    made = 0

    def __init__(self, family: Family, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self) -> list:
        Few.made += 1
        number = self._rng.random()

        class Seen:
            features = np.full(5, number, np.float32)

        return [] if number < 0.3 else [(Seen, np.full((3, 4), number))]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SIZE", 7)
    monkeypatch.setattr(shards, "Events", Few)


def test_a_shard_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = make_shard(ALIGNED, tmp_path / "new", 3)
    assert path == tmp_path / "new" / "000003.npz"
    before = Few.made
    assert make_shard(ALIGNED, tmp_path / "new", 3) == path
    assert Few.made == before
    # Nothing is left of a shard while it was written.
    assert [one.name for one in path.parent.iterdir()] == ["000003.npz"]


def test_the_number_is_the_seed(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        make_shard(ALIGNED, tmp_path / folder, 1)
    make_shard(ALIGNED, tmp_path / "one", 2)
    one, other = (read_shards(tmp_path / folder, range(1, 2)) for folder in ("one", "other"))
    np.testing.assert_array_equal(one[0], other[0])
    assert one[0].shape == (7, 5) and one[1].shape == (7, 3, 4) and one[1].dtype == np.float32
    whole, _ = read_shards(tmp_path / "one")
    np.testing.assert_array_equal(whole[:7], one[0])
    assert len(np.unique(whole)) == 14


def test_a_folder_without_shards_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="flowpe family simulate"):
        read_shards(tmp_path)
    make_shard(ALIGNED, tmp_path, 1)
    with pytest.raises(DataError, match="no shards"):
        read_shards(tmp_path, range(5, 6))


def test_shards_of_another_family_are_refused(tmp_path: Path) -> None:
    make_shard(ALIGNED, tmp_path, 1)
    assert len(read_shards(tmp_path, family=ALIGNED)[0]) == 7
    narrower = replace(ALIGNED, chirp_mass=(20.0, 45.0))
    with pytest.raises(DataError, match=r"of the family .*5.0, 100.0.*20.0, 45.0"):
        read_shards(tmp_path, family=narrower)
