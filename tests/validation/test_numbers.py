"""Digits of numbers follow the interval that they are shown with."""

from __future__ import annotations

import numpy as np
import pytest

from bilby_flowpe.validation.numbers import interval, number


@pytest.mark.parametrize(
    ("value", "width", "words"),
    [
        (30.123456, 5.0, "30.123"),
        (1.18649321, 1e-4, "1.1864932"),
        (1126259462.4123, 0.01, "1126259462.412300"),
        (0.0, 1.0, "0"),
        (2.5, 0.0, "2.5"),
    ],
    ids=["wide", "narrow", "a GPS time", "zero", "a single value"],
)
def test_digits(value: float, width: float, words: str) -> None:
    assert number(value, width) == words


def test_an_interval_holds_nine_tenths() -> None:
    assert interval(np.linspace(0.0, 100.0, 1001)) == ("50", "5 to 95")
