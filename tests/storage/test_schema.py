"""Types and sizes of what was read from a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from bilby_flowpe.storage.schema import check_sizes, check_types


@dataclass(frozen=True)
class Read:
    number: int = 3
    real: float = 0.5
    text: str = "a"
    yes: bool = True
    pair: tuple[float, float] | None = None
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "values",
    [{}, {"real": 2}, {"pair": (1, 2.5)}, {"names": ("a", "b")}, {"number": -1}],
)
def test_types_that_are_declared(values: dict[str, Any]) -> None:
    check_types(replace(Read(), **values))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 1.0),
        ("number", "3"),
        ("number", True),
        ("real", float("nan")),
        ("real", float("inf")),
        ("real", False),
        ("text", None),
        ("yes", 1),
        ("pair", (1.0,)),
        ("pair", [1.0, 2.0]),
        ("pair", (1.0, "2")),
        ("names", ("a", None)),
    ],
)
def test_types_that_are_not(field: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{field}=.* is no"):
        check_types(replace(Read(), **{field: value}))


def test_sizes() -> None:
    check_sizes({"width": 5, "widths": [3, 8], "none": None, "flag": True}, 8)
    wrong = [({"width": 9}, ValueError), ({"widths": (3, -1)}, ValueError)]
    wrong += [({"width": 2.0}, TypeError), ({"width": "2"}, TypeError)]
    for sizes, error in wrong:
        with pytest.raises(error, match=next(iter(sizes))):
            check_sizes(sizes, 8)
