"""Evaluations of an interrupted run are found again, exactly, and those of another problem never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.processes.parallel import evaluate
from bilby_flowpe.storage import ledger as module
from bilby_flowpe.storage.ledger import Ledger, StaleLedger, check, key_of, remembering

ROWS = [{"a": float(index), "b": 0.5} for index in range(300)]

CHECKED = 3
"""Rows of a chunk that are made anew: the first with a value, that of the largest, one without."""


class Task:
    """A value, three of them, or none; counts its calls."""

    def __init__(self, shape: tuple[int, ...] = (3,), shift: float = 0.0, stop: int | None = None) -> None:
        self.shape, self.shift, self.stop, self.calls = shape, shift, stop, 0

    def __call__(self, row: dict[str, float]) -> np.ndarray | None:
        if self.calls == self.stop:
            raise KeyboardInterrupt
        self.calls += 1
        if row["a"] % 7 == 3:
            return None
        return np.full(self.shape, np.sin(row["a"]) + self.shift) + 1j


@pytest.fixture(autouse=True)
def everything_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORTH", 0.0)


def interrupted(folder: Path, **changes) -> None:
    task = Task(stop=200, **changes)
    with pytest.raises(KeyboardInterrupt):
        remembering(Ledger(folder), lambda: evaluate(task, ROWS))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_an_interrupted_run_goes_on(tmp_path: Path, shape: tuple[int, ...]) -> None:
    interrupted(tmp_path / "kept", shape=shape)
    task, alone = Task(shape), Task(shape)
    values, good = remembering(Ledger(tmp_path / "kept"), lambda: evaluate(task, ROWS))
    expected, expected_good = evaluate(alone, ROWS)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(good, expected_good)
    assert values.dtype == expected.dtype
    # Three chunks of 64 were whole, and one row of each is evaluated again.
    assert task.calls == 300 - 3 * 64 + 3 * CHECKED


def test_number_of_processes_does_not_matter(tmp_path: Path) -> None:
    remembering(Ledger(tmp_path / "kept"), lambda: evaluate(Task(), ROWS, npool=2))
    task = Task()
    values, _ = remembering(Ledger(tmp_path / "kept"), lambda: evaluate(task, ROWS))
    assert task.calls == 5 * CHECKED
    np.testing.assert_array_equal(values, evaluate(Task(), ROWS)[0])


def test_another_problems_values_are_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    interrupted(tmp_path / "kept")
    task = Task(shift=0.1)
    values, _ = remembering(Ledger(tmp_path / "kept"), lambda: evaluate(task, ROWS))
    np.testing.assert_array_equal(values, evaluate(Task(shift=0.1), ROWS)[0])
    assert "has another value" in caplog.text
    # And they are gone.
    again = Task(shift=0.1)
    remembering(Ledger(tmp_path / "kept"), lambda: evaluate(again, ROWS))
    assert again.calls == 5 * CHECKED


def test_other_rows_and_other_tasks_have_other_keys() -> None:
    class Other(Task):
        pass

    key = key_of(Task(), ROWS[:64])
    assert key == key_of(Task(), [dict(row) for row in ROWS[:64]])
    assert key != key_of(Other(), ROWS[:64])
    assert key != key_of(Task(), ROWS[1:65])
    assert key != key_of(Task(), [{"a": row["a"], "c": row["b"]} for row in ROWS[:64]])


@pytest.mark.parametrize(
    ("kept", "made"),
    [
        ([1.0, 2.0], [1.0, 2.1]),
        ([1.0], [1.0, 1.0]),
        ([1.0], None),
        (None, [1.0]),
        ([-np.inf], [0.0]),
        ([1.0], [np.nan]),
    ],
)
def test_what_is_stale(kept, made) -> None:
    chunk = [None if kept is None else np.array(kept)]
    with pytest.raises(StaleLedger):
        check(lambda row: None if made is None else np.array(made), [{"a": 1.0}], chunk)


@pytest.mark.parametrize("value", [None, [-np.inf], [1.0, -np.inf], [-1.8e308]])
def test_what_is_not_stale(value) -> None:
    chunk = [None if value is None else np.array(value)]
    check(lambda row: None if value is None else np.array(value), [{"a": 1.0}], chunk)


def test_a_damaged_file_costs_what_is_in_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    interrupted(tmp_path / "kept")
    (file,) = (tmp_path / "kept").glob("*.npz")
    data = file.read_bytes()
    for damaged in (data[: len(data) // 2], data[:-200] + bytes(200), b"", b"no archive"):
        file.write_bytes(damaged)
        task = Task()
        values, _ = remembering(Ledger(tmp_path / "kept"), lambda task=task: evaluate(task, ROWS))
        np.testing.assert_array_equal(values, evaluate(Task(), ROWS)[0])
        for written in (tmp_path / "kept").glob("*.npz"):
            if written != file:
                written.unlink()
    assert "cannot be read" in caplog.text


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    interrupted(tmp_path / "kept")
    (file,) = (tmp_path / "kept").glob("*.npz")
    with np.load(file) as stored:
        arrays = dict(stored)
    with file.open("wb") as opened:
        np.savez(opened, **{**arrays, "values": np.array([{"a": 1}, None], dtype=object)})
    task = Task()
    remembering(Ledger(tmp_path / "kept"), lambda: evaluate(task, ROWS))
    assert task.calls == 300


def test_another_format_or_a_broken_header_starts_anew(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"format": 2, "seed": 1}', '{"format": 1}', '{"format": 1, "seed": "x"}'):
        interrupted(tmp_path / "kept")
        (tmp_path / "kept" / "ledger.json").write_text(text)
        assert len(Ledger(tmp_path / "kept")) == 0


def test_the_seed_is_kept(tmp_path: Path) -> None:
    kept = Ledger(tmp_path / "kept")
    assert kept.seed is None
    kept.seed = 17
    remembering(kept, lambda: evaluate(Task(), ROWS))
    assert Ledger(tmp_path / "kept").seed == 17
    # Waveforms go, the seed stays.
    kept.clear()
    again = Ledger(tmp_path / "kept")
    assert (len(again), again.seed) == (0, 17)
    assert Ledger(tmp_path / "kept", resume=False).seed is None


def test_what_is_fast_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORTH", 1.0)
    remembering(Ledger(tmp_path / "kept"), lambda: evaluate(Task(), ROWS))
    assert not (tmp_path / "kept").exists()


def test_a_full_disk_is_said_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SPARE", 2**62)
    values, _ = remembering(Ledger(tmp_path / "kept"), lambda: evaluate(Task(), ROWS))
    np.testing.assert_array_equal(values, evaluate(Task(), ROWS)[0])
    assert caplog.text.count("would be left on the disk") == 1


@pytest.mark.training
def test_a_run_that_ended_leaves_nothing(tmp_path: Path) -> None:
    """At the end of the process; a next run of the same process under the same name is another one."""
    program = (
        "import sys; sys.path.insert(0, {root!r}); from tests.storage import test_ledger as t; from pathlib import Path\n"
        "t.module._WORTH = 0.0\n"
        "kept = t.Ledger(Path({folder!r})); kept.seed = 5\n"
        "t.remembering(kept, lambda: t.evaluate(t.Task(), t.ROWS)); kept.finish()\n"
        "assert Path({folder!r}).is_dir()\n"
    )
    for name, more, left in (
        ("well", "", False),
        ("again", "assert t.Ledger(Path({folder!r})).seed is None; assert not Path({folder!r}).exists()", False),
        ("killed", "import os; os.kill(os.getpid(), 9)", True),
        ("raised", "raise KeyboardInterrupt", True),
    ):
        folder = str(tmp_path / name)
        text = (program + more).format(root=str(Path(__file__).parents[2]), folder=folder)
        subprocess.run([sys.executable, "-c", text], check=False, stderr=subprocess.DEVNULL)
        assert Path(folder).exists() == left, name


def test_rows_without_a_value_are_looked_at_again() -> None:
    """A likelihood that was mended where it had none."""
    chunk = [np.array([1.0]), None, np.array([2.0])]
    with pytest.raises(StaleLedger):
        check(lambda row: np.array([row["a"]]), [{"a": 1.0}, {"a": 1.5}, {"a": 2.0}], chunk)


def test_a_change_where_the_value_is_largest_is_seen() -> None:
    chunk = [np.array([value]) for value in (-5.0, -4.0, -1.0, -6.0)]
    rows = [{"a": float(value[0])} for value in chunk]
    with pytest.raises(StaleLedger):
        check(lambda row: np.array([row["a"] + (0.5 if row["a"] > -2 else 0)]), rows, chunk)


def test_another_likelihood_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Ledger(tmp_path / "kept", identity="one")
    first.seed = 7
    with pytest.raises(KeyboardInterrupt):
        remembering(first, lambda: evaluate(Task(stop=250), ROWS))
    assert len(Ledger(tmp_path / "kept", identity="one"))
    other = Ledger(tmp_path / "kept", identity="other")
    assert len(other) == 0
    assert other.seed is None
    assert "of a likelihood with other code or other data" in caplog.text


def test_a_full_disk_is_no_error_where_values_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path / "kept")
    ledger = Ledger(tmp_path / "kept")
    ledger.seed = 3

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bilby_flowpe.storage.ledger.write_text", full)
    ledger.clear()
    assert len(ledger) == 0
