"""From whitened data to a network's context, and from a network's coordinates to parameters."""

from .aligned import AlignedRepresentation, SeriesRepresentation
from .amortised import AmortisedRepresentation
from .base import Representation, RepresentationConfig
from .compress import Compressor
from .coordinates import CoordinateConfig, Coordinates
from .linear import LinearRepresentation
from .pivot import Pivot

REPRESENTATIONS: dict[str, type[Representation]] = {
    "aligned": AlignedRepresentation,
    "amortised": AmortisedRepresentation,
    "series": SeriesRepresentation,
    "linear": LinearRepresentation,
}
"""Representations by kind."""

__all__ = [
    "REPRESENTATIONS",
    "AlignedRepresentation",
    "AmortisedRepresentation",
    "Compressor",
    "CoordinateConfig",
    "Coordinates",
    "LinearRepresentation",
    "Pivot",
    "Representation",
    "RepresentationConfig",
    "SeriesRepresentation",
]
