"""Many events: what is done once, what fails alone, and what an interruption leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from astropy.table import Table

from bilby_flowpe.catalogue.event_folder import EventFolder, State
from bilby_flowpe.catalogue.runner import Planned, here, plan, run_catalogue
from bilby_flowpe.errors import DataError

from .fake import FAKE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def children_find_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def planned(folder: Path, events: dict[str, str], **options: object) -> list[Planned]:
    text = "".join(f"[events.{name}]\n{settings}\n" for name, settings in events.items())
    (folder / "events.toml").write_text(text)
    return plan(folder / "events.toml", folder / "out", stages=FAKE, **options)


def calls(folder: Path, name: str) -> list[str]:
    path = folder / "out" / "events" / name / "calls.txt"
    return path.read_text().split() if path.exists() else []


def test_one_broken_event_does_not_stop_the_others(tmp_path: Path) -> None:
    events = {
        "a": "",
        "b": "does = 'fails'",
        "c": "does = 'is killed'",
        "d": "does = 'exits'",
        "e": "does = 'no page'",
    }
    told: list[str] = []
    plans = planned(tmp_path, events)
    entries, interrupted = run_catalogue(plans, tmp_path / "out", here(2), lambda one: told.append(one.event.name))
    assert not interrupted
    assert sorted(told) == [*"abcde"]
    assert [entry.status for entry in entries] == ["done", "failed", "failed", "failed", "done"]
    assert entries[1].error == "analysis: ValueError: mass_9=50: is no parameter"
    assert "signal 9" in entries[2].error
    assert entries[3].error == "analysis: usage: error: no such argument"
    assert entries[4].error == "page: ValueError: no ink"
    assert (tmp_path / "out/events/a/threads.txt").read_text() == "1"
    table = Table.read(tmp_path / "out" / "catalogue.ecsv")
    assert list(table["status"]) == [entry.status for entry in entries]
    assert table["mass_1_95"][0] == 31.0
    assert table["mass_1"].mask[1]
    assert 'href="events/a/a.html"' not in (tmp_path / "out" / "catalogue.html").read_text()  # the fake has no page


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    for _ in range(2):
        plans = planned(tmp_path, {"a": "", "b": "does = 'fails'", "e": "does = 'no page'"})
        run_catalogue(plans, tmp_path / "out", here(2))
    assert calls(tmp_path, "a") == ["data", "analysis", "page", "row"]
    # What failed is tried again, from where it failed.
    assert calls(tmp_path, "b") == ["data", "analysis", "analysis"]
    assert calls(tmp_path, "e") == ["data", "analysis", "page", "row", "page"]


def test_another_configuration_is_not_taken_for_the_one_that_was_run(tmp_path: Path) -> None:
    run_catalogue(planned(tmp_path, {"a": "", "b": "does = 'fails'"}), tmp_path / "out", here(2))
    changed = planned(tmp_path, {"a": "waits = 0.001", "b": "waits = 0.001"})
    entries, _ = run_catalogue(changed, tmp_path / "out", here(2))
    assert [entry.status for entry in entries] == ["changed", "done"]
    assert "remove its folder" in entries[0].error
    # What it has is still there.
    assert entries[0].row["mass_1"] == 30.0
    with pytest.raises(DataError, match="has changed since it was run"):
        changed[0].event.prepare(changed[0].job)
    arguments = planned(tmp_path, {"b": "waits = 0.001"}, sampler_kwargs={"n_effective": 3})
    assert arguments[0].standing == "changed"


SCRIPT = """
import sys
from pathlib import Path
from bilby_flowpe.catalogue.runner import here, plan, run_catalogue
from tests.catalogue.fake import FAKE
folder = Path(sys.argv[1])
entries, interrupted = run_catalogue(plan(folder / "events.toml", folder / "out", stages=FAKE), folder / "out", here(2))
sys.exit(130 if interrupted else 0)
"""


@pytest.mark.training
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_catalogue_goes_on(tmp_path: Path, number: int) -> None:
    """Two events are under way, and one has not begun: nothing that was done is done again, and no process is left."""
    planned(tmp_path, {"a": "", "b": "waits = 60", "c": "waits = 60", "d": ""})
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT) as process:
        while not all("analysis" in calls(tmp_path, name) for name in "bc"):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        code = process.wait()
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    for name in "bc":
        event = EventFolder(tmp_path / "out" / "events" / name)
        # Of a parent that was killed the children know by themselves.
        deadline = time.monotonic() + 20
        while True:
            with event.locked() as free:
                if free:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert event.standing() == "interrupted"
        assert not event.state().error
    assert calls(tmp_path, "d") == []
    plans = plan(tmp_path / "events.toml", tmp_path / "out", stages=FAKE)
    entries, _ = run_catalogue(plans, tmp_path / "out", here(2))
    assert [entry.status for entry in entries] == ["done"] * 4
    assert calls(tmp_path, "a") == calls(tmp_path, "d") == ["data", "analysis", "page", "row"]
    assert calls(tmp_path, "b") == calls(tmp_path, "c") == ["data", "analysis", "analysis", "page", "row"]
    event = EventFolder(tmp_path / "out" / "events" / "b")
    assert len(event.attempts()) == 2
    assert event.cpu_seconds == sum(attempt["cpu"] for attempt in event.attempts()) > 0
    assert not list((tmp_path / "out").glob(".stop*"))


def test_an_event_of_another_catalogue_is_left_to_it(tmp_path: Path) -> None:
    plans = planned(tmp_path, {"a": ""})
    plans[0].event.prepare(plans[0].job)
    with plans[0].event.locked() as free:
        assert free
        entries, _ = run_catalogue(plans, tmp_path / "out", here(1))
    assert entries[0].status == "waiting"
    assert calls(tmp_path, "a") == []


def test_another_configuration_does_not_take_the_run_of_a_process_away(tmp_path: Path) -> None:
    """A second command with other arguments leaves what the first one works on."""
    first = planned(tmp_path, {"a": ""})[0]
    first.event.prepare(first.job)
    first.event.save(State(first.job.digest, {"data": {}}))
    first.event.run.mkdir()
    second = planned(tmp_path, {"a": ""}, sampler_kwargs={"n_effective": 3})
    with first.event.locked():
        run_catalogue(second, tmp_path / "out", here(1))
        assert first.event.run.is_dir()
        assert first.event.job() == first.job
        assert first.event.state().digest == first.job.digest
        with pytest.raises(DataError, match="a process is working on another configuration"):
            second[0].event.prepare(second[0].job)
    assert run_catalogue(second, tmp_path / "out", here(1))[0][0].status == "done"


def test_in_a_thread_no_signal_is_asked_for(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run_catalogue(planned(tmp_path, {"a": ""}), tmp_path / "out", here(1)))
    )
    thread.start()
    thread.join()
    assert found[0][0][0].status == "done"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.training
@pytest.mark.slow
def test_on_a_dask_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from bilby_flowpe.processes.cluster import dask_engine

    with dask_engine(None, 2) as engine:
        plans = planned(tmp_path, {"a": "", "b": "does = 'fails'"})
        entries, interrupted = run_catalogue(plans, tmp_path / "out", engine.each)
    assert not interrupted
    assert [entry.status for entry in entries] == ["done", "failed"]
    assert calls(tmp_path, "a") == ["data", "analysis", "page", "row"]
