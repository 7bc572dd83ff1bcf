"""Identity of a likelihood: a digest of the user's code and data that is the same in every process.

Evaluations of an interrupted run must not be used for a different likelihood. Evaluating a few rows again does not
detect a change that acts in a corner of the prior only; the code itself does. Libraries are left out, because their
versions are checked elsewhere.

A likelihood may contain anything. If some part cannot be read (an open file, a generator, an object whose attributes
raise errors), there is no digest, and :func:`identity_of` returns ``None``; the run itself goes on.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import IOBase
from threading import Lock, RLock
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from bilby.core.utils import logger
from bilby.gw.detector import Interferometer

_DEPTH = 4
"""Levels of attributes that are read: a likelihood's arrays and functions lie within these; deeper ones cost time and
are seldom the user's."""

_STATE = ("parameters",)  # attributes that change with every evaluation
_PLAIN = (bool, int, float, complex, str, bytes, bytearray, range, slice, type(None))
_DATA = (*_PLAIN, np.ndarray, np.generic, Mapping, list, tuple, set, frozenset, functools.partial)
_GENERATORS = (np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random)
# The type of these objects is enough: their state changes with evaluations, or does not affect any value.
_NAMED_ONLY = (ModuleType, BuiltinFunctionType, type(Lock()), type(RLock()), *_GENERATORS)
_PROTOCOL = 4
"""Version of the pickle protocol for objects without attributes: a fixed one, so that digests do not depend on Python's
default."""


def identity_of(likelihood: Any) -> str | None:
    """Return a digest of a likelihood's own code and contents: numbers, texts, arrays, functions, strain and noise curves.

    Returns
    -------
    str or None
        ``None`` if some part cannot be read; a line in the log names it.
    """
    reader = _Reader()
    digest = hashlib.sha256()
    try:
        for piece in reader.pieces(likelihood, _DEPTH):
            digest.update(piece)
            digest.update(b"|")
    except Exception as error:  # any exception: it may come from a property, a module or an extension of the user
        logger.info(
            f"If this run is interrupted, it cannot be resumed: {reader.place} of the likelihood cannot be read "
            f"({type(error).__name__}: {_said(error)})"
        )
        return None
    return digest.hexdigest()


class _Reader:
    """Reads a likelihood piece by piece, and keeps track of the place."""

    def __init__(self) -> None:
        # By id, with the depth of reading. The objects are kept too, because the id of a deleted object may be used
        # again.
        self._seen: dict[int, tuple[Any, int]] = {}
        self._path: list[str] = []

    @property
    def place(self) -> str:
        """Place where reading stopped, as attributes and keys."""
        return ".".join(self._path) or "the whole"

    @contextmanager
    def _at(self, name: str) -> Iterator[None]:
        self._path.append(name)
        # Not in a finally block: after an exception, the place has to remain known.
        yield
        self._path.pop()

    def pieces(self, thing: Any, depth: int) -> Iterator[bytes]:
        """Yield the bytes to be digested, in a reproducible order."""
        kind = type(thing)
        if issubclass(kind, _PLAIN):
            yield repr(thing).encode(errors="surrogatepass")
            return
        if issubclass(kind, _NAMED_ONLY):
            yield f"{kind.__module__}.{kind.__qualname__} {getattr(thing, '__name__', '')}".encode()
            return
        if depth < 0 or self._seen.get(id(thing), (None, -1))[1] >= depth:
            return
        self._seen[id(thing)] = thing, depth
        if issubclass(kind, np.ndarray | np.generic) or hasattr(kind, "__array__"):
            yield from self._array(thing, depth)
        elif issubclass(kind, Mapping):
            for key in sorted(thing, key=str):
                yield str(key).encode(errors="surrogatepass")
                with self._at(str(key)):
                    yield from self.pieces(thing[key], depth - 1)
        elif issubclass(kind, list | tuple):
            yield from self._members(thing, depth)
        elif issubclass(kind, set | frozenset):
            # The order of a set differs between processes.
            yield from sorted(b"|".join(self.pieces(member, depth - 1)) for member in thing)
        elif issubclass(kind, FunctionType):
            yield from self._function(thing, depth)
        elif issubclass(kind, MethodType):
            yield from self._members((thing.__func__, thing.__self__), depth)
        elif issubclass(kind, functools.partial):
            yield from self._members((thing.func, thing.args, thing.keywords), depth)
        elif issubclass(kind, type):
            yield from self._class(thing, depth)
        elif issubclass(kind, Interferometer):
            yield from self._interferometer(thing, depth)
        else:
            yield from self._object(thing, depth)

    def _members(self, things: Iterable[Any], depth: int) -> Iterator[bytes]:
        for number, member in enumerate(things):
            with self._at(str(number)):
                yield from self.pieces(member, depth - 1)

    def _array(self, thing: Any, depth: int) -> Iterator[bytes]:
        array = np.asarray(thing)
        yield f"{array.shape} {array.dtype}".encode()
        if array.dtype.hasobject:
            yield from self._members(array.ravel().tolist(), depth)
        else:
            yield array.tobytes()

    def _interferometer(self, detector: Interferometer, depth: int) -> Iterator[bytes]:
        """Yield place, arms, calibration and data of a detector; one that serves only as time reference has no data."""
        yield str(detector.name).encode()
        for array in (detector.geometry.vertex, detector.geometry.detector_tensor):
            yield np.asarray(array).tobytes()
        with self._at("calibration_model"):
            yield from self.pieces(detector.calibration_model, depth - 1)
        strain = detector.strain_data
        if strain._frequency_domain_strain is None and strain._time_domain_strain is None:
            return
        yield np.asarray(strain.frequency_domain_strain).tobytes()
        yield np.asarray(detector.power_spectral_density_array).tobytes()

    def _object(self, thing: Any, depth: int) -> Iterator[bytes]:
        kind = type(thing)
        yield f"{kind.__module__}.{kind.__qualname__}".encode()
        yield from self._class(kind, depth)
        if issubclass(kind, IOBase):
            raise TypeError("what is in an open file may change")
        if not (held := _held(thing)):
            # Objects without attributes are read by what they return for copying; an object that returns nothing cannot
            # be read.
            reduce = copyreg.dispatch_table.get(kind)
            given = thing.__reduce_ex__(_PROTOCOL) if reduce is None else reduce(thing)
            yield from [given.encode()] if isinstance(given, str) else self._members(map(_listed, given), depth)
            return
        if (detectors := held.get("_interferometers")) is not None:
            held["interferometers"] = list(detectors)
        for name in sorted(held):
            # Of private attributes, only functions and arrays are read; private numbers mostly change with evaluations.
            private = name.startswith("_") and not isinstance(held[name], FunctionType | np.ndarray)
            if not private and name not in _STATE:
                yield name.encode()
                with self._at(name):
                    yield from self.pieces(held[name], depth - 1)

    def _class(self, kind: type, depth: int) -> Iterator[bytes]:
        for base in kind.__mro__:
            if _own(base.__module__):
                yield base.__qualname__.encode()
                for name in sorted(vars(base)):
                    member = vars(base)[name]
                    function = getattr(member, "__func__", getattr(member, "fget", member))
                    if isinstance(function, FunctionType):
                        yield name.encode()
                        yield from self._function(function, depth)

    def _function(self, function: FunctionType, depth: int) -> Iterator[bytes]:
        yield f"{function.__module__}.{function.__qualname__}".encode()
        if not _own(function.__module__):
            return
        yield from _of_code(function.__code__)
        for value in (function.__defaults__, function.__kwdefaults__):
            yield from self.pieces(value, depth - 1)
        for cell in function.__closure__ or ():
            yield from self.pieces(_content(cell), depth - 1)
        for name in function.__code__.co_names:
            # Helper functions and constants in the same module, as far as they are the user's.
            value = function.__globals__.get(name)
            if issubclass(type(value), _DATA) or _own(_module_of(value)):
                with self._at(name):
                    yield from self.pieces(value, depth - 1)


def _held(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object, from its slots and its dictionary."""
    held = {}
    for base in type(thing).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            private = name.startswith("__") and not name.endswith("__")
            stored = f"_{base.__name__.lstrip('_')}{name}" if private else name
            if name not in ("__dict__", "__weakref__") and hasattr(thing, stored):
                held[name] = getattr(thing, stored)
    return held | dict(vars(thing)) if hasattr(thing, "__dict__") else held


def _listed(part: Any) -> Any:
    """Return an iterator as a list, for example the members of a queue; other values are unchanged."""
    return list(part) if isinstance(part, Iterator) else part


def _module_of(value: Any) -> str | None:
    """Return the name of the module of a function or class, or of the class of any other value."""
    code = value if issubclass(type(value), FunctionType | type) else type(value)
    return code.__module__


def _said(error: Exception) -> str:
    """Return the text of an exception, even if it raises an error when it is converted."""
    try:
        return str(error)
    except Exception:
        return "without words"


def _of_code(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        elif not isinstance(constant, frozenset):
            # The order of a set differs between processes.
            yield repr(constant).encode()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _own(module: str | None) -> bool:
    """Return whether a module is the user's own: it belongs neither to Python nor to an installed package, or is unknown."""
    # Whatever runs the process (python, pytest, a command), definitions in its main module are the user's.
    if module is None or module == "__main__":
        return True
    root = module.partition(".")[0]
    if not root or root in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file
