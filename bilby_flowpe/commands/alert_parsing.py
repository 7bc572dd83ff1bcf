"""The parsers of ``flowpe alert`` and ``flowpe notes``; nothing large is imported."""

from __future__ import annotations

import argparse
from pathlib import Path

from .parsing import AtLeast, Commands, add


def add_alert(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe alert``."""
    alert = add(
        commands,
        "alert",
        "stay warm, watch a folder, and turn the strain of each event into posterior, sky map and page",
    )
    alert.add_argument("inbox", type=Path, metavar="INBOX", help="folder that events come into")
    alert.add_argument(
        "--outdir",
        type=Path,
        default=Path("outdir/alert"),
        help="a folder each event goes there (default: outdir/alert)",
    )
    alert.add_argument("--once", action="store_true", help="analyse the events that are there, and end")
    alert.add_argument(
        "--every", type=_seconds, default=0.5, metavar="SECONDS", help="how often to look for new events (default: 0.5)"
    )
    alert.add_argument(
        "--priors",
        type=Path,
        metavar="FILE",
        help="prior file of Bilby's kind, without the time (default: Bilby's of binary black holes with aligned spins)",
    )
    alert.add_argument(
        "--waveform", default="IMRPhenomXAS", help="approximant of LALSimulation (default: IMRPhenomXAS)"
    )
    alert.add_argument("--minimum-frequency", type=float, default=20.0, help="in Hz (default: 20)")
    alert.add_argument("--maximum-frequency", type=float, default=1024.0, help="in Hz (default: 1024)")
    alert.add_argument(
        "--effective", type=AtLeast(2), default=300, help="effective draws, and most rows of a posterior (default: 300)"
    )
    alert.add_argument("--npool", type=AtLeast(1), default=1, help="processes for waves and likelihoods (default: 1)")
    alert.add_argument(
        "--page", action=argparse.BooleanOptionalAction, default=True, help="write a page on each result (default: yes)"
    )


def add_notes(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``flowpe notes``."""
    notes = add(commands, "notes", "tell the verdicts of results in a text, for summarypages --notes of PESummary")
    notes.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="result file of Bilby's")
    notes.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: print it)")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give seconds, such as 0.5")
    return seconds
