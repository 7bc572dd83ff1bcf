"""Positions and orientations of detectors, where the sky is searched: their description, and its comparison with another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from bilby.gw.detector import Interferometer, get_empty_interferometer

from ..waves.detectors import Detector
from .matching_priors import Finding

GEOMETRY = "geometry"
# Largest difference of the entries of a detector tensor, relative to an antenna response of 1; as in matching.py.
# Largest difference of the entries of a detector tensor, relative to an antenna response of 1; as in matching.py.
_RESPONSE_TOLERANCE = 1e-3
# Largest distance in metres: light takes 5e-5 s for it, the tolerance of a delay in matching.py.
# Largest distance in metres: light takes 5e-5 s for it, the tolerance of a delay in matching.py.
_PLACE_TOLERANCE = 15e3
# Indices of the upper triangle of a detector tensor, which is symmetric: 6 numbers instead of 9.
# Indices of the upper triangle of a detector tensor, which is symmetric: 6 numbers instead of 9.
_INDICES = np.triu_indices(3)

Place = dict[str, list[float]]


def describe_geometry(interferometers: Iterable[Interferometer]) -> dict[str, Place]:
    """Return position in metres from the Earth's centre, and detector tensor, of each interferometer."""
    return {interferometer.name: _place(interferometer) for interferometer in interferometers}


def match_geometry(trained: dict[str, Any], asked: dict[str, Any]) -> Iterator[Finding]:
    """Find the detectors whose position or orientation differs from those of the training.

    Parameters
    ----------
    trained, asked
        Facts of both contracts. A contract without this entry names the detectors only: they are those of Bilby.
    """
    if GEOMETRY not in asked:
        return
    known = trained.get(GEOMETRY)
    for name, now in asked[GEOMETRY].items():
        if name not in trained["detectors"]:
            continue
        before = _usual(name) if known is None else known.get(name)
        if before is None:
            yield Finding(
                True, f"{GEOMETRY}.{name}: not known in the training; use a model that was trained for this detector"
            )
            continue
        moved = float(np.linalg.norm(np.subtract(now["vertex"], before["vertex"])))
        turned = float(np.max(np.abs(np.subtract(now["tensor"], before["tensor"]))))
        # Not "larger than": what is not a number is refused, too.
        if not (moved <= _PLACE_TOLERANCE and turned <= _RESPONSE_TOLERANCE):
            yield Finding(
                True,
                f"{GEOMETRY}.{name}: {moved / 1e3:.3g} km from its position in the training, entries of its tensor differ by "
                f"{turned:.3g}; use the detector of the training, or a model that was trained for this one",
            )


def _place(interferometer: Interferometer) -> Place:
    detector = Detector.from_interferometer(interferometer)
    return {
        "vertex": np.round(detector.vertex, 1).tolist(),
        "tensor": np.round(detector.tensor[_INDICES], 6).tolist(),
    }


def _usual(name: str) -> Place | None:
    """Return the description of Bilby's detector with a name; ``None`` where there is none."""
    try:
        return _place(get_empty_interferometer(name))
    except (ValueError, OSError):
        return None
