"""From whitened data to a network's context, and from a network's coordinates to parameters.

Read first :mod:`.base` (what every representation has), :mod:`.align` (how the signal in the data is found) and
:mod:`.coordinates` (the parameters as a network sees them). To add a representation, subclass :class:`.base.Representation` and
name it in :mod:`.config` and :mod:`.kinds`. All but the configuration needs torch, and is imported from its own module.
"""

from .config import KINDS, RepresentationConfig

__all__ = ["KINDS", "RepresentationConfig"]
