"""What makes a likelihood the one it is: the user's own code and the data, in a digest that outlives the process.

What an interrupted run evaluated is not to be taken for the values of another likelihood. A few rows made anew do not see a
change that acts in a corner of the prior; the code itself does. Libraries are known by their versions elsewhere, and are left
out.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

_DEPTH = 4
_STATE = ("parameters",)  # what evaluations leave behind
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def identity_of(likelihood: Any) -> str:
    """Digest of a likelihood's own code, and of what it holds: numbers, texts, arrays, functions, strain and noise curves."""
    digest = hashlib.sha256()
    for piece in _pieces(likelihood, set(), _DEPTH):
        digest.update(piece)
        digest.update(b"|")
    return digest.hexdigest()


def _pieces(thing: Any, seen: set[int], depth: int) -> Iterator[bytes]:
    """What is to be digested, in an order of its own."""
    if isinstance(thing, _PLAIN):
        yield repr(thing).encode()
        return
    if isinstance(thing, np.ndarray | np.generic):
        array = np.asarray(thing)
        yield f"{array.shape} {array.dtype}".encode()
        yield array.tobytes() if array.dtype != object else b""
        return
    if depth < 0 or id(thing) in seen or isinstance(thing, ModuleType | BuiltinFunctionType):
        return
    seen.add(id(thing))
    if isinstance(thing, Mapping):
        for key in sorted(thing, key=str):
            yield str(key).encode()
            yield from _pieces(thing[key], seen, depth - 1)
    elif isinstance(thing, list | tuple):
        for member in thing:
            yield from _pieces(member, seen, depth - 1)
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing, seen, depth)
    elif isinstance(thing, type):
        yield from _of_class(thing, seen, depth)
    else:
        yield from _of_object(thing, seen, depth)


def _of_object(thing: Any, seen: set[int], depth: int) -> Iterator[bytes]:
    yield f"{type(thing).__module__}.{type(thing).__qualname__}".encode()
    yield from _of_class(type(thing), seen, depth)
    if (strain := getattr(thing, "strain_data", None)) is not None:
        yield np.asarray(strain.frequency_domain_strain).tobytes()
        yield np.asarray(thing.power_spectral_density_array).tobytes()
        return
    try:
        held = dict(vars(thing))
    except TypeError:
        return
    if (detectors := getattr(thing, "interferometers", None)) is not None:
        held["interferometers"] = list(detectors)
    for name in sorted(held):
        # Of what is private, functions and data; numbers there are mostly what evaluations leave behind.
        private = name.startswith("_") and not isinstance(held[name], FunctionType | np.ndarray)
        if not private and name not in _STATE:
            yield name.encode()
            yield from _pieces(held[name], seen, depth - 1)


def _of_class(kind: type, seen: set[int], depth: int) -> Iterator[bytes]:
    for base in kind.__mro__:
        if _own(base.__module__):
            yield base.__qualname__.encode()
            for name in sorted(vars(base)):
                member = vars(base)[name]
                function = getattr(member, "__func__", getattr(member, "fget", member))
                if isinstance(function, FunctionType):
                    yield name.encode()
                    yield from _of_function(function, seen, depth)


def _of_function(function: FunctionType, seen: set[int], depth: int) -> Iterator[bytes]:
    yield f"{function.__module__}.{function.__qualname__}".encode()
    if not _own(function.__module__):
        return
    yield from _of_code(function.__code__)
    for value in (function.__defaults__, function.__kwdefaults__):
        yield from _pieces(value, seen, depth - 1)
    for cell in function.__closure__ or ():
        yield from _pieces(_content(cell), seen, depth - 1)
    for name in function.__code__.co_names:
        # Helpers and constants beside it, as far as they are the user's.
        value = function.__globals__.get(name)
        if isinstance(value, _PLAIN) or _own(getattr(value, "__module__", "") or ""):
            yield from _pieces(value, seen, depth - 1)


def _of_code(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        elif not isinstance(constant, frozenset):
            # The order of a set is another one in every process.
            yield repr(constant).encode()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _own(module: str) -> bool:
    """Whether a module is the user's: neither of Python nor of an installed package."""
    root = module.partition(".")[0]
    if not root or root in sys.stdlib_module_names:
        return root == "__main__"
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file
