"""Waveforms of a dask cluster are those of one process, to the last byte; a worker that is killed costs its piece alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.errors import ConfigurationError, DataError, SimulationError
from bilby_flowpe.processes import cluster
from bilby_flowpe.processes.cluster import DaskEngine, dask_engine
from bilby_flowpe.processes.parallel import Row, evaluate

pytestmark = [
    pytest.mark.training,  # a cluster takes seconds to start, and to notice that a worker is gone
    pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed"),
]

ROWS = [{"a": float(index)} for index in range(500)]


class Square:
    """Task of pure numbers; the seventh row has no value."""

    def __call__(self, row: Row) -> np.ndarray | None:
        return None if row["a"] == 7 else np.array([row["a"] ** 2, np.sin(row["a"])])


class KillsOnce(Square):
    """Ends its process in the middle, if nobody did so before."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, row: Row) -> np.ndarray | None:
        if row["a"] == 200 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(row)


class KillsAlways(Square):
    def __call__(self, row: Row) -> np.ndarray | None:
        os.kill(os.getpid(), signal.SIGKILL)
        return None


class Fails(Square):
    def __call__(self, row: Row) -> np.ndarray | None:
        raise DataError(f"row {row['a']:.0f} is not to be had")


@pytest.fixture(scope="module")
def engine() -> Iterator[DaskEngine]:
    with dask_engine(None, 2) as engine:
        yield engine


def same(found: tuple[np.ndarray, np.ndarray]) -> None:
    values, good = evaluate(Square(), ROWS)
    assert found[0].tobytes() == values.tobytes()
    np.testing.assert_array_equal(found[1], good)


def test_two_workers_give_what_one_process_gives(engine: DaskEngine) -> None:
    same(evaluate(Square(), ROWS, engine))


def test_a_killed_worker_costs_its_piece_alone(engine: DaskEngine, tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    same(evaluate(KillsOnce(mark), ROWS, engine))
    assert mark.exists()


def test_errors_keep_their_type(engine: DaskEngine) -> None:
    with pytest.raises(DataError, match="row 0 is not to be had"):
        evaluate(Fails(), ROWS, engine)
    same(evaluate(Square(), ROWS, engine))


def test_nothing_stays_on_the_workers(engine: DaskEngine) -> None:
    evaluate(Square(), ROWS[:100], engine)
    assert all(count == 0 for count in engine.run(lambda: len(cluster._carried)).values())


def test_other_versions_are_refused(engine: DaskEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "versions", lambda packages: dict.fromkeys(packages, "0.0"))
    with pytest.raises(
        ConfigurationError, match=r"has .*bilby \S+ \(there 0.0\).*: install the same versions everywhere"
    ):
        evaluate(Square(), ROWS, engine)


def test_what_cannot_be_sent(engine: DaskEngine) -> None:
    with pytest.raises(SimulationError, match="cannot be sent to the workers"):
        evaluate(lambda row: np.zeros(1), ROWS, engine)


def test_pieces_that_end_every_worker(tmp_path: Path) -> None:
    with dask_engine(None, 1) as engine, pytest.raises(SimulationError, match="every worker that evaluated"):
        evaluate(KillsAlways(), ROWS[:65], engine)


def test_a_cluster_without_workers_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_POLL", 0.3)
    monkeypatch.setattr(cluster, "_PATIENCE", 1.0)
    with dask_engine(None, 1) as engine:
        evaluate(Square(), ROWS[:10], engine)
        engine._client.cluster.scale(0)
        engine._client.retire_workers()
        with pytest.raises(SimulationError, match="no worker for 1 s"):
            evaluate(Square(), ROWS, engine)


def test_an_address_without_a_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_WAIT", 0.5)
    with (
        pytest.raises(ConfigurationError, match=r"dask='tcp://127.0.0.1:9': no scheduler answers there"),
        dask_engine("tcp://127.0.0.1:9", 1),
    ):
        pass
    with pytest.raises(ConfigurationError, match="dask='nonsense'"), dask_engine("nonsense", 1):
        pass
