"""Tests of the count of unclear docstrings, on samples with some and samples with none."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("plain_words", Path(__file__).parent / "plain_words.py")
assert spec is not None and spec.loader is not None
plain_words = importlib.util.module_from_spec(spec)
sys.modules["plain_words"] = plain_words
spec.loader.exec_module(plain_words)


@pytest.mark.parametrize(
    "text",
    [
        "Of both generators.",
        "What a draw costs, in seconds.",
        "How a draw is made, step by step.",
        "One step of the weight.",
        "The priors.",
        "Write it.",
    ],
)
def test_a_summary_that_has_to_be_read_twice_is_found(text):
    assert plain_words.unclear(text)


def test_a_whole_sentence_is_not():
    assert not plain_words.unclear("Return the state of both random generators.\n\nOf NumPy and torch.")


def test_docstrings_of_fields_count():
    source = (
        '"""A module about draws."""\nX = 1\n"""What X is."""\n'
        'class A:\n    y: int\n    """Of y."""\n    def f(self):\n        """Do."""\n'
    )
    found = [one.text for one in plain_words.docstrings(Path("x.py"), ast.parse(source))]
    assert sorted(found) == sorted(["A module about draws.", "What X is.", "Of y.", "Do."])


@pytest.mark.parametrize(
    ("source", "enough"),
    [
        ("_AN = 3", False),
        ("_AN = 3  # rows", False),
        ("_AN = 3  # it is a small one that has always been so", False),
        ("_AN = 3  # rows of a table: more of them are not printed on one page", True),
        ('_AN = (1.0, 2.0)\n"""Seconds before and after a merger, the light travel time of the Earth."""', True),
        ("# Hz: detectors are calibrated from here on upwards.\n_AN = 10.0", True),
    ],
)
def test_constants_have_unit_and_reason(source, enough):
    (found,) = plain_words.constants(Path("x.py"), ast.parse(source), source.split("\n"))
    assert plain_words.explained(found) == enough


@pytest.mark.parametrize("source", ["_AN = 'text'", "_AN = Choice(3)", "lower = 3", "_AN = True"])
def test_what_is_no_number_is_no_constant(source):
    assert not list(plain_words.constants(Path("x.py"), ast.parse(source), source.split("\n")))


ROOT = Path(__file__).resolve().parents[1]


def test_the_package_has_no_riddles_left() -> None:
    """Nothing is left that ``python tests/plain_words.py --list docstrings`` or ``constants`` would print."""
    texts, numbers = plain_words.read(ROOT)
    assert [one for one in texts if plain_words.unclear(one.text)] == []
    assert [one for one in numbers if not plain_words.explained(one)] == []


@pytest.mark.parametrize(
    "init", sorted((ROOT / "bilby_flowpe").rglob("*/__init__.py")), ids=lambda one: one.parent.name
)
def test_a_package_says_what_to_read_first(init: Path) -> None:
    """Each module that the docstring names in this way exists."""
    words = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    assert "o read first" in words or "Read first" in words, init
    assert re.search(r"[Tt]o add|How to add", words), init
    for name in re.findall(r":\w+:`~?\.(\w+)", words):
        assert (init.parent / f"{name}.py").exists() or (init.parent / name).is_dir(), f"{init}: {name}"
