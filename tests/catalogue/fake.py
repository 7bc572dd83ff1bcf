"""An analysis of an event that takes no time: for tests of what starts, ends and goes on."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from bilby_flowpe.catalogue.child import Stage
from bilby_flowpe.catalogue.event_folder import EventFolder, Job
from bilby_flowpe.catalogue.sources import PIPE, STRAIN

FAKE = {PIPE: "tests.catalogue.fake.stages", STRAIN: "tests.catalogue.fake.stages"}
ROW = {"verdict": "reliable", "reason": "", "mass_1": 30.0, "mass_1_05": 29.0, "mass_1_95": 31.0, "n_effective": 300.0}


def stages(event: EventFolder, job: Job) -> list[Stage]:
    """``settings``: ``waits``, seconds of its analysis; ``does``, what goes wrong in it."""
    return [
        Stage("data", lambda done: _noted(event, "data")),
        Stage("analysis", lambda done: _analyse(event, job)),
        Stage("page", lambda done: _noted(event, "page", job.settings.get("does") == "no page"), needed=False),
        Stage("row", lambda done: event.save_row(ROW) or _noted(event, "row")),
    ]


def _noted(event: EventFolder, what: str, fails: bool = False) -> dict[str, Any]:
    """Write down, beside the event, that a stage was begun."""
    with (event.path / "calls.txt").open("a") as file:
        file.write(f"{what}\n")
    if fails:
        raise ValueError("no\nink")
    return {}


def _analyse(event: EventFolder, job: Job) -> dict[str, Any]:
    _noted(event, "analysis")
    (event.path / "threads.txt").write_text(os.environ["OMP_NUM_THREADS"])
    does = job.settings.get("does")
    if does == "fails":
        raise ValueError("mass_9=50: is no\nparameter")
    if does == "is killed":
        os.kill(os.getpid(), 9)
    if does == "exits":
        print("usage: error: no such argument", flush=True)
        sys.exit(2)
    end = time.monotonic() + job.settings.get("waits", 0.0)
    # Once it has been interrupted it is quick: what was evaluated is kept.
    while time.monotonic() < end and (event.path / "calls.txt").read_text().count("analysis") == 1:
        time.sleep(0.01)
    return {"result": "run/result.hdf5"}
