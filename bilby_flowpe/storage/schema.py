"""Checks that values from a file have the types that a dataclass declares, and reasonable sizes.

JSON does not keep types: a number may be read as text, and a width may be absurdly large. Both are detected here,
before any object of that size is made.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any


def check_types(values: Any) -> None:
    """Check that the fields of a dataclass have their declared types.

    Parameters
    ----------
    values
        A dataclass whose fields are numbers, text, ``None`` or tuples of these. Whole numbers are accepted for floats,
        which have to be finite.

    Raises
    ------
    TypeError
        If a field has another type; the message names the field, its value and its type.
    """
    hints = typing.get_type_hints(type(values))
    for field in fields(values):
        value = getattr(values, field.name)
        if not _is(value, hints[field.name]):
            raise TypeError(f"{field.name}={value!r} is not of the type {hints[field.name]}")


def check_sizes(sizes: Mapping[str, Any], largest: int) -> None:
    """Check that whole numbers lie between zero and ``largest``; ``None`` is skipped.

    Raises
    ------
    TypeError, ValueError
        If one does not; the message names the size and its value.
    """
    for name, value in _numbers(sizes):
        if not isinstance(value, int):
            raise TypeError(f"{name}={value!r} is not a whole number")
        if not 0 <= value <= largest:
            raise ValueError(f"{name}={value!r} is not between 0 and {largest}")


def _numbers(sizes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in sizes.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if one is not None:
                yield name, one


def _is(value: Any, hint: Any) -> bool:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_is(value, one) for one in inside)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inside[-1] is Ellipsis:
            return all(_is(one, inside[0]) for one in value)
        return len(value) == len(inside) and all(_is(one, kind) for one, kind in zip(value, inside, strict=True))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))
