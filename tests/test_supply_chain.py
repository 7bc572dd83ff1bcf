"""Packages that the continuous integration installs are pinned and checked by digests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", text, flags=re.MULTILINE))


def test_every_dependency_is_pinned_with_its_digests() -> None:
    path = ROOT / ".github" / "requirements.txt"
    if not path.is_file():
        pytest.skip("no repository, but a source distribution")
    locked = path.read_text(encoding="utf-8")
    wanted = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    # Its CPU builds come from an index of its own, without digests.
    del wanted["torch"]
    assert pins(locked) == wanted, "run `python .github/lock.py`"
    for block in re.split(r"^(?=[A-Za-z0-9])", locked, flags=re.MULTILINE)[1:]:
        assert re.fullmatch(r"\S+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", block), block[:80]
