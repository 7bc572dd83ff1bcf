r"""Templates for a search: non-precessing waves seen face on, on all frequencies, interpolated from a few.

Seen face on, a non-precessing wave is one term whose amplitude and phase are smooth, whatever the masses: both are splines in
the logarithm of the frequency, through some tens of points. The phase is the integral of the group delay, as for the reference
(:mod:`.reference`). This takes no reference wave, serves the whole prior, and is good to a few per cent of a radian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bilby.gw import source
from bilby.gw.waveform_generator import WaveformGenerator
from scipy.interpolate import CubicSpline

from ...errors import SimulationError
from ...names import PHASE
from ...processes.parallel import Row
from .models import MODES, ByFrequency, Model, sequence_of
from .pairs import FrequencyPairs
from .reference import face_on
from .splines import Spline
from .terms import ByModes, Terms

_POINTS = 72  # frequencies: 0.06 apart in ln f from 20 to 1500 Hz; the spectrum of a ringdown is twice as wide
# For waves of several modes, or slow ones: the (2, 2) mode of any binary is similar to it
_APPROXIMANT = "IMRPhenomXAS"
_SPINS = ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl")


@dataclass(frozen=True)
class Shapes:
    """Amplitudes and phase derivatives of the templates of many rows.

    Attributes
    ----------
    amplitudes
        Amplitudes at the points, divided by the largest of each row, (N, P); zero where a row has no wave.
    slopes
        Derivative of the phase at the points, in radians per Hz, (N, P).
    whole
        The waves themselves, (N, F), and no points, if the source model only works on the data's frequencies.
    """

    amplitudes: np.ndarray
    slopes: np.ndarray
    whole: np.ndarray | None = None

    def __getitem__(self, chosen: np.ndarray | slice) -> Shapes:
        """Return the shapes of some of the rows alone."""
        return Shapes(self.amplitudes[chosen], self.slopes[chosen], None if self.whole is None else self.whole[chosen])

    @property
    def size(self) -> int:
        """Number of rows, N."""
        return len(self.amplitudes)


class Grid:
    """Frequencies on which templates are evaluated, and a phase that is subtracted from them.

    Parameters
    ----------
    templates
        Templates, whose points are the nodes of splines.
    frequencies
        Frequencies in Hz, (F,), within the band of the points or next to it.
    slopes
        Derivative at the points of the phase that is subtracted, in radians per Hz, (P,); by default no phase is subtracted.
    """

    def __init__(self, templates: Templates, frequencies: np.ndarray, slopes: np.ndarray | None = None) -> None:
        points = templates.points
        self.frequencies = frequencies
        self.slopes = np.zeros(len(points)) if slopes is None else slopes
        self._spline = templates.spline
        self._matrix = self._spline.matrix(np.log(frequencies), beyond=True) if len(points) else None

    def joined(self, values: np.ndarray) -> np.ndarray:
        """Evaluate splines through values at the points (N, P) on the grid, (N, F)."""
        joined: np.ndarray = (self._matrix @ (self._spline.coefficients @ values.T)).T
        return joined


class Templates:
    """Source of templates for many rows.

    Parameters
    ----------
    generator
        The user's waveform generator.
    terms
        Computes the terms of coarse waves.
    frequencies
        Frequencies of the data in the band of the search, in Hz, (F,).
    tried
        A row at which another approximant is tested, in place of waves on all frequencies.

    Attributes
    ----------
    points
        Frequencies in Hz, (P,), between which amplitude and phase are interpolated; empty if a template is a wave on all
        frequencies.
    spline
        Spline through values at the points, in the logarithm of the frequency.
    """

    def __init__(self, generator: WaveformGenerator, terms: Terms, frequencies: np.ndarray, tried: Row) -> None:
        self._frequencies = frequencies
        self._model = _model_of(generator, terms, tried)
        self.points = np.geomspace(frequencies[0], frequencies[-1], _POINTS) if not self._model.on_bins else np.empty(0)
        if not self._model.on_bins:
            self._pairs = FrequencyPairs(self.points)
            self.spline = Spline(np.log(self.points))
            self._integrate = CubicSpline(np.log(self.points), np.eye(_POINTS)).antiderivative()(np.log(self.points))

    @property
    def words(self) -> str:
        """Description of the source model that computes the templates."""
        return self._model.words

    @property
    def dear(self) -> bool:
        """True if a template is a wave on all frequencies, which takes long."""
        return self._model.on_bins

    def shapes(self, rows: Sequence[Row]) -> Shapes:
        """Return amplitudes and phase derivatives of the templates of rows."""
        if self._model.on_bins:
            whole = np.array([self._wave(row, self._frequencies) for row in rows])
            largest = np.abs(whole).max(axis=1, keepdims=True)
            whole = (whole / np.where(largest > 0, largest, 1)).astype(np.complex64)
            return Shapes(np.empty((len(rows), 0)), np.empty((len(rows), 0)), whole)
        waves = np.array([self._wave(row, self._pairs.both) for row in rows]).reshape(len(rows), 2 * _POINTS)
        amplitudes = np.abs(waves[:, ::2])
        largest = amplitudes.max(axis=1, keepdims=True)
        return Shapes(amplitudes / np.where(largest > 0, largest, 1), self._pairs.slopes(waves))

    def phases(self, slopes: np.ndarray) -> np.ndarray:
        """Return phases at the points, (..., P), zero at the first, from their derivatives there."""
        phases: np.ndarray = (slopes * self.points) @ self._integrate.T
        return phases

    def on(self, grid: Grid, shapes: Shapes) -> np.ndarray:
        """Return templates (N, F) on a grid, complex64."""
        both = grid.joined(np.concatenate([shapes.amplitudes, self.phases(shapes.slopes - grid.slopes)]))
        found = np.empty((shapes.size, len(grid.frequencies)), dtype=np.complex64)
        # Multiples of 2 pi are removed before the conversion to single precision.
        angles = (both[shapes.size :] % (2 * np.pi)).astype(np.float32)
        np.cos(angles, out=found.real)
        np.sin(angles, out=found.imag)
        found *= both[: shapes.size].astype(np.float32)
        return found

    def _wave(self, row: Row, frequencies: np.ndarray) -> np.ndarray:
        """Return the louder polarisation of the wave, (F,), or zeros where there is none."""
        try:
            wave = self._model({**face_on(self._model.parameters(row)), PHASE: 0.0}, frequencies)
        except SimulationError:
            # The row itself, with its own spins, may still have a wave: the search does not reject it.
            wave = None
        if wave is None or not np.all(np.isfinite(wave)):
            return np.zeros(len(frequencies), dtype=np.complex128)
        return wave[0] if np.any(wave[0]) else wave[1]


def _model_of(generator: WaveformGenerator, terms: Terms, tried: Row) -> Model:
    """Return the source model for templates, with the modes of ``|m| = 2`` alone, and a fast one if possible."""
    model = terms.model
    if isinstance(terms, ByModes) and isinstance(model, ByFrequency):
        kept = [group for order, group in zip(terms.orders, terms.groups, strict=True) if abs(order) == 2]
        if kept:
            return _usual(generator, tried) or _with_modes(model, kept[0])
    if model.on_bins:
        return _usual(generator, tried) or model
    return model


def _with_modes(model: ByFrequency, modes: Sequence[tuple[int, int]]) -> ByFrequency:
    arguments = {**model.arguments, MODES: [list(mode) for mode in modes]}
    return ByFrequency(model.words, model.model, model.conversion, model.keys, arguments, model.ends)


def _usual(generator: WaveformGenerator, tried: Row) -> ByFrequency | None:
    """Return the usual model of a binary black hole, if the generator's parameters are those of one."""
    model = sequence_of(generator, source.lal_binary_black_hole, _APPROXIMANT)
    kept = ("waveform_approximant", "reference_frequency", "catch_waveform_errors")
    model.arguments = {key: value for key, value in model.arguments.items() if key in kept}
    parameters = model.parameters(tried)
    if not {"mass_1", "mass_2", "luminosity_distance", "theta_jn"} <= {*parameters}:
        return None
    model.arguments |= {key: 0.0 for key in _SPINS if key not in parameters}
    wave = model(face_on({**parameters, PHASE: 0.0}), np.array([30.0, 60.0]))
    return model if wave is not None and np.all(np.isfinite(wave)) else None
