"""Solves a fixed list of problems with an earlier commit and with the working tree, and compares the answers to the last bit.

    python tests/same_answers.py --before main
    python tests/same_answers.py --before main --only shells sky_two --folder build/same

A redesign must not change an answer: the same seeds, the same order of draws, the same operations. Compared are the log
weights of every batch, the weighted and equal-weight draws with all their columns, the evidence and its error, the numbers of
likelihood evaluations, the verdict, every other number of ``run_statistics`` but seconds, and the weights of networks trained
on the way.
Reasons and other texts are compared apart: a difference in words is told and is no difference in numbers.

The answers of the earlier commit are kept in the folder and made once; remove a file there to have it made anew. Left out are
runs that a clock ends (``max_time``, ``training_time``): they differ from themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CHILD = Path(__file__).with_name("same_answers_child.py")

DELIBERATE: dict[str, str] = {}
"""Problems whose answer changes on purpose, and why; by the full name of the problem."""

NOT_COMPARED = ("cpu_seconds", "traceback", "definitions")
COUNTED_WORDS = re.compile(r"error|.*/verdict|trained/\d+")
"""Texts that are part of an answer: how it failed, its grade, the digest of a network."""


@dataclass
class Difference:
    """Return the differences between two answers to one problem."""

    numbers: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def package_of(commit: str) -> Path:
    """A folder with the package as it was at ``commit``, made once in the folder for temporary files."""
    full = subprocess.run(
        ["git", "rev-parse", "--verify", f"{commit}^{{commit}}"],
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    tree = Path(tempfile.gettempdir()) / f"bilby_flowpe_{full.stdout.strip()[:12]}"
    if not tree.exists():
        with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
            # Not a worktree: git would have to be told when the temporary folder is emptied.
            packed = subprocess.run(
                ["git", "archive", full.stdout.strip(), "bilby_flowpe"], cwd=ROOT, check=True, stdout=subprocess.PIPE
            )
            made = Path(scratch) / "tree"
            made.mkdir()
            subprocess.run(["tar", "-x", "-C", str(made)], input=packed.stdout, check=True)
            made.rename(tree)
    return tree


def solve(tree: Path, folder: Path, names: list[str]) -> None:
    """Answers of one side, those that ``folder`` holds already left out."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not (folder / f"{name}.npz").exists()]
    if not missing:
        return
    environment = {
        **os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, str(CHILD), str(tree), str(folder.resolve()), *missing]
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=log)
        began = time.monotonic()
        for index, said in enumerate(process.stdout or (), start=1):
            print(
                f"  {index:3d} of {len(missing)}  {time.monotonic() - began:6.0f} s  {said.strip()}",
                file=sys.stderr,
                flush=True,
            )
    if process.wait():
        raise SystemExit(
            f"the process that solves with {tree} ended with {process.returncode}: see {folder / 'log.txt'}"
        )


def read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Numbers and words of one answer."""
    if not file.exists():
        return {}, {"error": "the process ended without an answer"}
    with np.load(file) as stored:
        arrays = {key: stored[key] for key in stored.files if key != "words"}
        return arrays, json.loads(str(stored["words"]))


def compare(before: Path, after: Path) -> Difference:
    """Two answers, number by number and word by word."""
    found = Difference()
    (one, one_words), (other, other_words) = read(before), read(after)
    for key in [*one, *(key for key in other if key not in one)]:
        if key not in other:
            found.numbers.append(f"{key} is gone")
        elif key not in one:
            # A figure more that a run tells of itself changes no answer.
            (found.words if "/run_statistics/" in key else found.numbers).append(f"{key} is new")
        elif told := first_difference(one[key], other[key]):
            found.numbers.append(f"{key}: {told}")
    for key in [*one_words, *(key for key in other_words if key not in one_words)]:
        if key in NOT_COMPARED or one_words.get(key) == other_words.get(key):
            continue
        counted = COUNTED_WORDS.fullmatch(key)
        told = f"{key}: {one_words.get(key)!r} -> {other_words.get(key)!r}"
        (found.numbers if counted else found.words).append(told)
    return found


def first_difference(one: np.ndarray, other: np.ndarray) -> str | None:
    """Return the first place at which two arrays differ and the difference; ``None`` if they are equal to the last bit."""
    if one.shape != other.shape:
        return f"shape {one.shape} -> {other.shape}"
    if one.dtype != other.dtype:
        return f"type {one.dtype} -> {other.dtype}"
    if one.dtype.hasobject or one.dtype.kind in "US":
        return None if np.array_equal(one, other) else f"{one!r} -> {other!r}"
    bits = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(array.size, -1) for array in (one, other)]
    rows = np.flatnonzero(np.any(bits[0] != bits[1], axis=1))
    if not len(rows):
        return None
    pair = [array.reshape(-1)[rows[0]] for array in (one, other)]
    with np.errstate(all="ignore"):
        by = f", by {float(pair[1]) - float(pair[0]):.3g}" if one.dtype.kind == "f" else ""
    return f"{len(rows)} of {one.size}, first row {rows[0]}: {pair[0]!r} -> {pair[1]!r}{by}"


def told_of(name: str, before: Path, after: Path) -> tuple[bool, str]:
    """Return whether the answers to a problem are as they have to be, and a line about it."""
    arrays, words = read(after)
    found = compare(before, after)
    also = f"; {len(found.words)} texts: {found.words[0][:300]}" if found.words else ""
    size = f"{len(arrays)} arrays, {sum(array.size for array in arrays.values())} numbers"
    if "error" in words and not found.numbers:
        return False, f"FAILS on both sides: {words['error'][:200]}"
    if not found.numbers:
        return True, f"same     {size}{also}"
    if read(before)[1].get("definitions") != words.get("definitions"):
        also += f"; the list of problems has changed since: if this one has, remove {before} to have it made anew"
    line = f"{len(found.numbers)} of {len(arrays)}: {found.numbers[0][:400]}{also}"
    if name in DELIBERATE:
        return True, f"on purpose ({DELIBERATE[name]})  {line}"
    return False, f"DIFFERS  {line}"


def main() -> None:
    from same_answers_arrays import ARRAYS
    from same_answers_plain import PLAIN
    from same_answers_waves import WAVES

    known = [*PLAIN, *WAVES, *ARRAYS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, help="the earlier commit")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=known, default=known)
    parser.add_argument("--folder", type=Path, help="where answers are kept; a temporary one when left out")
    parser.add_argument("--twice", action="store_true", help="compare the earlier commit with itself")
    arguments = parser.parse_args()
    tree = package_of(arguments.before)
    with tempfile.TemporaryDirectory() as scratch:
        earlier = (arguments.folder or Path(scratch)) / "before"
        print(f"Before, {arguments.before}:", file=sys.stderr)
        solve(tree, earlier, arguments.only)
        later = Path(scratch) / "after"
        print("After:", file=sys.stderr)
        solve(tree if arguments.twice else ROOT, later, arguments.only)
        wrong = 0
        for name in arguments.only:
            good, line = told_of(name, earlier / f"{name}.npz", later / f"{name}.npz")
            wrong += not good
            print(f"{name:34s} {line}", flush=True)
    print(f"{len(arguments.only) - wrong} of {len(arguments.only)} as before")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
