"""Classes of representations by the name of their kind."""

from __future__ import annotations

from .aligned import AlignedRepresentation, SeriesRepresentation
from .amortised import AmortisedRepresentation
from .base import Representation
from .linear import LinearRepresentation

REPRESENTATIONS: dict[str, type[Representation]] = {
    "aligned": AlignedRepresentation,
    "amortised": AmortisedRepresentation,
    "series": SeriesRepresentation,
    "linear": LinearRepresentation,
}
"""Class of the representation for each kind."""
