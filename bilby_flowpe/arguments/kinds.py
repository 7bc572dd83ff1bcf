"""Kinds of values that keyword arguments may have, and how each is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigurationError

# Largest seed that the generators of NumPy and torch take: a whole number of 63 bits.
_LARGEST_SEED = 2**63 - 1
# Largest number of characters in a text. Most file systems take names of 255 characters and paths of 4096, so that
# longer texts would end in an error of the system without the argument's name.
_LONGEST = 1000
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Kind:
    """Kind of value that an argument may have.

    Attributes
    ----------
    words
        Name of the kind, as NumPy's docstrings write it.
    check
        Takes the argument's name and a value, and gives the value in its proper type, or raises
        :class:`~bilby_flowpe.errors.ConfigurationError`.
    choices
        All permitted values, where they can be listed.
    """

    words: str
    check: Callable[[str, Any], Any]
    choices: tuple[str, ...] = ()


def choice(*choices: str) -> Kind:
    """Make the kind of an argument that takes one of several words."""

    def check(key: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ConfigurationError(f"{key}={value!r}: choose one of {list(choices)}")
        return value

    listed = ", ".join(f'"{one}"' for one in choices)
    return Kind(f"{{{listed}}}", check, choices)


def whole(key: str, value: Any, least: int = 1) -> int:
    """Return a value as a whole number of at least ``least``; raise an error that names the argument otherwise."""
    wanted = f"a whole number of at least {least}"
    number = _number(key, value, wanted)
    if not (np.isfinite(number) and number.is_integer() and number >= least):
        raise ConfigurationError(f"{key}={value!r}: give {wanted}")
    return int(number)


def check_seed(key: str, value: Any) -> int:
    """Return a value as a seed; raise an error that names the argument otherwise."""
    seed = whole(key, value, least=0)
    if seed > _LARGEST_SEED:
        raise ConfigurationError(f"{key}={value!r}: give a whole number from 0 to {_LARGEST_SEED}")
    return seed


def is_none(value: Any) -> bool:
    """Return whether a value is ``None``, or the word ``none`` of a configuration file."""
    return value is None or (isinstance(value, str) and value.lower() == "none")


def _number(key: str, value: Any, wanted: str) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{key}={value!r}: give {wanted}") from None


def _positive(key: str, value: Any) -> float:
    number = _number(key, value, "a number above zero")
    if not (np.isfinite(number) and number > 0):
        raise ConfigurationError(f"{key}={value!r}: give a number above zero")
    return number


def _flag(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    raise ConfigurationError(f"{key}={value!r}: give True or False")


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{key}={value!r}: give a text")
    if len(value) > _LONGEST or "\0" in value:
        raise ConfigurationError(
            f"{key}={value[:40]!r}...: give a text of at most {_LONGEST} characters that can name a file"
        )
    try:
        Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{key}={value!r}: {error} Name the folder in full") from error
    return value


def _coarse(key: str, value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{key}={value!r}: give True, False, or the name of a waveform approximant")
    return _TRUTH.get(value.lower(), value)


def _psd(key: str, value: Any) -> str:
    if _text(key, value) in ("fixed", "amortised"):
        return value
    if not Path(value).expanduser().is_dir():
        raise ConfigurationError(f"{key}={value!r}: choose 'fixed' or 'amortised', or give a folder of noise curves")
    return str(Path(value).expanduser().absolute())


WHOLE = Kind("int", whole)
POSITIVE = Kind("float", _positive)
FLAG = Kind("bool", _flag)
TEXT = Kind("str", _text)
SEED = Kind("int", check_seed)
PSD = Kind("str", _psd)
COARSE = Kind("bool or str", _coarse)
