"""The commands ``flowpe catalogue`` and ``flowpe reprior``, which treat many events at once."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ..catalogue.event_folder import CHANGED, DONE, FAILED, LOG, EventFolder
from ..catalogue.hdf5 import publish
from ..catalogue.runner import Planned, here, plan, run_catalogue
from ..catalogue.sources import marginalised
from ..catalogue.table import PAGE, TABLE, Entry, format_table

# Seconds between two status lines: often enough to look alive, seldom enough to cost nothing beside the events.
_BEAT = 2.0


def catalogue(
    folder: Path,
    outdir: Path,
    base: Path | None,
    jobs: int | None,
    npool: int | None,
    dask: str | None,
    sampler_kwargs: dict[str, Any],
    renew: bool,
    dry_run: bool,
) -> None:
    """Analyse every event of a folder of configurations."""
    planned = plan(folder, outdir, base, npool, sampler_kwargs)
    at_once = jobs or max((os.cpu_count() or 1) // (npool or 1), 1)
    if dry_run:
        _say_plan(planned, at_once, npool)
        return
    for one in planned if renew else ():
        one.event.renew()
    if dask is None:
        _run(planned, outdir, here(at_once))
        return
    from ..processes.cluster import dask_engine

    with dask_engine(None if dask == "local" else dask, at_once) as engine:
        _run(planned, outdir, engine.each)


def reprior(
    catalogue: Path,
    prior: list[tuple[str, str]],
    outdir: Path,
    least: float,
    n_effective: int | None,
    jobs: int | None,
    npool: int | None,
) -> None:
    """Change the prior of a catalogue."""
    from ..catalogue.reprior import plan_reprior

    planned = plan_reprior(catalogue, dict(prior), outdir, least, n_effective, npool)
    _run(planned, outdir, here(jobs or max((os.cpu_count() or 1) // (npool or 1), 1)))


def _run(planned: list[Planned], outdir: Path, each: Any) -> None:
    """Run events, and print what came of them."""
    began = time.monotonic()
    left = sum(one.standing not in (DONE, CHANGED) for one in planned)
    if left:
        print(f"{left} of {len(planned)} events to do; logs: {outdir}/events/*/{LOG}", file=sys.stderr, flush=True)
    with _status(planned, sys.stderr.isatty()):
        entries, interrupted = run_catalogue(planned, outdir, each, _tell(planned))
    print(format_table(entries))
    counts = Counter(entry.status for entry in entries)
    minutes = sum(entry.row["cpu_seconds"] for entry in entries) / 60
    print(
        f"{', '.join(f'{count} {word}' for word, count in counts.most_common())}; {minutes:.1f} CPU minutes in all, "
        f"{(time.monotonic() - began) / 60:.1f} minutes since this command began"
    )
    print(f"table: {outdir / TABLE}\npage: {outdir / PAGE}")
    if interrupted:
        # The exit status says that the command was interrupted, as for other commands.
        raise KeyboardInterrupt
    if path := publish(entries, outdir):
        print(f"results: {path}")


def _say_plan(planned: list[Planned], at_once: int, npool: int | None) -> None:
    for one in planned:
        done = one.event.state().done
        doing = {
            DONE: "nothing: it is done",
            CHANGED: "nothing: its configuration has changed, see its row in the table",
        }
        what = doing.get(one.standing, "everything" if not done else f"what is left after {', '.join(done)}")
        print(f"{one.event.name:<24} {one.job.kind:<11} {one.standing:<12} {what}")
    left = sum(one.standing not in (DONE, CHANGED) for one in planned)
    each = f"{npool} processes each" if npool else "as many processes each as its configuration says"
    print(f"{len(planned)} events, {left} to do, {at_once} at once, {each}")
    integrated = {one.event.name: keys for one in planned if (keys := marginalised(one.source))}
    if integrated:
        first, keys = next(iter(integrated.items()))
        others = len(integrated) - 1
        rest = f" and of {others} other{'s' if others > 1 else ''}" if others else ""
        print(
            f"The likelihood of {first}{rest} is marginalised (over {', '.join(keys)}). It is used as it is: flowpe samples "
            "these parameters too, and evaluates each kept draw twice; without marginalisation the result is the same, sooner. "
            "Where Bilby's integral is not exact (over the phase if the wave is not a pure (2, 2) mode, over the time without "
            "jitter), nothing is drawn in closed form. flowpe reprior cannot change the priors of "
            "these parameters. Set the marginalisations to False to avoid all this"
        )


def _tell(planned: list[Planned]) -> Any:
    """Return a function that prints a line about each event that ends."""
    told = {one.event.name for one in planned if one.standing in (DONE, CHANGED)}

    def tell(entry: Entry) -> None:
        if entry.event.name in told or entry.status not in (DONE, FAILED):
            return
        told.add(entry.event.name)
        seconds = sum(attempt["wall"] for attempt in entry.event.attempts())
        said = entry.error or str(entry.row.get("verdict"))
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(
            f"{clear}{len(told)} of {len(planned)}: {entry.event.name}: {said}, {seconds:.0f} s, "
            f"{entry.row['cpu_seconds']:.0f} CPU s",
            file=sys.stderr,
            flush=True,
        )

    return tell


@contextmanager
def _status(planned: list[Planned], shown: bool) -> Iterator[None]:
    """Show a status line on a terminal: how many events are done, and at which stage the others are."""
    ended, began = Event(), time.monotonic()
    # What was done before this command began says nothing of how long the rest takes.
    before = sum(one.standing == DONE for one in planned)

    def show() -> None:
        while not ended.wait(_BEAT):
            print(
                f"\r\x1b[K{_line([one.event for one in planned], before, time.monotonic() - began)}",
                end="",
                file=sys.stderr,
            )
            sys.stderr.flush()

    thread = Thread(target=show, daemon=True)
    if shown:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if shown:
            thread.join()
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _line(events: list[EventFolder], before: int, seconds: float) -> str:
    """Return the status line."""
    standings = {event.name: event.standing() for event in events}
    done = sum(standing == DONE for standing in standings.values())
    failed = sum(standing == "failed" for standing in standings.values())
    busy = []
    for event in events:
        if standings[event.name] != "interrupted":
            continue
        attempts = event.attempts()
        if attempts and event.is_held:
            busy.append(f"{event.name} {attempts[-1]['stage']} {attempts[-1]['cpu']:.0f} s")
    line = f"{done} of {len(events)} done, {failed} failed; {', '.join(busy)}"
    if done > before and seconds > 0:
        left = (len(events) - done - failed) * seconds / (done - before)
        line += f"; about {left / 60:.0f} min left"
    return line[:160]
