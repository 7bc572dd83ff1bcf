"""Find out whether a class, or one object of it, replaces methods of a class of Bilby's.

Short cuts of this package stand for what Bilby's own methods compute. A subclass that has such a method of its own computes
something else, and so does a single object on which a function was set (``likelihood.log_likelihood_ratio = ...``, as is done
to temper a likelihood or to add a cut).
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import getattr_static


def replaced(thing: object, base: type, names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that an object or its class defines otherwise than ``base`` does.

    Parameters
    ----------
    thing
        An object.
    base
        The class whose methods the short cut stands for.
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
