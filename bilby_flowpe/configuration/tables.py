"""Tables of a configuration file made into dataclasses, every key and type checked.

The fields of a dataclass say which keys a table has and of which type: whatever is documented there can be configured.
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
    """An instance of the dataclass ``kind`` with the values of a table.

    Parameters
    ----------
    kind
        The dataclass; fields left out of the table keep their defaults.
    table
        Values by field.
    name
        Of the table, for messages.
    base
        Where fields left out of the table are taken from instead.

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
        raise ConfigurationError(f"[{name}] lacks {missing}: give them")
    values = {key: convert(value, hints[key], f"[{name}] {key}") for key, value in table.items()}
    return kind(**values) if base is None else replace(base, **values)


def check_keys(table: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse keys that nobody would look at.

    Raises
    ------
    ConfigurationError
        Naming them and the valid ones.
    """
    if unknown := sorted(set(table) - set(known)):
        raise ConfigurationError(f"{where} has unknown keys {unknown}: it knows {sorted(known)}")


def convert(value: Any, hint: Any, name: str) -> Any:
    """``value`` of a configuration file as the type ``hint``; the text ``none`` where nothing is allowed.

    Raises
    ------
    ConfigurationError
        If it is of another type.
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
    """``value`` as the first of several types that it can be."""
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
    # 1e6 is a whole number to whoever writes it.
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
