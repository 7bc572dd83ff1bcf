"""Worker processes: order, errors, a worker's death and a parent's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import torch

from bilby_flowpe.errors import WorkerError
from bilby_flowpe.processes import workers
from bilby_flowpe.processes.workers import started

GIVEN: list[int] = []


def keep(given: int) -> None:
    GIVEN.append(given)


def shifted(item: int) -> int:
    # The first items take longest: what comes back first is not the first.
    time.sleep(0.02 / (1 + item))
    return item + GIVEN[-1]


def fall(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


class Refusal(Exception):
    """Cannot be pickled: it has a function of its own."""

    def __init__(self) -> None:
        super().__init__("no")
        self.why = lambda: "no"


def refuse(item: int) -> int:
    raise Refusal


def unsendable(item: int) -> object:
    return lambda: item


def threads_of_torch(item: int) -> int:
    return torch.get_num_threads()


def divide(item: int) -> float:
    return 1 / (item - 2)


@pytest.mark.parametrize("npool", [1, 3])
@pytest.mark.parametrize("ahead", [1, 2])
def test_answers_come_in_the_order_of_the_items(npool: int, ahead: int) -> None:
    with started(npool, shifted, keep, 100) as workers:
        assert list(workers.imap(range(20), ahead)) == list(range(100, 120))
        assert list(workers.imap([], ahead)) == []
        assert list(workers.imap([5], ahead)) == [105]


def test_items_are_asked_for_as_they_are_needed() -> None:
    asked = []
    with started(2, shifted, keep, 0) as workers:
        answers = workers.imap((asked.append(number) or number for number in range(1000)), 2)
        next(answers)
        assert len(asked) < 50


def test_an_error_of_a_worker_is_raised_with_where_it_was() -> None:
    with started(2, divide, keep, 0) as workers, pytest.raises(ZeroDivisionError) as found:
        list(workers.imap(range(6)))
    assert "in divide" in "".join(found.value.__notes__)


def test_a_killed_worker_is_an_error_and_not_for_ever() -> None:
    with started(2, fall, keep, 0) as workers, pytest.raises(WorkerError, match=r"exit code -9.*npool"):
        list(workers.imap(range(50)))


@pytest.mark.parametrize(("work", "said"), [(refuse, "Refusal"), (unsendable, "pickle")])
def test_what_cannot_be_sent_is_an_error(work, said: str) -> None:
    with started(2, work, keep, 0) as workers, pytest.raises(WorkerError, match=said):
        list(workers.imap(range(4)))


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from bilby_flowpe.processes.workers import started\n"
        "def keep(given):\n"
        "    open(f'{given}/{os.getpid()}', 'w').close()\n"
        "def work(item):\n"
        "    time.sleep(0.05)\n"
        f"with started(3, work, keep, {str(tmp_path)!r}) as workers:\n"
        "    print('started', flush=True)\n"
        "    list(workers.imap(range(10**6)))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "started\n"
    deadline = time.monotonic() + 60
    while len(workers := [int(path.name) for path in tmp_path.glob("[0-9]*")]) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) == 3
    parent.kill()
    parent.wait()

    def there(number: int) -> bool:
        try:
            return Path(f"/proc/{number}/stat").read_text().split(") ")[1][0] != "Z"
        except OSError:
            return False

    while any(map(there, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(there, workers))


@pytest.mark.parametrize(("module", "name"), [("jax", "JAX"), ("taichi", "Taichi")])
def test_threads_that_a_fork_loses_are_told_once(module, name, monkeypatch, caplog):
    """Imitate a likelihood in JAX, with which the parent has computed: forked workers would wait forever."""
    workers._warn_of_threads.cache_clear()
    monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    monkeypatch.setattr(workers.multiprocessing, "get_start_method", lambda: "fork")
    with caplog.at_level("WARNING", logger="bilby"):
        for _ in range(2):
            with started(0, shifted, keep, 0):
                pass
    assert caplog.text.count(f"{name} is loaded") == 1
    assert "npool=1" in caplog.text
    workers._warn_of_threads.cache_clear()


def test_a_likelihood_in_torch_has_one_thread_in_a_worker() -> None:
    """A worker has one thread: with more, a forked worker would wait forever for the threads of its parent."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with started(1, threads_of_torch, keep, 0) as found:
            assert list(found.imap([0])) == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
