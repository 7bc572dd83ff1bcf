r"""Metric of templates: how fast they change with their parameters, from amplitudes and phases at few frequencies.

A step along coordinates changes a template by :math:`\delta \ln A + i \, \delta \phi` at each frequency. With the fraction p of
its power there, and after the parts that a change of amplitude, phase or time can undo are subtracted, a template loses the
fraction

.. math:: \sum_{ab} g_{ab} \, \delta_a \delta_b = \sum_f p(f) \left[ (\delta \ln A)_\perp^2 + (\delta \phi)_\perp^2 \right]

of the power that it finds. Phases are integrals of delays, so that no multiple of 2 pi is lost however long the steps are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...processes.parallel import Row
from .summary import DetectorBins
from .templates import Templates


@dataclass(frozen=True)
class Drawn:
    """Templates at a few frequencies.

    Attributes
    ----------
    frequencies
        Frequencies in Hz, (P,).
    log_amplitudes, phases
        Log amplitudes, minus infinity where there is no wave, and phases in radians, (N, P) each.
    power
        Squared signal-to-noise ratio around each frequency, in arbitrary units, (N, P).
    """

    frequencies: np.ndarray
    log_amplitudes: np.ndarray
    phases: np.ndarray
    power: np.ndarray


class Changes:
    """Function that computes the templates of rows for a metric.

    Parameters
    ----------
    templates
        Computes the templates; those that are waves on all frequencies cannot be used.
    detectors
        Detectors, whose noise weights are used.
    """

    def __init__(self, templates: Templates, detectors: Sequence[DetectorBins]) -> None:
        self._templates, points = templates, np.log(templates.points)
        self._weights = np.zeros(len(points))
        for one in detectors:
            # Each weight is split between the two nearest points.
            places = np.interp(np.log(one.frequencies), points, np.arange(len(points)))
            below = np.minimum(places.astype(int), len(points) - 2)
            upper = one.weights * (places - below)
            self._weights += np.bincount(below, one.weights - upper, len(points))
            self._weights += np.bincount(below + 1, upper, len(points))
        self._weights /= max(float(self._weights.max(initial=0.0)), np.finfo(float).tiny)

    def __call__(self, rows: Sequence[Row]) -> Drawn:
        """Return the templates of rows at a few frequencies."""
        shapes = self._templates.shapes(rows)
        with np.errstate(divide="ignore"):
            log_amplitudes = np.log(shapes.amplitudes)
        phases = self._templates.phases(shapes.slopes)
        return Drawn(self._templates.points, log_amplitudes, phases, self._weights * shapes.amplitudes**2)


def metric_of(drawn: Drawn, steps: np.ndarray) -> np.ndarray | None:
    """Compute the metric (n, n) at the first of some templates, the others being a step along each coordinate.

    Parameters
    ----------
    drawn
        Templates of 1 + n rows.
    steps
        Length of each step, (n,).

    Returns
    -------
    array or None
        ``None`` if the first template is zero, or a step leads to a point without a wave.
    """
    kept = (drawn.power[0] > 0) & np.all(np.isfinite(drawn.log_amplitudes), axis=0)
    power = drawn.power[0, kept]
    if not power.sum() > 0:
        return None
    root = np.sqrt(power / power.sum())
    # Frequencies at which one of the waves has ended cannot be compared; their power is small.
    amplitudes = (drawn.log_amplitudes[1:, kept] - drawn.log_amplitudes[0, kept]) / steps[:, None] * root
    phases = (drawn.phases[1:, kept] - drawn.phases[0, kept]) / steps[:, None] * root
    free = np.stack([np.ones(len(root)), drawn.frequencies[kept]]) * root
    metric = np.zeros((len(steps), len(steps)))
    for part, directions in ((amplitudes, free[:1]), (phases, free)):
        basis = np.linalg.qr(directions.T)[0]
        left = part - (part @ basis) @ basis.T
        metric += left @ left.T
    return metric
