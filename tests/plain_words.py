"""Count docstrings that have to be read twice, and constants that do not say their unit and their reason.

python tests/plain_words.py [FOLDER ...]           figures of one or more checkouts, side by side (default: this one)
python tests/plain_words.py --list docstrings      the places, with what stands there
python tests/plain_words.py --list constants

A summary, the first sentence of a docstring, has to be read twice if it begins with a relative word (`Of`, `What`, `That`,
`Whether`, `How`, `Which`, `Where`, `So`) or with `One`, because the reader learns only at its end what it is about, or if it
has three words or fewer. Docstrings of modules, classes, functions and fields count.

A constant is a number, or a collection of numbers, with a name in capitals at the top of a module. It needs a comment or a
docstring of at least six words, one of which is a unit: of physics (seconds, solar masses), of counting (rows, draws), or
the word for a number without unit (share, ratio, factor). Whether the words give a good reason is not tested.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RELATIVE = ("Of", "What", "That", "Whether", "How", "Which", "Where", "So", "One")
"""First words of a summary that say only at its end what it is about."""
FEW = 3
"""Words of a summary that are too few to say what a thing does."""
REASON = 6
"""Words of a comment, unit included, that are enough to say why a constant has its value."""
UNITS = """
    second seconds s ms ns us milliseconds microseconds nanoseconds minute minutes hour hours day days gps
    julian hz hertz rad radian radians degree degrees arcminutes arcseconds milliarcseconds steradians turn
    turns mass masses solar mpc gpc metre metres meters km strain redshift celsius byte bytes kib mib gib mb
    gb bits bit digits digit decimal decimals characters character letters words lines columns inches points
    dpi row rows draw draws wave waves waveform waveforms sample samples step steps event events evaluation
    evaluations file files folder folders process processes core cores worker workers call calls table
    tables pixel pixels cell cells bin bins node nodes segment segments band bands piece pieces block blocks
    window windows round rounds generation generations iteration iterations epoch epochs batch batches trial
    trials component components dimension dimensions parameter parameters mode modes harmonic harmonics
    detector detectors peak peaks layer layers feature features unit units network networks coordinate
    coordinates curve curves template templates candidate candidates neighbour neighbours time times fold
    factor factors share shares fraction fractions percent ratio ratios relative efficiency probability
    probabilities chance quantile quantiles nats nat sigma deviation deviations variance width widths
    likelihood likelihoods evidence weight weights exponent power order orders degree version seed seeds
    index indices per bound bounds maximum maxima minimum position positions level levels rate
""".split()  # noqa: SIM905 (a list of a hundred quoted words is hard to read)
"""Words that count as the unit of a number."""


class Place(NamedTuple):
    """A text with its file and line."""

    file: Path
    line: int
    text: str


def text_of(node: ast.stmt | None) -> str | None:
    """Return the text of a statement that is only a string; ``None`` for others."""
    constant = node.value if isinstance(node, ast.Expr) else None
    return constant.value if isinstance(constant, ast.Constant) and isinstance(constant.value, str) else None


def is_number(value: ast.expr) -> bool:
    """Return whether a value is a number or a collection of numbers; arguments of a class do not count."""
    parts = list(ast.walk(value))
    made = any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id[:1].isupper() for one in parts
    )
    return not made and any(isinstance(one, ast.Constant) and type(one.value) in (int, float) for one in parts)


def docstrings(file: Path, tree: ast.Module) -> Iterator[Place]:
    """Yield all docstrings of a module: its own, and those of classes, functions and fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for before, one in zip([None, *body], body, strict=False):
            documents = before is None and isinstance(
                node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            )
            documents = documents or isinstance(before, (ast.Assign, ast.AnnAssign))
            if documents and (text := text_of(one)) is not None:
                yield Place(file, one.lineno, text)


def summary(text: str) -> str:
    """Return the first sentence of a docstring."""
    return re.split(r"(?<=[.!?])\s|\n\s*\n", text.strip())[0].replace("\n", " ")


def constants(file: Path, tree: ast.Module, lines: list[str]) -> Iterator[Place]:
    """Yield numbers with names in capitals at the top of a module, with the words about them."""
    for one, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        target = (
            one.targets[0] if isinstance(one, ast.Assign) else one.target if isinstance(one, ast.AnnAssign) else None
        )
        if not isinstance(target, ast.Name) or not re.fullmatch(r"_?[A-Z][A-Z0-9_]+", target.id) or one.value is None:
            continue
        if not is_number(one.value):
            continue
        words = [text_of(after) or ""]
        above = one.lineno - 2
        while above >= 0 and lines[above].startswith("#"):
            words.insert(0, lines[above].lstrip("# "))
            above -= 1
        words += [line.split("#", 1)[1] for line in lines[one.lineno - 1 : one.end_lineno] if "#" in line]
        yield Place(file, one.lineno, f"{target.id}: {' '.join(' '.join(words).split())}")


def explained(constant: Place) -> bool:
    """Return whether the words about a constant have a unit and are enough for a reason."""
    words = re.findall(r"[a-zA-Zµ]+", constant.text.split(":", 1)[1])
    return len(words) >= REASON and any(word.lower() in UNITS for word in words)


def read(folder: Path) -> tuple[list[Place], list[Place]]:
    """Return all docstrings and constants of the package in a checkout."""
    texts, numbers = [], []
    for file in sorted((folder / "bilby_flowpe").rglob("*.py")):
        source = file.read_text()
        tree = ast.parse(source)
        short = file.relative_to(folder)
        texts += docstrings(short, tree)
        numbers += constants(short, tree, source.split("\n"))
    return texts, numbers


def unclear(text: str) -> bool:
    """Return whether a summary has to be read twice."""
    words = summary(text).split()
    return words[0] in RELATIVE or len(words) <= FEW


def figures(folder: Path) -> dict[str, int]:
    """Return the figures of a checkout, by their names."""
    texts, numbers = read(folder)
    words = [summary(one.text).split() for one in texts]
    return {
        "docstrings": len(texts),
        **{f"beginning with {first}": sum(one[0] == first for one in words) for first in RELATIVE},
        "of three words or fewer": sum(len(one) <= FEW for one in words),
        "constants": len(numbers),
        "without unit and reason": sum(not explained(one) for one in numbers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(__file__).resolve().parents[1]])
    parser.add_argument("--list", choices=["docstrings", "constants"], help="print the places")
    arguments = parser.parse_args()
    if arguments.list:
        for folder in arguments.folders:
            texts, numbers = read(folder)
            if arguments.list == "docstrings":
                found = [one._replace(text=summary(one.text)) for one in texts if unclear(one.text)]
            else:
                found = [one for one in numbers if not explained(one)]
            for file, line, text in found:
                print(f"{file}:{line}: {text}")
        return
    rows = [figures(folder) for folder in arguments.folders]
    for name in rows[0]:
        print(f"{name:28s}" + "".join(f"{row[name]:8d}" for row in rows))


if __name__ == "__main__":
    main()
