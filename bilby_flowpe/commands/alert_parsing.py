"""Parsers of ``flowpe alert`` and ``flowpe notes``; large packages are not imported."""

from __future__ import annotations

import argparse
from pathlib import Path

from .parsing import AtLeast, Commands, add


def add_alert(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe alert`` to a parser."""
    alert = add(
        commands,
        "alert",
        "stay ready, watch a folder, and make posterior, sky map and page from the strain of each new event",
    )
    alert.add_argument("inbox", type=Path, metavar="INBOX", help="folder into which events are put")
    alert.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/alert"),
        help="folder in which a folder is made for each event (default: outdir/alert)",
    )
    alert.add_argument("--once", action="store_true", help="analyse the events that are there now, then end")
    alert.add_argument(
        "--every", type=_seconds, default=0.5, metavar="SECONDS", help="how often to look for new events (default: 0.5)"
    )
    alert.add_argument(
        "--priors",
        type=Path,
        metavar="FILE",
        help="prior file as Bilby reads it, without the time (default: Bilby's for black-hole binaries with aligned spins)",
    )
    alert.add_argument(
        "--waveform", default="IMRPhenomXAS", help="waveform approximant of LALSimulation (default: IMRPhenomXAS)"
    )
    alert.add_argument("--minimum-frequency", type=float, default=20.0, help="lowest frequency, in Hz (default: 20)")
    alert.add_argument(
        "--maximum-frequency", type=float, default=1024.0, help="highest frequency, in Hz (default: 1024)"
    )
    alert.add_argument(
        "--effective",
        type=AtLeast(2),
        default=300,
        help="effective number of draws to reach, and largest number of posterior samples (default: 300)",
    )
    alert.add_argument(
        "--npool", type=AtLeast(1), default=1, help="processes for waveforms and likelihoods (default: 1)"
    )
    alert.add_argument(
        "--page",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write an HTML page about each result (default: yes)",
    )


def add_notes(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command ``flowpe notes`` to a parser."""
    notes = add(commands, "notes", "write the verdicts of results as a text, for summarypages --notes of PESummary")
    notes.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="a result file of Bilby's")
    notes.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: print it)")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give seconds, such as 0.5")
    return seconds
