"""From whitened data to a network's context, and from a network's coordinates to parameters.

All but the choices works with torch, and is imported from its own module; :mod:`.kinds` has the representations by name.
"""

from .config import KINDS, RepresentationConfig

__all__ = ["KINDS", "RepresentationConfig"]
