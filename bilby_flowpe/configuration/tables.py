"""Dataclasses made from the tables of a configuration file, with every key and type checked.

The fields of a dataclass are the keys of a table, with their types: every documented field can be configured.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

_PLAIN = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def fill(kind: type[Config], table: Any, name: str, base: Config | None = None) -> Config:
    """Make an instance of the dataclass ``kind`` from the values of a table.

    Parameters
    ----------
    kind
        The dataclass; fields that the table leaves out keep their defaults.
    table
        Values by field.
    name
        Name of the table, for messages.
    base
        Instance that gives the fields which the table leaves out, instead of the defaults.

    Raises
    ------
    ConfigurationError
        For a key that is unknown or missing, or a value of another type.
    """
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{name}={table!r}: make it a table [{name}]")
    hints = get_type_hints(kind)
    check_keys(table, hints, f"[{name}]")
    required = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    if base is None and (missing := [key for key in required if key not in table]):
        raise ConfigurationError(f"[{name}] lacks the keys {missing}: add them")
    values = {key: convert(value, hints[key], f"[{name}] {key}") for key, value in table.items()}
    return kind(**values) if base is None else replace(base, **values)


def check_keys(table: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise an error for keys that have no meaning.

    Raises
    ------
    ConfigurationError
        If there are unknown keys; it names them and the valid ones.
    """
    if unknown := sorted(set(table) - set(known)):
        raise ConfigurationError(f"{where} has unknown keys {unknown}: choose from {sorted(known)}")


def convert(value: Any, hint: Any, name: str) -> Any:
    """Convert ``value`` of a configuration file to the type ``hint``; the text ``none`` means ``None`` where that is allowed.

    Raises
    ------
    ConfigurationError
        If the value is of another type.
    """
    try:
        return _convert(value, hint)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}={value!r}: give {_wanted(hint)}") from None


def _convert(value: Any, hint: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _first_of(value, inner)
    if origin is Literal:
        if value not in inner:
            raise ValueError
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(item, inner[0]) for item in value)
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert(item, inner[1]) for key, item in value.items()}
    return _plain(value, hint)


def _first_of(value: Any, hints: tuple[Any, ...]) -> Any:
    """Return ``value`` as the first of several types that it can have."""
    if types.NoneType in hints and value in ("none", None):
        return None
    for hint in hints:
        if hint is types.NoneType:
            continue
        try:
            return _convert(value, hint)
        except (TypeError, ValueError):
            pass
    raise ValueError


def _plain(value: Any, hint: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number:
        return float(value)
    # People write 1e6 for a whole number.
    if hint is int and number and float(value).is_integer():
        return int(value)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise ValueError


def _wanted(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("'none'" if option is types.NoneType else _wanted(option) for option in inner)
    if origin is Literal:
        return f"one of {list(inner)}"
    if origin is tuple:
        return f"a list, each {_wanted(inner[0])}"
    if origin is dict:
        return f"a table by name, each {_wanted(inner[1])}"
    return _PLAIN.get(hint, str(hint))
