"""Print the tables of docs/usage.md that follow from the package, or write them there.

python docs/tables.py
python docs/tables.py --write
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bilby_flowpe.arguments.table import ARGUMENTS
from bilby_flowpe.verdict.checks import CHECKS

PAGE = Path(__file__).parent / "usage.md"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines) + "\n"


def default(value: Any) -> str:
    """Return a default as people write it."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`" if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def of_arguments() -> str:
    """Return the table of the sampler's arguments."""
    rows = [[f"`{one.name}`", default(one.default), words(one.words, one.kind.choices)] for one in ARGUMENTS]
    return table(["argument", "default", "what it does"], rows)


def words(text: str, choices: tuple[str, ...]) -> str:
    """Say what an argument does, and the values that it may have where the words do not name all."""
    named = all(f'"{choice}"' in text for choice in choices) or set(choices) == {"conditional", "network"}
    return text if named else f"{text.rstrip('.')}. Allowed: {', '.join(default(choice) for choice in choices)}"


def of_checks() -> str:
    """Return the table of the checks of a verdict."""
    return table(["figure", "`check`", "`failed`"], [check.in_docs() for check in CHECKS])


TABLES = {"arguments": of_arguments, "checks": of_checks}


def block(name: str) -> re.Pattern[str]:
    """Return the pattern of what stands on the page between the marks of a table."""
    return re.compile(
        rf"(?<=<!-- {name}: python docs/tables.py --write -->\n\n).*?(?=\n<!-- end of {name} -->)", re.DOTALL
    )


def filled(page: str) -> str:
    """Return the page with all tables as they are now."""
    for name, made in TABLES.items():
        rows = made()
        page, count = block(name).subn(lambda _, rows=rows: rows, page)
        if count != 1:
            raise ValueError(f"{count} places for the table of {name} in {PAGE}")
    return page


def main() -> None:
    """Print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    if parser.parse_args().write:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    print("\n".join(made() for made in TABLES.values()))


if __name__ == "__main__":
    main()
