"""Where detectors stand and how their arms lie, where the sky is searched: described, and held against another description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from bilby.gw.detector import Interferometer, get_empty_interferometer

from ..waves.detectors import Detector
from .matching_priors import Finding

GEOMETRY = "geometry"
_RESPONSE_TOLERANCE = 1e-3  # of a detector tensor's entries: as of an antenna response
_PLACE_TOLERANCE = 15e3  # metres: 5e-5 s of light travel, as of a delay
_INDICES = np.triu_indices(3)  # a tensor is symmetric

Place = dict[str, list[float]]


def describe_geometry(interferometers: Iterable[Interferometer]) -> dict[str, Place]:
    """Position from the Earth's centre in metres, and detector tensor, of each interferometer."""
    return {interferometer.name: _place(interferometer) for interferometer in interferometers}


def match_geometry(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    """Detectors that stand or lie otherwise than those trained with.

    Parameters
    ----------
    trained, asked
        Facts of both contracts. A contract without this entry knows detectors by name: they are Bilby's own.
    """
    if GEOMETRY not in asked:
        return
    known = trained.get(GEOMETRY)
    for name, now in asked[GEOMETRY].items():
        if name not in trained["detectors"]:
            continue
        before = _usual(name) if known is None else known.get(name)
        if before is None:
            yield Finding(True, f"{GEOMETRY}.{name}: not known of the training; have a model trained for this detector")
            continue
        moved = float(np.linalg.norm(np.subtract(now["vertex"], before["vertex"])))
        turned = float(np.max(np.abs(np.subtract(now["tensor"], before["tensor"]))))
        # Not "larger than": what is not a number is refused, too.
        if not (moved <= _PLACE_TOLERANCE and turned <= _RESPONSE_TOLERANCE):
            yield Finding(
                True,
                f"{GEOMETRY}.{name}: {moved / 1e3:.3g} km from where it was trained with, entries of its tensor {turned:.3g} "
                "off; give the detector that was trained with, or have a model trained for this one",
            )


def _place(interferometer: Interferometer) -> Place:
    detector = Detector.from_interferometer(interferometer)
    return {
        "vertex": np.round(detector.vertex, 1).tolist(),
        "tensor": np.round(detector.tensor[_INDICES], 6).tolist(),
    }


def _usual(name: str) -> Place | None:
    """Of the detector that Bilby has under a name; ``None`` where it has none."""
    try:
        return _place(get_empty_interferometer(name))
    except (ValueError, OSError):
        return None
