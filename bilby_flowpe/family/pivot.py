r"""The pivot, the wave that an event's view is relative to: the best one within the family's prior, found in binned data.

Steps are as long as the posterior is wide, by the metric of templates. The first centre after the start is drawn by
weight instead of being the best one. The pivot then depends on the data, and hardly on the start of the search, which
in training is the truth that a network must not see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..priors import PriorTransform
from ..proposals.binary_chart import BinaryChart
from ..waves.coarse.metric import metric_of
from .binned import Binned
from .templates import POINTS, Templates, drawn

_STEPS = ((2.0, 48, True), (1.0, 40, False), (0.5, 24, False))
"""Step in standard deviations for each generation, its number of rows, and whether the next centre is drawn by weight."""

# step of the derivatives of templates, in standard deviations of the prior: small beside any posterior, far above
# rounding
_DIFFERENCE = 1e-3
# seconds around the arrival time of the reference that are tried, and the step between them
_REACH, _SPACING = 6e-3, 2.5e-4
_SLIPS = np.arange(-_REACH, _REACH + _SPACING / 2, _SPACING)
"""Times that are tried, in seconds from the arrival time of the reference, at the spacing above."""

TURNS = np.exp(2j * np.pi * POINTS[:, None] * _SLIPS).astype(np.complex64)
"""Phases of the fixed frequencies at the times that are tried, (P, T)."""

_EDGE = 4.0  # standard deviations of the prior beyond which no centre lies


@dataclass(frozen=True)
class Filtered:
    """Templates filtered with binned data.

    Attributes
    ----------
    values
        Log likelihood ratios at the best amplitude, phase and time in each detector, (N,).
    outputs
        Complex outputs over the template's norm at these times, (N, D), whose absolute values are signal-to-noise
        ratios.
    slips
        These times, in seconds from those of the reference, (N, D).
    """

    values: np.ndarray
    outputs: np.ndarray
    slips: np.ndarray


def filtered(binned: Binned, amplitudes: np.ndarray, phases: np.ndarray) -> Filtered:
    """Filter binned data with templates of given amplitudes and phases, (N, P) each."""
    conjugates = amplitudes * np.exp(-1j * (phases - binned.phases))
    norms = np.sqrt(np.maximum(amplitudes**2 @ binned.weights.T, np.finfo(float).tiny))
    count = len(binned.data)
    outputs, slips = np.empty((len(phases), count), dtype=complex), np.empty((len(phases), count))
    rows = np.arange(len(phases))
    for index, data in enumerate(binned.data):
        series = (conjugates * data).astype(np.complex64) @ TURNS
        best = np.argmax(series.real**2 + series.imag**2, axis=1)
        outputs[:, index] = series[rows, best] / norms[:, index]
        slips[:, index] = _SLIPS[best]
    return Filtered(0.5 * np.sum(np.abs(outputs) ** 2, axis=1), outputs, slips)


@dataclass(frozen=True)
class Pivot:
    """The wave that a view is relative to.

    Attributes
    ----------
    body
        Chirp mass, mass ratio and spins along the orbit, (4,).
    base
        These parameters in the prior's coordinates, (4,).
    root
        Lower Cholesky factor of the posterior's covariance there, by the metric, (4, 4).
    amplitudes, phases
        Amplitudes and phases of the wave, (P,).
    value
        Its log likelihood ratio.
    outputs, slips
        As in :class:`Filtered`, (D,).
    moved
        Increase of the log likelihood ratio from the start of the search.
    """

    body: np.ndarray
    base: np.ndarray
    root: np.ndarray
    amplitudes: np.ndarray
    phases: np.ndarray
    value: float
    outputs: np.ndarray
    slips: np.ndarray
    moved: float


class Climb:
    """Search of the pivot by a climb from a start.

    Parameters
    ----------
    templates
        Object that makes waves.
    prior
        Prior of chirp mass, mass ratio, and spins along the orbit.
    """

    def __init__(self, templates: Templates, prior: PriorTransform) -> None:
        self.templates, self._chart = templates, BinaryChart(prior)
        self._order = [self._chart.keys.index(key) for key in ("chirp_mass", "mass_ratio", "chi_1", "chi_2")]

    def bodies(self, base: np.ndarray) -> np.ndarray:
        """Return chirp mass, mass ratio and spins at places in the prior's coordinates, (N, 4)."""
        columns, _ = self._chart.inverse(base, np.random.default_rng(0))
        return np.stack([columns[self._chart.keys[index]] for index in self._order], axis=1)

    def base(self, bodies: np.ndarray) -> np.ndarray:
        """Return places in the prior's coordinates; the inverse of :meth:`bodies`."""
        columns = {self._chart.keys[index]: bodies[:, number] for number, index in enumerate(self._order)}
        return self._chart.forward(columns)[0]

    def root(self, binned: Binned, place: np.ndarray, value: float) -> np.ndarray:
        """Return the lower Cholesky factor of the covariance of a normal posterior at a place, (4, 4)."""
        steps = _DIFFERENCE * np.where(place > 0, -1.0, 1.0)
        places = np.concatenate([place[None], place + np.diag(steps)])
        power = np.sum(binned.weights, axis=0)
        metric = metric_of(drawn(self.templates, self.bodies(places), power / power.max()), steps)
        precision = np.eye(len(place)) + (0 if metric is None else 2 * max(value, 1.0) * metric)
        root: np.ndarray = np.linalg.cholesky(np.linalg.inv(precision))
        return root

    def __call__(self, binned: Binned, start: np.ndarray, rng: np.random.Generator) -> Pivot:
        """Climb from a start, in the prior's coordinates, (4,), and return the pivot."""
        centre = np.clip(start, -_EDGE, _EDGE)
        begun = value = float(filtered(binned, *self.templates(self.bodies(centre[None]))).values[0])
        root = self.root(binned, centre, value)
        for step, size, by_weight in _STEPS:
            white = rng.standard_normal((size, len(centre)))
            places = centre + step * white @ root.T
            if not by_weight:
                places[0] = centre
            amplitudes, phases = self.templates(self.bodies(places))
            found = filtered(binned, amplitudes, phases)
            heights = found.values - 0.5 * np.sum(places**2, axis=1)
            if by_weight:
                log_weights = heights + 0.5 * np.sum(white**2, axis=1)
                weights = np.exp(log_weights - log_weights.max())
                best = int(rng.choice(size, p=weights / weights.sum()))
            else:
                best = int(np.argmax(heights))
            centre, value = places[best], float(found.values[best])
            root = self.root(binned, centre, value)
        body = self.bodies(centre[None])[0]
        wave = amplitudes[best], phases[best], value, found.outputs[best], found.slips[best]
        return Pivot(body, centre, root, *wave, value - begun)
