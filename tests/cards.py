"""Measures every shipped model as its card says, on fewer events, and holds the figures against the card.

    python tests/cards.py
    python tests/cards.py --before main --folder build/cards
    python tests/cards.py --only green2020-5d-maf-joint --full

The weights have to be those whose digest stands on the card; the loss has to be that of the card within its standard error, and
the median efficiency within the range of the card, from its worst event to one. With ``--before`` the package of an earlier
commit measures them, too, and every figure of every event has to be the same to the last bit. ``--full`` takes as many events
and draws as the card: hours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from same_answers import ROOT, package_of

from bilby_flowpe.storage.folder import WEIGHTS, file_digest

MODELS = ROOT / "bilby_flowpe" / "models"
EVENTS, DRAWS = 10, 1000


def stated(card: str) -> dict[str, Any]:
    """Figures of a card: the command, digest, loss with its error, efficiencies."""

    def number(pattern: str) -> float | None:
        found = re.search(pattern + r"[^|]*\| (-?[\d.]+)", card)
        return float(found[1]) if found else None

    command = re.search(r"`(flowpe gap [^`]*)`", card)
    digest = re.search(r"SHA-256[^`]*`(\w+)`", card)
    if command is None or digest is None:
        raise ValueError("the card has no command `flowpe gap`, or no digest of the weights")
    return {
        "command": command[1].split()[1:],
        "digest": digest[1],
        "loss": number(r"\| loss on"),
        "median": number(r"\| sample efficiency, median"),
        "worst": number(r"\| worst"),
    }


def measured(tree: Path, command: list[str], folder: Path) -> tuple[dict[str, Any], list[str], str]:
    """Summary, one line an event, and what was printed, of the command with the package of ``tree``."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    if not list(folder.glob("*.gap.json")):
        folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "bilby_flowpe.cli", *command, "--outdir", str(folder.resolve())]
        done = subprocess.run(words, cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE)
        (folder / "printed.txt").write_text(done.stdout)
    (summary,), (events,) = folder.glob("*.gap.json"), folder.glob("*.jsonl")
    return json.loads(summary.read_text()), events.read_text().splitlines(), (folder / "printed.txt").read_text()


def shortened(command: list[str], full: bool) -> list[str]:
    """The card's command with no more than ``EVENTS`` events and ``DRAWS`` draws each."""
    most = {"--injections": EVENTS, "--draws": DRAWS}
    words = list(command)
    for option, number in most.items() if not full else ():
        place = words.index(option) + 1
        words[place] = str(min(int(words[place]), number))
    return words


def told_of(model: Path, before: Path | None, folder: Path, full: bool) -> tuple[bool, str]:
    """Return whether a model agrees with its card, and a line about it."""
    card = stated((model / "card.md").read_text("utf-8"))
    command = shortened(card["command"], full)
    summary, events, printed = measured(ROOT, command, folder / "after" / model.name)
    wrong = [] if file_digest(model / WEIGHTS) == card["digest"] else ["other weights"]
    loss = re.search(r"parameters: (-?[\d.]+) \+- ([\d.]+)", printed)
    if loss is None:
        wrong.append("no loss")
    elif card["loss"] is not None and abs(float(loss[1]) - card["loss"]) > float(loss[2]):
        wrong.append("another loss")
    if not card["worst"] <= summary["efficiency_median"] <= 1:
        wrong.append("another efficiency")
    said = f"loss {loss[1] if loss else '-':>7s} (card {card['loss'] if card['loss'] is not None else '-':>6}), "
    said += f"median efficiency {summary['efficiency_median']:.4f} (card {card['median']:.4f})"
    if before:
        _, earlier, printed_earlier = measured(before, command, folder / "before" / model.name)
        same = earlier == events and printed == printed_earlier
        said += f", {len(events)} events {'as before to the last bit' if same else 'NOT as before'}"
        wrong += [] if same else ["not as before"]
    return not wrong, said + (f"; {', '.join(wrong).upper()}" if wrong else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted(card.parent.name for card in MODELS.glob("*/card.md"))
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--before", help="an earlier commit, to be compared with")
    parser.add_argument("--folder", type=Path, help="where figures of the earlier commit are kept")
    parser.add_argument("--full", action="store_true", help="as many events and draws as the card")
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if arguments.folder:
            arguments.folder.mkdir(parents=True, exist_ok=True)
            (folder / "before").symlink_to(arguments.folder.resolve())
        for name in arguments.only:
            before = package_of(arguments.before) if arguments.before else None
            good, line = told_of(MODELS / name, before, folder, arguments.full)
            wrong += not good
            print(f"{name:30s} {line}", flush=True)
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
