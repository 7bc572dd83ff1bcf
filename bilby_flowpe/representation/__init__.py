"""From whitened data to a network's context, and from a network's coordinates to parameters."""

from .aligned import AlignedRepresentation, SeriesRepresentation
from .base import Representation, RepresentationConfig
from .coordinates import CoordinateConfig, Coordinates
from .linear import LinearRepresentation
from .pivot import Pivot

REPRESENTATIONS: dict[str, type[Representation]] = {
    "aligned": AlignedRepresentation,
    "series": SeriesRepresentation,
    "linear": LinearRepresentation,
}
"""Representations by kind."""

__all__ = [
    "REPRESENTATIONS",
    "AlignedRepresentation",
    "CoordinateConfig",
    "Coordinates",
    "LinearRepresentation",
    "Pivot",
    "Representation",
    "RepresentationConfig",
    "SeriesRepresentation",
]
