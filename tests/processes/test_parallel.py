"""Evaluating rows: order, failures and errors are the same whatever the number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bilby_flowpe.processes.parallel import Row, evaluate

ROWS = [{"x": float(i)} for i in range(200)]  # More than three chunks.


def square(row: Row) -> np.ndarray:
    return np.array([row["x"], row["x"] ** 2], dtype=np.float32)


def square_of_even(row: Row) -> np.ndarray | None:
    return square(row) if row["x"] % 2 == 0 else None


def process(row: Row) -> np.ndarray:
    return np.array(os.getpid())


def fail(row: Row) -> np.ndarray:
    if row["x"] == 150:
        raise ZeroDivisionError("x=150")
    return square(row)


@pytest.mark.parametrize("npool", [1, 2])
class TestEvaluate:
    def test_values_come_in_the_order_of_the_rows(self, npool):
        values, good = evaluate(square, ROWS, npool)
        assert good.all()
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, [[i, i**2] for i in range(200)])

    def test_rows_without_a_value_are_left_out_and_told(self, npool):
        values, good = evaluate(square_of_even, ROWS, npool)
        np.testing.assert_array_equal(good, np.arange(200) % 2 == 0)
        np.testing.assert_array_equal(values[:, 0], np.arange(0, 200, 2))

    def test_an_error_in_a_row_is_raised(self, npool):
        with pytest.raises(ZeroDivisionError, match="x=150"):
            evaluate(fail, ROWS, npool)


def test_no_rows_and_no_values():
    for rows, task in (([], square), ([{"x": 1.0}, {"x": 3.0}], square_of_even)):
        values, good = evaluate(task, rows)
        assert len(values) == 0
        assert good.shape == (len(rows),)
        assert not good.any()


def test_work_is_shared_among_processes_where_it_is_worth_it():
    many, _ = evaluate(process, ROWS, npool=2)
    assert os.getpid() not in many
    few, _ = evaluate(process, ROWS[:10], npool=2)
    assert set(few) == {os.getpid()}


def test_progress_is_shown_when_a_title_is_given(capsys):
    evaluate(square, ROWS[:3])
    assert capsys.readouterr().err == ""
    evaluate(square, ROWS[:3], progress="Squares")
    shown = capsys.readouterr().err
    assert "Squares" in shown
    assert "3/3" in shown


@pytest.mark.training
def test_a_signal_that_comes_while_workers_are_forked_is_not_lost(tmp_path: Path) -> None:
    """Python drops what a handler raises in the middle of a fork, so that the signal has to wait."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "import numpy as np\n"
        "from bilby_flowpe.processes.parallel import evaluate\n"
        "def end(number, frame):\n"
        "    sys.exit(99)\n"
        "def task(row):\n"
        "    return np.array([row['a']])\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "sent = []\n"
        "def send():\n"
        "    if not sent:\n"
        "        sent.append(1)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "os.register_at_fork(after_in_parent=send)\n"
        "evaluate(task, [{'a': float(i)} for i in range(640)], npool=2)\n"
        "print('ended as if nothing had come')\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 99, done.stdout + done.stderr
