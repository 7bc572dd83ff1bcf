r"""Templates for a search: non-precessing waves seen face on, on all frequencies, from a few of them.

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

_POINTS = 72  # frequencies: six hundredths apart in ln f from 20 to 1500 Hz, where a ringdown is twice as wide
_APPROXIMANT = "IMRPhenomXAS"  # where waves have several modes or are dear: the (2, 2) mode of any binary is like it
_SPINS = ("a_1", "a_2", "tilt_1", "tilt_2", "phi_12", "phi_jl")


@dataclass(frozen=True)
class Shapes:
    """What templates of many rows are made of.

    Attributes
    ----------
    amplitudes
        At the points, over the largest of each row, (N, P); zero where a row has no wave.
    slopes
        Derivative of the phase there, in radians per Hz, (N, P).
    whole
        Where the source model has waves on the data's frequencies alone: these, (N, F), and no points.
    """

    amplitudes: np.ndarray
    slopes: np.ndarray
    whole: np.ndarray | None = None

    def __getitem__(self, chosen: np.ndarray | slice) -> Shapes:
        """Some of the rows alone."""
        return Shapes(self.amplitudes[chosen], self.slopes[chosen], None if self.whole is None else self.whole[chosen])

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.amplitudes)


class Grid:
    """Frequencies on which templates are wanted, and a phase that is taken off them.

    Parameters
    ----------
    templates
        Whose points are joined by splines.
    frequencies
        In Hz, (F,), within the band of the points or next to it.
    slopes
        Derivative of the phase that is taken off, in radians per Hz at the points, (P,); none is taken off when left out.
    """

    def __init__(self, templates: Templates, frequencies: np.ndarray, slopes: np.ndarray | None = None) -> None:
        points = templates.points
        self.frequencies = frequencies
        self.slopes = np.zeros(len(points)) if slopes is None else slopes
        self._spline = templates.spline
        self._matrix = self._spline.matrix(np.log(frequencies), beyond=True) if len(points) else None

    def joined(self, values: np.ndarray) -> np.ndarray:
        """Splines through values at the points (N, P), on the grid, (N, F)."""
        joined: np.ndarray = (self._matrix @ (self._spline.coefficients @ values.T)).T
        return joined


class Templates:
    """Makes templates of many rows.

    Parameters
    ----------
    generator
        The user's.
    terms
        What makes coarse waves of it.
    frequencies
        Those of the data in the band of the search, in Hz, (F,).
    tried
        A row at which another approximant is tried in place of waves on all frequencies.

    Attributes
    ----------
    points
        Frequencies between which amplitude and phase are splines, in Hz, (P,); none where a template is a wave on all
        frequencies.
    spline
        Through values at these, in the logarithm of the frequency.
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
        """What makes the templates."""
        return self._model.words

    @property
    def dear(self) -> bool:
        """Whether a template is a wave on all frequencies."""
        return self._model.on_bins

    def shapes(self, rows: Sequence[Row]) -> Shapes:
        """Amplitudes and slopes of the phase of rows."""
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
        """Phases at the points, of slopes there, (..., P), zero at the first."""
        phases: np.ndarray = (slopes * self.points) @ self._integrate.T
        return phases

    def on(self, grid: Grid, shapes: Shapes) -> np.ndarray:
        """Templates (N, F) on a grid, complex64."""
        both = grid.joined(np.concatenate([shapes.amplitudes, self.phases(shapes.slopes - grid.slopes)]))
        found = np.empty((shapes.size, len(grid.frequencies)), dtype=np.complex64)
        # Whole turns go before single precision comes.
        angles = (both[shapes.size :] % (2 * np.pi)).astype(np.float32)
        np.cos(angles, out=found.real)
        np.sin(angles, out=found.imag)
        found *= both[: shapes.size].astype(np.float32)
        return found

    def _wave(self, row: Row, frequencies: np.ndarray) -> np.ndarray:
        """The louder polarisation of the wave, (F,); zeros where there is none."""
        try:
            wave = self._model({**face_on(self._model.parameters(row)), PHASE: 0.0}, frequencies)
        except SimulationError:
            # The row itself, with its own spins, may well have one: it is not for a search to say.
            wave = None
        if wave is None or not np.all(np.isfinite(wave)):
            return np.zeros(len(frequencies), dtype=np.complex128)
        return wave[0] if np.any(wave[0]) else wave[1]


def _model_of(generator: WaveformGenerator, terms: Terms, tried: Row) -> Model:
    """The source model for templates: with the modes of ``|m| = 2`` alone, and fast where that is possible."""
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
    """The usual waves of a binary black hole, where the generator's parameters are those of one."""
    model = sequence_of(generator, source.lal_binary_black_hole, _APPROXIMANT)
    kept = ("waveform_approximant", "reference_frequency", "catch_waveform_errors")
    model.arguments = {key: value for key, value in model.arguments.items() if key in kept}
    parameters = model.parameters(tried)
    if not {"mass_1", "mass_2", "luminosity_distance", "theta_jn"} <= {*parameters}:
        return None
    model.arguments |= {key: 0.0 for key in _SPINS if key not in parameters}
    wave = model(face_on({**parameters, PHASE: 0.0}), np.array([30.0, 60.0]))
    return model if wave is not None and np.all(np.isfinite(wave)) else None
