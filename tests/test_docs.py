"""What the documentation points at is there: files, pictures, headings, scripts and their options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="no repository")


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_those_of_scripts_that_are_here(page: Path) -> None:
    """Every ``python examples/NAME.py --OPTION``: a file, and an option that it names."""
    text = page.read_text(encoding="utf-8")
    for script, rest in re.findall(r"python ((?:examples|benchmarks|tests)/[\w/]+\.py)([^`\n]*)", text):
        file = ROOT / script
        assert file.is_file(), f"{page.name}: {script}"
        source = file.read_text(encoding="utf-8")
        for other in re.findall(r"^from (\w+) import", source, flags=re.MULTILINE):
            neighbour = file.with_name(f"{other}.py")
            source += neighbour.read_text(encoding="utf-8") if neighbour.is_file() else ""
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", rest):
            assert f'"{option}"' in source, f"{page.name}: {script} {option}"


def test_every_example_and_benchmark_says_how_it_is_run() -> None:
    for file in sorted([*(ROOT / "examples").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]):
        source = file.read_text(encoding="utf-8")
        if "__main__" in source:
            assert f"python {file.relative_to(ROOT).as_posix()}" in source, file.name
