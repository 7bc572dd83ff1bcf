"""A watched folder: with an analyst that does nothing, so that what is tested is who is analysed, when, and what is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from bilby_flowpe.alert.clock import Clock
from bilby_flowpe.alert.inbox import Inbox
from bilby_flowpe.errors import ConfigurationError, DataError


class Analyst:
    """Notes what it is asked, and fails as its events say."""

    def __init__(self, failures: dict[str, BaseException] | None = None) -> None:
        self.asked: list[tuple] = []
        self.failures = failures or {}

    def analyse(self, data, trigger_time, chirp_mass, noise_curves, detectors, duration, outdir, label):
        self.asked.append((label, Path(data), trigger_time, chirp_mass))
        if label in self.failures:
            raise self.failures[label]
        clock = Clock()
        with clock.stage("posterior"):
            pass
        return SimpleNamespace(
            verdict="reliable", reasons=(), clock=clock, trigger_time=trigger_time, chirp_mass=chirp_mass,
            timing=lambda: clock.to_dict(),
        )  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "in").mkdir()
    return tmp_path / "in", tmp_path / "out"


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def put(inbox: Path, name: str, text: str = '{"trigger_time": 5}', at: float = 0.0) -> Path:
    path = inbox / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (at, at))
    return path


def box(folders, analyst, written: list[str] | None = None) -> Inbox:
    def write(analysed, folder: Path, name: str) -> None:
        (folder / f"{name}.fits").write_text("map")
        if written is not None:
            written.append(name)

    return Inbox(*folders, analyst, {"sky map": write})


def test_events_by_folder_and_by_file_in_the_order_they_came(folders) -> None:
    inbox, out = folders
    put(inbox, "late.toml", "trigger_time = 7\nchirp_mass = [20, 30]\n", at=20)
    put(inbox, "early/event.json", at=10)
    put(inbox, ".hidden.json")
    put(inbox, "unfinished/event.json.part")
    put(inbox, "strain.txt")
    analyst, written = Analyst(), []
    assert box(folders, analyst, written).work_off() == 2
    assert analyst.asked == [("early", inbox / "early", 5.0, None), ("late", inbox, 7.0, (20.0, 30.0))]
    assert written == ["early", "late"]
    said = json.loads((out / "late" / "timing.json").read_text())
    assert said["verdict"] == "reliable" and said["chirp_mass"] == [20.0, 30.0] and "sky map" in said["wall"]
    assert said["came"].startswith("1970-01-01T00:00:20")


def test_no_event_twice(folders) -> None:
    put(folders[0], "a.json")
    analyst = Analyst()
    assert [box(folders, analyst).work_off() for _ in range(2)] == [1, 0]
    # Neither one that failed, nor by another process later, nor by its other form.
    put(folders[0], "a/event.json")
    put(folders[0], "b.json", "{")
    assert [box(folders, analyst).work_off() for _ in range(2)] == [1, 0]
    assert len(analyst.asked) == 1


def test_broken_events_leave_their_error_and_the_next_is_analysed(folders) -> None:
    inbox, out = folders
    for at, name in enumerate(("typed", "untyped", "good")):
        put(inbox, f"{name}.json", at=at)
    put(inbox, "nowhere.json", '{"trigger_time": 5, "strain": "gone"}', at=9)
    analyst = Analyst({"typed": DataError("no strain: give some"), "untyped": ZeroDivisionError("oh")})
    assert box(folders, analyst).work_off() == 4
    typed, untyped, nowhere = (
        json.loads((out / name / "error.json").read_text()) for name in ("typed", "untyped", "nowhere")
    )
    assert (typed["error"], typed["message"]) == ("DataError", "no strain: give some") and "traceback" not in typed
    assert untyped["error"] == "ZeroDivisionError" and "Traceback" in untyped["traceback"]
    assert nowhere["error"] == "DataError" and "gone" in nowhere["message"]
    assert (out / "good" / "timing.json").is_file() and not (out / "good" / "error.json").exists()


def test_an_interrupted_event_is_taken_up_again(folders) -> None:
    put(folders[0], "a.json")
    stopped = Analyst({"a": SystemExit(77)})  # as Bilby ends a run upon a signal
    with pytest.raises(SystemExit):
        box(folders, stopped).work_off()
    assert box(folders, Analyst()).work_off() == 1


def test_sigterm_ends_the_watch_also_after_a_run_left_its_handlers(folders) -> None:
    put(folders[0], "a.json")

    class Rude(Analyst):
        def analyse(self, *args):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise DataError("broken")

    watched = box(folders, Rude())
    watched._outdir.mkdir()

    def waiting(real=watched.waiting):
        events = real()
        if not events:
            os.kill(os.getpid(), signal.SIGTERM)
        return events

    watched.waiting = waiting  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match="0"):
        watched.watch(5.0)


def test_one_process_holds_the_output(folders) -> None:
    mine, other = box(folders, Analyst()), box(folders, Analyst())
    with mine.held(), pytest.raises(ConfigurationError, match=f"process {os.getpid()}"), other.held():
        pass
    # One that was killed holds nothing, also where this process, in a container that was started again, has its number.
    for number in (2**22 + 1, os.getpid()):
        (folders[1] / ".flowpe_alert").write_text(str(number))
        with other.held():
            pass


def test_a_page_that_cannot_be_made_costs_no_posterior(folders) -> None:
    inbox, out = folders
    put(inbox, "one.json")

    def page(analysed, folder: Path, name: str) -> None:
        raise ValueError("no font")

    def result(analysed, folder: Path, name: str) -> None:
        (folder / f"{name}_result.json").write_text("{}")

    Inbox(*folders, Analyst(), {"page": page, "result": result}).work_off()
    said = json.loads((out / "one" / "timing.json").read_text())
    assert said["missing"] == {"page": "ValueError: no font"}
    assert (out / "one" / "one_result.json").is_file()
    assert not (out / "one" / "error.json").exists()


def test_an_event_whose_folder_cannot_be_written_does_not_end_the_watch(folders) -> None:
    inbox, out = folders
    out.mkdir()
    (out / "a").write_text("a file is in the way")
    (out / "b" / "error.json").mkdir(parents=True)
    for number, name in enumerate("abc"):
        put(inbox, f"{name}.json", "junk" if name == "b" else '{"trigger_time": 5}', number)
    watched = box(folders, Analyst())
    assert watched.work_off() == 3 and (out / "c" / "timing.json").is_file()
    assert watched.waiting() == []


def test_folders_are_checked(folders) -> None:
    inbox, _ = folders
    with pytest.raises(ConfigurationError, match="no such folder"):
        Inbox(inbox / "none", inbox / "out", Analyst(), {})
    with pytest.raises(ConfigurationError, match="is the inbox itself"):
        Inbox(inbox, inbox, Analyst(), {})
