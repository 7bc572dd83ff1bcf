"""An HTML page in one file, with text, tables and pictures, which opens without a network connection."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from ..storage.folder import write_text

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; --ink: #1c2126; --faint: #5b6670; --line: #d9dee3; --ground: #ffffff; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
  max-width: 68rem; padding: 1rem 1.25rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: .5rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 46rem; }
ul { margin: .4rem 0; padding-left: 1.2rem; }
.verdict { border-radius: .5rem; padding: .9rem 1.1rem; margin: 1rem 0; color: #ffffff; }
.verdict strong { font-size: 1.35rem; }
.verdict li { margin: .4rem 0; } .verdict b { font-weight: 600; }
.reliable { background: #00724f; } .check { background: #8a5a00; }
.failed { background: #a8290f; } .none { background: #4a5560; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.figures div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .7rem; }
.figures span { display: block; color: var(--faint); font-size: .82rem; }
.figures b { font-weight: 600; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--faint); }
th, td:not(:first-child) { white-space: nowrap; }
.rows table { font-size: .84rem; } .rows th, .rows td { padding-right: .6rem; }
img { max-width: 100%; height: auto; display: block; margin: .6rem 0; }
pre { font-size: .82rem; line-height: 1.4; overflow-x: auto; background: #f4f6f8; padding: .7rem .9rem; border-radius: .5rem; }
.faint { color: var(--faint); font-size: .9rem; }
@media (max-width: 40rem) {
  body { padding: .6rem .8rem 3rem; }
  table { font-size: .8rem; } th { font-size: .74rem; }
  th, td { padding-right: .4rem; } th:last-child, td:last-child { padding-right: 0; }
  th, td, td:not(:first-child) { white-space: normal; overflow-wrap: break-word; }
  td:first-child { overflow-wrap: anywhere; }
  .rows th, .rows td, .rows td:not(:first-child) { white-space: nowrap; overflow-wrap: normal; padding-right: .8rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .75rem; }
}
</style>
</head>
<body>
$body
</body>
</html>
""")

_FAINT = ' class="faint"'
# First clause of a reason: up to a semicolon, or to a colon after its figure in parentheses, as in "(p-value 0.001): ".
_CLAUSE = re.compile(r"(?:; |(?<=\)): )")
# Places at which a long name may be broken, and the largest number of characters of others: a column of a narrow screen.
_BETWEEN_PARTS, _LONG = re.compile(r"([._/])(?=[A-Za-z])"), 24


class Link(NamedTuple):
    """A cell of a table with a link to another page."""

    text: str
    target: str


class Page:
    """A page to which parts are added from top to bottom.

    Parameters
    ----------
    title
        Title of the page.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = [f"<h1>{escape(title)}</h1>"]

    def verdict(self, grade: str, reasons: Sequence[str]) -> None:
        """Add the verdict in its colour, with its reasons."""
        kind = grade if grade in ("reliable", "check", "failed") else "none"
        items = "".join(f"<li>{_first_clause(reason)}</li>" for reason in reasons)
        listed = f"<ul>{items}</ul>" if items else ""
        self._parts.append(f'<div class="verdict {kind}"><strong>{escape(grade)}</strong>{listed}</div>')

    def figures(self, figures: Iterable[tuple[str, str]]) -> None:
        """Add single figures, side by side."""
        cells = "".join(f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in figures)
        self._parts.append(f'<div class="figures">{cells}</div>')

    def section(self, title: str) -> None:
        """Add a heading for a new section."""
        self._parts.append(f"<h2>{escape(title)}</h2>")

    def text(self, text: str, faint: bool = False) -> None:
        """Add a paragraph of text."""
        self._parts.append(f"<p{_FAINT if faint else ''}>{escape(text)}</p>")

    def listing(self, text: str) -> None:
        """Add lines of text without reformatting them."""
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str | Link]], kind: str = "") -> None:
        """Add a table, which can be scrolled sideways; in the kind ``"rows"`` cells are not broken on narrow screens."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        self._parts.append(f'<div class="wide {kind}"><table><tr>{head}</tr>{body}</table></div>')

    def picture(self, text: str, draw: Callable[[Path], Path]) -> None:
        """Add a picture that ``draw`` writes to the path it is given; ``text`` describes the picture."""
        with tempfile.TemporaryDirectory() as folder:
            data = base64.b64encode(draw(Path(folder) / "picture.png").read_bytes()).decode()
        self._parts.append(f'<img alt="{escape(text, quote=True)}" src="data:image/png;base64,{data}">')
        self.text(text, faint=True)

    def write(self, path: Path) -> Path:
        """Write the page, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_text(path, _PAGE.substitute(title=escape(self.title), body="\n".join(self._parts)))


def _first_clause(reason: str) -> str:
    """Return a reason with its first clause, which has the figure, apart from what follows from it."""
    first, rest = [*_CLAUSE.split(reason, maxsplit=1), ""][:2]
    return f"<b>{escape(first)}</b>" + (f"<br>{escape(rest[:1].upper() + rest[1:])}" if rest else "")


def _cell(cell: str | Link) -> str:
    if isinstance(cell, Link):
        return f'<a href="{escape(cell.target, quote=True)}">{escape(cell.text)}</a>'
    # Numbers stay whole on narrow screens; long names may be broken between their parts.
    return _BETWEEN_PARTS.sub(r"\1<wbr>", escape(cell)) if len(cell) > _LONG else escape(cell)
