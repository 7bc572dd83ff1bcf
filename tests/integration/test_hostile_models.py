"""Damaged and harmful model folders, the command that tries them: here one in some of all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "studies" / "hostile_models.py"


def test_every_error_is_typed() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--every", "37"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    *_, total = done.stdout.strip().splitlines()
    name, typed, works, untyped, hangs, left = total.split()
    assert name == "all"
    assert (int(untyped), int(hangs), int(left)) == (0, 0, 0)
    # Entries that a model does without, such as the words about its training.
    assert int(typed) > 2 * int(works) > 0
