"""Comparison of answers bit by bit: no difference may pass, and equal answers may not be reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import same_answers

ONE = {"batch/000": np.array([0.5, -np.inf, np.nan, 3.0]), "run/run_statistics/n_draws": np.array(4)}
WORDS = {"run/run_statistics/verdict": "check", "run/run_statistics/reasons": ["too few draws"], "trained/0": "ab"}


def stored(file: Path, arrays: dict[str, np.ndarray], words: dict[str, Any]) -> Path:
    np.savez(file, words=np.array(json.dumps({**words, "cpu_seconds": np.random.default_rng().random()})), **arrays)
    return file


def compared(tmp_path: Path, arrays: dict[str, np.ndarray], words: dict[str, Any]) -> same_answers.Difference:
    return same_answers.compare(stored(tmp_path / "a.npz", ONE, WORDS), stored(tmp_path / "b.npz", arrays, words))


def test_the_same_is_the_same(tmp_path: Path) -> None:
    copied = {key: value.copy() for key, value in ONE.items()}
    assert compared(tmp_path, copied, dict(WORDS)) == same_answers.Difference()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (np.array([0.5, -np.inf, np.nan, np.nextafter(3.0, 4.0)]), "1 of 4, first row 3"),
        (np.array([0.5, -np.inf, 0.0, 3.0]), "1 of 4, first row 2"),
        (np.array([0.5, -np.inf, np.nan]), "shape"),
        (ONE["batch/000"].astype(np.float32), "type"),
    ],
)
def test_a_number_that_differs_in_one_bit_is_told(tmp_path: Path, changed: np.ndarray, said: str) -> None:
    found = compared(tmp_path, {**ONE, "batch/000": changed}, WORDS)
    assert len(found.numbers) == 1
    assert said in found.numbers[0]
    assert found.words == []


def test_zeros_of_both_signs_differ() -> None:
    assert same_answers.first_difference(np.array([0.0]), np.array([-0.0])) is not None


def test_batches_that_are_gone_or_new_count(tmp_path: Path) -> None:
    assert compared(tmp_path, {"batch/000": ONE["batch/000"]}, WORDS).numbers == ["run/run_statistics/n_draws is gone"]
    assert compared(tmp_path, {**ONE, "batch/001": np.zeros(2)}, WORDS).numbers == ["batch/001 is new"]


def test_words_are_told_apart_from_numbers(tmp_path: Path) -> None:
    """A reason in other words is no other answer; a verdict, a network or an error is."""
    found = compared(tmp_path, ONE, {**WORDS, "run/run_statistics/reasons": ["not enough draws"]})
    assert found.numbers == []
    assert len(found.words) == 1
    more = {**ONE, "run/run_statistics/one_more": np.array(1.0)}
    assert compared(tmp_path, more, WORDS).words == ["run/run_statistics/one_more is new"]
    for key, value in (("run/run_statistics/verdict", "failed"), ("trained/0", "cd"), ("error", "ValueError: no")):
        assert len(compared(tmp_path, ONE, {**WORDS, key: value}).numbers) == 1


def test_an_answer_that_is_not_there_is_no_same_answer(tmp_path: Path) -> None:
    file = stored(tmp_path / "a.npz", ONE, WORDS)
    good, line = same_answers.told_of("name", file, tmp_path / "none.npz")
    assert not good
    assert "DIFFERS" in line
    good, line = same_answers.told_of("name", tmp_path / "none.npz", tmp_path / "none.npz")
    assert not good
    assert "FAILS" in line


def test_a_deliberate_change_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stored(tmp_path / "a.npz", ONE, WORDS)
    other = stored(tmp_path / "b.npz", {**ONE, "batch/000": np.zeros(4)}, WORDS)
    assert not same_answers.told_of("name", one, other)[0]
    monkeypatch.setitem(same_answers.DELIBERATE, "name", "a mended bug")
    good, line = same_answers.told_of("name", one, other)
    assert good
    assert "a mended bug" in line
