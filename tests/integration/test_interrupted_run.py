"""A run that is interrupted and started again has the answer of one that was left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "studies" / "interruption.py"


@pytest.mark.slow
def test_the_answer_is_the_same(tmp_path: Path) -> None:
    stages, signals = ("training", "refinement"), ("SIGTERM", "SIGKILL")
    words = [sys.executable, str(EXAMPLE), "--outdir", str(tmp_path), "--stages", *stages, "--signals", *signals]
    subprocess.run(words, check=True)
    cells = [json.loads((tmp_path / f"{stage}_{name}.json").read_text()) for stage in stages for name in signals]
    assert [cell["exit"] for cell in cells] == [99, -9, 99, -9]
    for cell in cells:
        assert cell["same"]
        assert cell["left"] == []
        # A chunk that was not whole, and a row of each that was.
        assert cell["again"]["likelihoods"] < 0.05 * cell["before"].get("likelihoods", 0) + 65
