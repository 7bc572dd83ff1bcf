"""Detection of methods that a subclass, or one object, replaces.

Short cuts of this package compute what Bilby's own methods compute. A subclass that replaces such a method computes something
else, and so does a single object on which a function was set (``likelihood.log_likelihood_ratio = ...``, for example to temper
a likelihood or to add a cut).
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import getattr_static


def replaced(thing: object, base: type, names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that an object or its class defines differently from ``base``.

    Parameters
    ----------
    thing
        An object.
    base
        Class whose methods the short cut replaces.
    names
        Attributes of ``base``.
    """
    own, missing = type(thing), object()
    held = getattr(thing, "__dict__", {})
    return [
        name
        for name in names
        if name in held or getattr_static(own, name, missing) is not getattr_static(base, name, missing)
    ]
